"""Hash grid as Warp kernels, one thread per point and level; for CUDA, and the CPU in tests.

The gradient of the table is summed with atomics: on CUDA its last bits vary from run to run. In a
coarse level many points that follow each other lie in one cell, so there a thread adds up a run of
them first.
"""

# Warp reads the annotations of kernels; they are no types to a checker.
# mypy: disable-error-code="name-defined,valid-type,no-untyped-def,misc,index"

from __future__ import annotations

import torch
from torch import Tensor

from diffrec.ops.hashgrid.layout import PRIMES, HashGridLayout
from diffrec.ops.warp import launch, start_warp

wp = start_warp()
wp.set_module_options({"enable_backward": False})

RUN = 16  # points that one thread takes of a coarse level

_Y = wp.constant(wp.uint32(PRIMES[1]))
_Z = wp.constant(wp.uint32(PRIMES[2]))


def forward(points: Tensor, table: Tensor, layout: HashGridLayout, encoded: Tensor) -> None:
    """Encode points [N, 3] into `encoded` [levels * 2, N]."""
    _launch(_forward, points, layout, [table, encoded])


def backward_table(
    points: Tensor, gradient: Tensor, layout: HashGridLayout, scale: float, target: Tensor
) -> None:
    """Add scale x the table's gradient to `target` [entries, 2]."""
    count = points.shape[0]
    if not count:
        return
    levels = _levels(layout, points.device)
    inputs = [points, levels, _mask(layout), gradient, float(scale), target]
    coarse = sum(layout.dense)
    runs = (count + RUN - 1) // RUN
    launch(_backward_runs, (coarse, runs), [*inputs, RUN], points.device)
    fine = len(layout.resolutions) - coarse
    launch(_backward_table, (fine, count), [*inputs, coarse], points.device)


def backward_points(
    points: Tensor, table: Tensor, gradient: Tensor, layout: HashGridLayout, target: Tensor
) -> None:
    """Write the points' gradient to `target` [N, 3]."""
    if points.shape[0]:
        levels = _levels(layout, points.device)
        inputs = [points, levels, _mask(layout), table, gradient, target]
        launch(_backward_points, points.shape[0], inputs, points.device)


_levels_on: dict[tuple[HashGridLayout, torch.device], Tensor] = {}


def _levels(layout: HashGridLayout, device: torch.device) -> Tensor:
    """`layout.level_table` on the device, uploaded once: an upload each time would wait."""
    key = (layout, device)
    if key not in _levels_on:
        _levels_on[key] = torch.from_numpy(layout.level_table).int().to(device)
    return _levels_on[key]


def _mask(layout: HashGridLayout) -> int:
    return (1 << layout.log2_entries) - 1


def _launch(kernel: object, points: Tensor, layout: HashGridLayout, rest: list[object]) -> None:
    if points.shape[0]:
        shape = (len(layout.resolutions), points.shape[0])
        levels = _levels(layout, points.device)
        launch(kernel, shape, [points, levels, _mask(layout), *rest], points.device)


@wp.func
def _cell(coordinate: wp.float32, resolution: wp.int32):
    """Cell index along one axis; the last cell is closed."""
    scaled = wp.clamp(coordinate, 0.0, 1.0) * wp.float32(resolution)
    return wp.min(wp.int32(scaled), resolution - 1)


@wp.func
def _fraction(coordinate: wp.float32, resolution: wp.int32, cell: wp.int32):
    return wp.clamp(coordinate, 0.0, 1.0) * wp.float32(resolution) - wp.float32(cell)


@wp.func
def _row(
    x: wp.int32, y: wp.int32, z: wp.int32, resolution: wp.int32, dense: wp.int32, mask: wp.int32
):
    """Row of a corner within its level."""
    if dense != 0:
        edge = resolution + 1
        return x + edge * (y + edge * z)
    mixed = wp.uint32(x) ^ (wp.uint32(y) * _Y) ^ (wp.uint32(z) * _Z)
    return wp.int32(mixed & wp.uint32(mask))


