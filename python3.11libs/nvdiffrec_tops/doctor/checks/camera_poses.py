"""Whether the data set's cameras are cameras."""

from __future__ import annotations

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding

FEW = 8


def run(context: Context) -> list[Finding]:
    dataset = context.dataset
    if dataset is None:
        return CHECK.skipped("the data have no cameras")
    told = CHECK.told(dataset.told(context.engine, "cameras"))
    if any(one.severity == "error" for one in told):
        return told
    if not dataset.cameras:
        return told or CHECK.skipped("the data have no cameras")
    centres = {tuple(round(one, 9) for one in camera.position) for camera in dataset.cameras}
    if len(dataset.cameras) > 1 and len(centres) == 1:
        return [
            CHECK.error(
                "all cameras stand in one place: nothing tells how far away anything is",
                "walk around the object while photographing it; a panorama is no such series",
            )
        ]
    if len(dataset.cameras) < FEW:
        return [
            *told,
            CHECK.warning(
                f"only {len(dataset.cameras)} cameras", "photograph it from 30 sides or more"
            ),
        ]
    return told or CHECK.ok(f"{len(dataset.cameras)} cameras")


CHECK = Check("camera_poses", "Cameras", "data", run, needs=("data_present",))
