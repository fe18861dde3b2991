"""Whether every camera has its photograph, and every photograph its mask."""

from __future__ import annotations

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding


def run(context: Context) -> list[Finding]:
    dataset = context.dataset
    told = [] if dataset is None else CHECK.told(dataset.told(context.engine, "pictures"))
    if told:
        return told
    if dataset is None or not dataset.pictures:
        return CHECK.skipped("the data are no photographs")
    return CHECK.ok(
        f"{len(dataset.pictures)} photographs" + (" with masks" if dataset.masks else "")
    )


CHECK = Check("photographs", "Photographs and masks", "data", run, needs=("data_present",))