@wp.func_native("""
    const float* place = table.data + 2 * (size_t)row;
#if defined(__CUDA_ARCH__)
    const float2 both = *reinterpret_cast<const float2*>(place);
    return wp::vec_t<2, wp::float32>(both.x, both.y);
#else
    return wp::vec_t<2, wp::float32>(place[0], place[1]);
#endif
""")
def _pair(table: wp.array2d(dtype=wp.float32), row: wp.int32) -> wp.vec2:
    """A row of a contiguous table of two features, by one instruction on CUDA."""
    ...


@wp.kernel
def _forward(
    points: wp.array2d(dtype=wp.float32),
    levels: wp.array2d(dtype=wp.int32),
    mask: wp.int32,
    table: wp.array2d(dtype=wp.float32),
    encoded: wp.array2d(dtype=wp.float32),
):
    level, i = wp.tid()
    n = levels[level, 0]
    start = levels[level, 1]
    dense = levels[level, 2]
    x = _cell(points[i, 0], n)
    y = _cell(points[i, 1], n)
    z = _cell(points[i, 2], n)
    fx = _fraction(points[i, 0], n, x)
    fy = _fraction(points[i, 1], n, y)
    fz = _fraction(points[i, 2], n, z)
    total = wp.vec2(0.0, 0.0)
    for corner in range(8):
        sx = corner & 1
        sy = (corner >> 1) & 1
        sz = corner >> 2
        weight = (
            wp.where(sx == 1, fx, 1.0 - fx)
            * wp.where(sy == 1, fy, 1.0 - fy)
            * wp.where(sz == 1, fz, 1.0 - fz)
        )
        row = start + _row(x + sx, y + sy, z + sz, n, dense, mask)
        total += weight * _pair(table, row)
    encoded[2 * level, i] = total[0]
    encoded[2 * level + 1, i] = total[1]


@wp.func_native("""
    float* place = target.data + 2 * (size_t)row;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    // Both features by one instruction.
    asm volatile("red.global.add.v2.f32 [%0], {%1, %2};" ::"l"(place), "f"(a), "f"(b) : "memory");
#elif defined(__CUDA_ARCH__)
    ::atomicAdd(place, a);
    ::atomicAdd(place + 1, b);
#else
    place[0] += a;
    place[1] += b;
#endif
""")
def _add_pair(target: wp.array2d(dtype=wp.float32), row: wp.int32, a: wp.float32, b: wp.float32):
    """Add to a row of a contiguous table of two features; atomically on CUDA."""
    ...


@wp.kernel
def _backward_table(
    points: wp.array2d(dtype=wp.float32),
    levels: wp.array2d(dtype=wp.int32),
    mask: wp.int32,
    gradient: wp.array2d(dtype=wp.float32),
    scale: wp.float32,
    target: wp.array2d(dtype=wp.float32),
    first: wp.int32,
):
    level, i = wp.tid()
    level += first
    a = scale * gradient[2 * level, i]
    b = scale * gradient[2 * level + 1, i]
    if a == 0.0 and b == 0.0:
        return
    n = levels[level, 0]
    start = levels[level, 1]
    dense = levels[level, 2]
    x = _cell(points[i, 0], n)
    y = _cell(points[i, 1], n)
    z = _cell(points[i, 2], n)
    fx = _fraction(points[i, 0], n, x)
    fy = _fraction(points[i, 1], n, y)
    fz = _fraction(points[i, 2], n, z)
    for corner in range(8):
        sx = corner & 1
        sy = (corner >> 1) & 1
        sz = corner >> 2
        weight = (
            wp.where(sx == 1, fx, 1.0 - fx)
            * wp.where(sy == 1, fy, 1.0 - fy)
            * wp.where(sz == 1, fz, 1.0 - fz)
        )
        row = start + _row(x + sx, y + sy, z + sz, n, dense, mask)
        _add_pair(target, row, weight * a, weight * b)


_Sums = wp.types.matrix(shape=(8, 2), dtype=wp.float32)


