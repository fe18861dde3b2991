"""Whether the object fits the grid that ``mesh_scale`` makes: a cube of that side at the origin."""

from __future__ import annotations

from nvdiffrec_contract.dataset import checks as datachecks
from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding


def run(context: Context) -> list[Finding]:
    dataset = context.dataset
    if context.setting("base_mesh", None):
        return CHECK.skipped("a base mesh is given: there is no grid")
    side = context.number("mesh_scale", 2.1)
    if dataset is None or side <= 0:
        return CHECK.skipped("nothing tells how large the object is")
    told = CHECK.told(datachecks.grid(dataset, side))
    if told:
        return told
    if dataset.mesh is not None and dataset.mesh.vertices:
        extent = max(b - a for a, b in zip(dataset.mesh.low, dataset.mesh.high, strict=True))
        return CHECK.ok(f"the mesh fills {extent / side:.0%} of the grid's side")
    if not dataset.cameras or any(camera.fault for camera in dataset.cameras):
        return CHECK.skipped("nothing tells how large the object is")
    seen = datachecks.whereabouts(dataset)
    if seen is None:
        return CHECK.ok("the grid is in the pictures")
    return CHECK.ok(f"the object fills about {seen[1] / side:.0%} of the grid's side")


CHECK = Check("object_in_grid", "Object in the grid", "data", run, needs=("data_present",))
