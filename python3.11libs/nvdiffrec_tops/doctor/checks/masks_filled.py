"""Whether the masks show an object: neither nothing nor everything, and not its surroundings."""

from __future__ import annotations

from nvdiffrec_contract.dataset import checks as datachecks
from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding


def run(context: Context) -> list[Finding]:
    dataset = context.dataset
    if dataset is None or not dataset.coverage:
        return CHECK.skipped("the data have no masks")
    told = CHECK.told(dataset.told(context.engine, "masks"))
    if told:
        return told
    looks = datachecks.outlines(dataset)
    covered = [one.covered for one in looks.values() if one.covered is not None]
    if not covered:
        # No picture at all: the environment's reader is at fault, not the pictures.
        return CHECK.skipped("these pictures need decoding, and this environment has no decoder")
    mean = sum(covered) / len(covered)
    return CHECK.told(datachecks.masks(dataset)) or CHECK.ok(
        f"the object covers {mean:.0%} ({len(covered)} looked at)"
    )


CHECK = Check("masks_filled", "Masks", "data", run, needs=("data_present",))
