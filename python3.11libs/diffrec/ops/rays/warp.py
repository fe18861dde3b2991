# Annotations of kernels are Warp's, not types.
# mypy: disable-error-code="valid-type, no-untyped-def, index, operator"
"""Rays by Warp's tree of boxes, for CPU and CUDA."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from diffrec.ops.warp import launch, start_warp

wp: Any = start_warp()
wp.set_module_options({"enable_backward": False})

_FAR = wp.constant(1.0e30)
_PARTS = 4  # of the work for a thread of the CPU, which are not all equally long


if hasattr(wp, "mesh_query_ray_anyhit"):

    @wp.func
    def _meets(mesh: wp.uint64, origin: wp.vec3, way: wp.vec3) -> wp.bool:
        return wp.mesh_query_ray_anyhit(mesh, origin, way, _FAR)

else:  # Warp before 1.11 looks for the nearest

    @wp.func
    def _meets(mesh: wp.uint64, origin: wp.vec3, way: wp.vec3) -> wp.bool:
        return wp.mesh_query_ray(mesh, origin, way, _FAR).result


@wp.kernel
def _free(
    mesh: wp.uint64,
    origins: wp.array2d(dtype=wp.float32),
    normals: wp.array2d(dtype=wp.float32),
    directions: wp.array3d(dtype=wp.float32),
    result: wp.array2d(dtype=wp.float32),
):
    t, j = wp.tid()
    origin = wp.vec3(origins[t, 0], origins[t, 1], origins[t, 2])
    normal = wp.vec3(normals[t, 0], normals[t, 1], normals[t, 2])
    count = wp.float32(0.0)
    for s in range(directions.shape[1]):
        way = wp.vec3(directions[j, s, 0], directions[j, s, 1], directions[j, s, 2])
        blocked = wp.dot(normal, way) <= 0.0
        if not blocked:
            blocked = _meets(mesh, origin, way)
        if not blocked:
            count += 1.0
    result[t, j] = count / wp.float32(directions.shape[1])


@wp.kernel
def _first(
    mesh: wp.uint64,
    origins: wp.array2d(dtype=wp.float32),
    directions: wp.array2d(dtype=wp.float32),
    triangle: wp.array(dtype=wp.int64),
    bary: wp.array2d(dtype=wp.float32),
):
    i = wp.tid()
    origin = wp.vec3(origins[i, 0], origins[i, 1], origins[i, 2])
    way = wp.vec3(directions[i, 0], directions[i, 1], directions[i, 2])
    found = wp.mesh_query_ray(mesh, origin, way, _FAR)
    if found.result:
        triangle[i] = wp.int64(found.face)
        bary[i, 0] = found.u
        bary[i, 1] = found.v
        bary[i, 2] = 1.0 - found.u - found.v
    else:
        triangle[i] = wp.int64(-1)
        for k in range(3):
            bary[i, k] = 0.0


def scene(positions: Tensor, triangles: Tensor) -> Any:
    """Warp's mesh; it holds copies."""
    corners = triangles.to(torch.int32).reshape(-1)
    places = positions.detach().clone()

    def made() -> Any:
        return wp.Mesh(wp.from_torch(places, dtype=wp.vec3), wp.from_torch(corners))

    if not positions.is_cuda:
        return made()
    # On PyTorch's stream, so that the tree is built of what stands there by then.
    with wp.ScopedStream(wp.stream_from_torch(torch.cuda.current_stream(positions.device))):
        return made()


def free(mesh: Any, origins: Tensor, normals: Tensor, directions: Tensor, result: Tensor) -> None:
    """As `Rays.free`."""

    def part(begin: int, end: int) -> None:
        rows = result[begin:end]
        given = (mesh.id, origins[begin:end], normals[begin:end], directions, rows)
        launch(_free, rows.shape, given, origins.device)

    _in_parts(part, len(origins), origins.device)


def first(mesh: Any, origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """As `Rays.first`."""
    triangle = torch.empty(len(origins), dtype=torch.int64, device=origins.device)
    bary = torch.empty((len(origins), 3), device=origins.device)

    def part(begin: int, end: int) -> None:
        rows = slice(begin, end)
        given = (mesh.id, origins[rows], directions[rows], triangle[rows], bary[rows])
        launch(_first, end - begin, given, origins.device)

    _in_parts(part, len(origins), origins.device)
    return triangle, bary


def _in_parts(work: Callable[[int, int], None], count: int, device: torch.device) -> None:
    """All rows at once on CUDA; on a CPU, where a launch runs on one thread, by several."""
    threads = 1 if device.type == "cuda" else torch.get_num_threads()
    if threads == 1 or count < threads * _PARTS:
        if count:
            work(0, count)
        return
    edges = [count * k // (threads * _PARTS) for k in range(threads * _PARTS + 1)]
    work(edges[0], edges[1])  # compiles the kernel, which is not for several threads at once
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, edges[1:-1], edges[2:]))
