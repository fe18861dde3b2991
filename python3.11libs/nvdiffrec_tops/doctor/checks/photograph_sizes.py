"""Whether all photographs have one size, their masks the same, and the cameras' proportions."""

from __future__ import annotations

import os

from nvdiffrec_contract.dataset import Description, Size
from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding

ASPECT = 0.02
"""How far proportions may differ from the camera's, as the trainers allow."""


def run(context: Context) -> list[Finding]:
    dataset = context.dataset
    if dataset is None or not dataset.pictures:
        return CHECK.skipped("the data are no photographs")
    known = {path: look.size for path, look in dataset.looks.items() if look.size}
    sizes = {path: known[path] for path in dataset.pictures if path in known}
    if not sizes:
        return CHECK.skipped("these pictures' headers do not tell their size")
    findings = []
    first, size = next(iter(sizes.items()))
    other = next((path for path, one in sizes.items() if one != size), None)
    nested = context.setting("diffrec", {})
    reduced = isinstance(nested, dict) and nested.get("photo_res") is not None
    if other is not None and not (context.trainer.reads_section and reduced):
        findings.append(
            CHECK.error(
                f"{os.path.basename(other)} is {_shown(sizes[other])}, {os.path.basename(first)} "
                f"is {_shown(size)}: all photographs must have one size",
                "export all of them in one size and in one orientation, then solve the cameras",
            )
        )
    for photo, mask in zip(dataset.pictures, dataset.masks, strict=False):
        if photo in sizes and known.get(mask, sizes[photo]) != sizes[photo]:
            findings.append(
                CHECK.error(
                    f"{mask} is {_shown(known[mask])}, its photograph {_shown(sizes[photo])}",
                    "export the masks in the size of the photographs",
                )
            )
            break
    findings += _proportions(dataset, sizes)
    return findings or CHECK.ok(f"{_shown(size)} ({len(sizes)} looked at)")


def _proportions(dataset: Description, sizes: dict[str, Size]) -> list[Finding]:
    for path, camera in zip(dataset.pictures, dataset.cameras, strict=False):
        if path not in sizes or camera.fault:
            continue
        height, width = sizes[path]
        if abs(width / height / camera.aspect - 1) > ASPECT:
            return [
                CHECK.error(
                    f"{os.path.basename(path)} is {_shown(sizes[path])}, but its camera was solved "
                    f"for pictures {camera.aspect:.3f} times as wide as high",
                    "use the pictures that the cameras were solved from, reduced but neither "
                    "cropped nor turned",
                )
            ]
    return []


def _shown(size: Size) -> str:
    return f"{size[1]} x {size[0]}"


CHECK = Check("photograph_sizes", "Sizes of photographs", "data", run, needs=("photographs",))