@wp.func
def _add_cell(
    target: wp.array2d(dtype=wp.float32),
    sums: _Sums,
    cell: wp.vec3i,
    start: wp.int32,
    resolution: wp.int32,
    dense: wp.int32,
    mask: wp.int32,
):
    """Add what the corners of a cell have got."""
    for corner in range(8):
        x = cell[0] + (corner & 1)
        y = cell[1] + ((corner >> 1) & 1)
        z = cell[2] + (corner >> 2)
        row = start + _row(x, y, z, resolution, dense, mask)
        _add_pair(target, row, sums[corner, 0], sums[corner, 1])


@wp.kernel
def _backward_runs(
    points: wp.array2d(dtype=wp.float32),
    levels: wp.array2d(dtype=wp.int32),
    mask: wp.int32,
    gradient: wp.array2d(dtype=wp.float32),
    scale: wp.float32,
    target: wp.array2d(dtype=wp.float32),
    run: wp.int32,
):
    level, thread = wp.tid()
    n = levels[level, 0]
    start = levels[level, 1]
    dense = levels[level, 2]
    cell = wp.vec3i(-1, -1, -1)
    sums = _Sums()
    for i in range(thread * run, wp.min((thread + 1) * run, points.shape[0])):
        a = scale * gradient[2 * level, i]
        b = scale * gradient[2 * level + 1, i]
        if a != 0.0 or b != 0.0:
            x = _cell(points[i, 0], n)
            y = _cell(points[i, 1], n)
            z = _cell(points[i, 2], n)
            fx = _fraction(points[i, 0], n, x)
            fy = _fraction(points[i, 1], n, y)
            fz = _fraction(points[i, 2], n, z)
            if x != cell[0] or y != cell[1] or z != cell[2]:
                if cell[0] >= 0:
                    _add_cell(target, sums, cell, start, n, dense, mask)
                sums = _Sums()
                cell = wp.vec3i(x, y, z)
            for corner in range(8):
                weight = (
                    wp.where((corner & 1) == 1, fx, 1.0 - fx)
                    * wp.where(((corner >> 1) & 1) == 1, fy, 1.0 - fy)
                    * wp.where((corner >> 2) == 1, fz, 1.0 - fz)
                )
                sums[corner, 0] += weight * a
                sums[corner, 1] += weight * b
    if cell[0] >= 0:
        _add_cell(target, sums, cell, start, n, dense, mask)


@wp.kernel
def _backward_points(
    points: wp.array2d(dtype=wp.float32),
    levels: wp.array2d(dtype=wp.int32),
    mask: wp.int32,
    table: wp.array2d(dtype=wp.float32),
    gradient: wp.array2d(dtype=wp.float32),
    target: wp.array2d(dtype=wp.float32),
):
    i = wp.tid()
    total = wp.vec3(0.0, 0.0, 0.0)
    for level in range(levels.shape[0]):
        n = levels[level, 0]
        start = levels[level, 1]
        dense = levels[level, 2]
        x = _cell(points[i, 0], n)
        y = _cell(points[i, 1], n)
        z = _cell(points[i, 2], n)
        fx = _fraction(points[i, 0], n, x)
        fy = _fraction(points[i, 1], n, y)
        fz = _fraction(points[i, 2], n, z)
        given = wp.vec2(gradient[2 * level, i], gradient[2 * level + 1, i])
        slope = wp.vec3(0.0, 0.0, 0.0)
        for corner in range(8):
            sx = corner & 1
            sy = (corner >> 1) & 1
            sz = corner >> 2
            row = start + _row(x + sx, y + sy, z + sz, n, dense, mask)
            along = wp.dot(_pair(table, row), given)
            wx = wp.where(sx == 1, fx, 1.0 - fx)
            wy = wp.where(sy == 1, fy, 1.0 - fy)
            wz = wp.where(sz == 1, fz, 1.0 - fz)
            slope += along * wp.vec3(
                wp.where(sx == 1, wy * wz, -wy * wz),
                wp.where(sy == 1, wx * wz, -wx * wz),
                wp.where(sz == 1, wx * wy, -wx * wy),
            )
        total += slope * wp.float32(n)
    for axis in range(3):
        inside = points[i, axis] >= 0.0 and points[i, axis] <= 1.0
        target[i, axis] = wp.where(inside, total[axis], 0.0)
