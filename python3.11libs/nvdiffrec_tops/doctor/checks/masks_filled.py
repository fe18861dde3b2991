"""Whether the masks show an object: neither nothing nor everything."""

from __future__ import annotations

import json
import os
import tempfile

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.dataset import Dataset, sample
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.doctor.inspection import InspectionError, inspect
from nvdiffrec_tops.doctor.pictures import is_black
from nvdiffrec_tops.environment import EnvironmentProblem

QUICK_SAMPLE = 4
SAMPLE = 16
LITTLE = 0.005
CURE = "make the masks anew: white is the object, black is everything else"


def run(context: Context) -> list[Finding]:
    dataset = context.dataset
    if dataset is None or dataset.kind not in ("llff", "nerf"):
        return CHECK.skipped("the data have no masks")
    files = dataset.masks or dataset.pictures
    if context.quick:
        return _quick(dataset, sample(files, QUICK_SAMPLE))
    looked = sample(files, SAMPLE)
    covered, unread = _decoded(context, dataset, looked)
    if not covered:
        # No picture at all: the environment's reader is at fault, not the pictures.
        return _quick(dataset, looked)
    findings = [
        CHECK.error(f"{path} cannot be decoded: {said}", "export it again as PNG")
        for path, said in list(unread.items())[:3]
    ]
    empty = [path for path, part in covered.items() if part == 0]
    full = [path for path, part in covered.items() if part == 1]
    if empty:
        findings.append(CHECK.error(_some("show nothing", empty, covered), CURE))
    if full:
        findings.append(
            CHECK.warning(_some("cover the whole picture", full, covered), CURE)
            if len(full) < len(covered)
            else CHECK.error("every mask covers its whole picture: nothing is cut out", CURE)
        )
    small = [path for path, part in covered.items() if 0 < part < LITTLE]
    if small:
        findings.append(
            CHECK.warning(
                _some(f"show less than {LITTLE:.1%} of the picture", small, covered),
                "use photographs in which the object is larger, or crop them before solving",
            )
        )
    mean = sum(covered.values()) / len(covered)
    return findings or CHECK.ok(f"the object covers {mean:.0%} ({len(covered)} looked at)")


def _some(what: str, paths: list[str], covered: dict[str, float]) -> str:
    return f"{len(paths)} of {len(covered)} masks {what}, first {paths[0]}"


def _quick(dataset: Dataset, looked: list[str]) -> list[Finding]:
    if dataset.kind == "nerf":
        return CHECK.skipped("alpha needs decoding: a full examination looks at it")
    known = {path: black for path in looked if (black := is_black(path)) is not None}
    empty = [path for path, black in known.items() if black]
    if empty:
        return [
            CHECK.error(f"{len(empty)} of {len(known)} masks are black, first {empty[0]}", CURE)
        ]
    if not known:
        return CHECK.skipped("these masks need decoding: a full examination looks at them")
    return CHECK.ok(f"none of {len(known)} masks is black")


def _decoded(
    context: Context, dataset: Dataset, looked: list[str]
) -> tuple[dict[str, float], dict[str, str]]:
    """Covered part by path, and what the others said: decoded by the environment's own reader."""
    channel = "alpha" if dataset.kind == "nerf" else "brightness"
    with tempfile.TemporaryDirectory(prefix="doctor-") as folder:
        path = os.path.join(folder, "pictures.json")
        with open(path, "w", encoding="utf-8") as stream:
            json.dump([[one, channel] for one in looked], stream)
        try:
            facts = inspect(
                context.place.python,
                ["pictures"],
                context.variables,
                options={"list": path},
                timeout=100.0,
            )["pictures"]
        except (InspectionError, EnvironmentProblem):
            return {}, {}
    found = facts.get("pictures", {})
    covered = {path: one["touched"] for path, one in found.items() if "touched" in one}
    unread = {path: one["problem"] for path, one in found.items() if "problem" in one}
    return covered, unread


CHECK = Check("masks_filled", "Masks", "data", run, needs=("photographs",))
