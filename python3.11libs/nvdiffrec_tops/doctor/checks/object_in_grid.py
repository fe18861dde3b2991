"""Whether the object fits the grid that ``mesh_scale`` makes: a cube of that side at the origin."""

from __future__ import annotations

import math
import statistics

from nvdiffrec_contract.dataset import Description, MeshExtent
from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding

SMALL = 0.25
# Synthetic views: camera at radius 3, vertical field of view 45 degrees.
SEEN = 3 * math.sin(math.radians(22.5))


def run(context: Context) -> list[Finding]:
    dataset = context.dataset
    if context.setting("base_mesh", None):
        return CHECK.skipped("a base mesh is given: there is no grid")
    side = context.number("mesh_scale", 2.1)
    if dataset is None or side <= 0:
        return CHECK.skipped("nothing tells how large the object is")
    if dataset.mesh is not None and dataset.mesh.vertices:
        return _mesh(dataset.mesh, side)
    if not dataset.cameras or any(camera.fault for camera in dataset.cameras):
        return CHECK.skipped("nothing tells how large the object is")
    return _photographs(dataset, side)


def _mesh(mesh: MeshExtent, side: float) -> list[Finding]:
    reach = max(map(abs, (*mesh.low, *mesh.high)))
    extent = max(high - low for low, high in zip(mesh.low, mesh.high, strict=True))
    findings = []
    if reach > 0.5 * side:
        wanted = math.ceil(21 * reach) / 10
        centred = extent < side
        findings.append(
            CHECK.warning(
                f"the mesh reaches {reach:.3g} from the origin, the grid of mesh_scale {side:g} "
                f"only {0.5 * side:.3g}: what is outside is lost",
                f'move it to the origin, or "mesh_scale": {wanted:g}'
                if centred
                else f'scale it to fit, or "mesh_scale": {wanted:g}',
            )
        )
    elif extent < SMALL * side:
        findings.append(
            CHECK.warning(
                f"the mesh is {extent:.3g} large and fills {extent / side:.0%} of the grid of "
                f"mesh_scale {side:g}: it will be coarse, or vanish",
                f'"mesh_scale": {max(math.ceil(21 * reach) / 10, 0.1):g}, and a larger mesh: the '
                "cameras stand 3 units away",
            )
        )
    if mesh.radius > SEEN:
        findings.append(
            CHECK.warning(
                f"the mesh reaches {mesh.radius:.3g} from the origin; the cameras, 3 units away, "
                f"see {SEEN:.3g} of it",
                f"scale the mesh by {0.95 * SEEN / mesh.radius:.2g}",
            )
        )
    return findings or CHECK.ok(f"the mesh fills {extent / side:.0%} of the grid's side")


def _photographs(dataset: Description, side: float) -> list[Finding]:
    cameras, middle = dataset.cameras, dataset.origin
    inside = 0
    parts = []
    for camera in cameras:
        away = [camera.position[i] - middle[i] for i in range(3)]
        inside += all(abs(one) < 0.5 * side for one in away)
        distance = math.sqrt(sum(one * one for one in away))
        if distance > 0:
            parts.append(side * camera.focal[1] / (distance * camera.size[0]))
    if inside:
        return [
            CHECK.warning(
                f"{inside} of {len(cameras)} cameras stand inside the grid of mesh_scale {side:g}",
                f'a smaller "mesh_scale"; the nearest camera is {_nearest(dataset):.3g} '
                "away from the middle",
            )
        ]
    part = statistics.median(parts) if parts else 1.0
    if not 0.2 < part < 6:
        word = "only" if part < 1 else "more than"
        return [
            CHECK.warning(
                f"seen from the cameras the grid of mesh_scale {side:g} is {word} {part:.2g} "
                "pictures high: the object is cut off, or vanishes in it",
                f'"mesh_scale": {side / part:.2g} makes the grid one picture high',
            )
        ]
    return CHECK.ok(f"seen from the cameras the grid is {part:.2g} pictures high")


def _nearest(dataset: Description) -> float:
    return min(math.dist(camera.position, dataset.origin) for camera in dataset.cameras)


CHECK = Check("object_in_grid", "Object in the grid", "data", run, needs=("data_present",))
