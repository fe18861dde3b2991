"""Whether all photographs have one size, their masks the same, and the cameras' proportions."""

from __future__ import annotations

import os

from nvdiffrec_contract.dataset import Size
from nvdiffrec_contract.dataset import checks as datachecks
from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding


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
    findings += CHECK.told(datachecks.sizes(dataset))
    return findings or CHECK.ok(f"{_shown(size)} ({len(sizes)} looked at)")


def _shown(size: Size) -> str:
    return f"{size[1]} x {size[0]}"


CHECK = Check("photograph_sizes", "Sizes of photographs", "data", run, needs=("photographs",))
