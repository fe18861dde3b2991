"""Whether the data set's cameras are cameras."""

from __future__ import annotations

from nvdiffrec_contract.dataset import checks as datachecks
from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding


def run(context: Context) -> list[Finding]:
    dataset = context.dataset
    if dataset is None:
        return CHECK.skipped("the data have no cameras")
    told = CHECK.told(dataset.told(context.engine, "cameras"))
    if any(one.severity == "error" for one in told):
        return told
    if not dataset.cameras:
        return told or CHECK.skipped("the data have no cameras")
    found = CHECK.told(datachecks.cameras(dataset))
    if any(one.severity == "error" for one in found):
        return found
    return [*told, *found] or CHECK.ok(f"{len(dataset.cameras)} cameras")


CHECK = Check("camera_poses", "Cameras", "data", run, needs=("data_present",))
