"""Whether the data set's cameras are cameras."""

from __future__ import annotations

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding

FEW = 8


def run(context: Context) -> list[Finding]:
    dataset = context.dataset
    if dataset is None or dataset.kind not in ("llff", "nerf"):
        return CHECK.skipped("the data have no cameras")
    if dataset.problem:
        return [CHECK.error(dataset.problem, "solve the cameras again, or copy the file again")]
    faulty = [(i, camera) for i, camera in enumerate(dataset.cameras) if camera.fault]
    if faulty:
        index, camera = faulty[0]
        return [
            CHECK.error(
                f"{len(faulty)} of {len(dataset.cameras)} cameras are none; camera {index}: "
                f"{camera.fault}",
                "solve the cameras again, or take out these photographs with their masks and rows",
            )
        ]
    centres = {tuple(round(one, 9) for one in camera.centre) for camera in dataset.cameras}
    if len(dataset.cameras) > 1 and len(centres) == 1:
        return [
            CHECK.error(
                "all cameras stand in one place: nothing tells how far away anything is",
                "walk around the object while photographing it; a panorama is no such series",
            )
        ]
    if len(dataset.cameras) < FEW:
        return [
            CHECK.warning(
                f"only {len(dataset.cameras)} cameras", "photograph it from 30 sides or more"
            )
        ]
    return CHECK.ok(f"{len(dataset.cameras)} cameras")


CHECK = Check("camera_poses", "Cameras", "data", run, needs=("data_present",))
