"""Whether the masks show an object: neither nothing nor everything."""

from __future__ import annotations

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding

LITTLE = 0.005
CURE = "make the masks anew: white is the object, black is everything else"


def run(context: Context) -> list[Finding]:
    dataset = context.dataset
    if dataset is None or not dataset.coverage:
        return CHECK.skipped("the data have no masks")
    told = CHECK.told(dataset.told(context.engine, "masks"))
    if told:
        return told
    looks = dataset.looks
    files = [one for one in dataset.masks or dataset.pictures if one in looks]
    covered = {one: part for one in files if (part := looks[one].covered) is not None}
    unread = {one: looks[one].unread for one in files if looks[one].unread}
    if not covered:
        # No picture at all: the environment's reader is at fault, not the pictures.
        return CHECK.skipped("these pictures need decoding, and this environment has no decoder")
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


CHECK = Check("masks_filled", "Masks", "data", run, needs=("data_present",))
