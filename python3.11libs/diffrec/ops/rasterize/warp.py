# Kernels are in Warp's language: int(0) declares a variable that changes in a loop, annotations are
# not types, and vectors and arrays have operations that their Python stand-ins lack.
# ruff: noqa: UP018, RUF046
# mypy: disable-error-code="index, valid-type, no-untyped-def, misc, operator, arg-type"
# mypy: disable-error-code="no-any-return, empty-body, return"
"""Rasterisation with NVIDIA Warp: a z-buffer of 64-bit atomic minima, for CUDA (and the CPU).

The arithmetic of coverage and depth is that of `reference`, operation by operation, so both
find the same triangles. One thread draws a small triangle, a few share one of some hundred pixels,
and many one that is larger. The latter two wait in one queue, each from its own end, which a fixed
number of threads empties, so nothing waits for their number. In them a row is looked through only
where it may be covered.
"""

from __future__ import annotations

import torch
import warp as wp
from torch import Tensor

from diffrec.ops.warp import bounds, launch, start_warp
from diffrec.ops.warp.lanes import next_slot
from diffrec.ops.warp.triangle import (
    Triangle,
    columns_of,
    exact_depth,
    in_row_of,
    pace_of,
    side_of,
    triangle_of,
    with_edge_planes,
)

start_warp()

_BLOCK = 128  # threads; what a triangle needs to be drawn leaves no room for more
# Fused multiply-adds would let two triangles disagree about the edge they share.
wp.set_module_options({"enable_backward": False, "fuse_fp": False, "block_dim": _BLOCK})

_SMALL = 24  # pixels in the bounds of a triangle that one thread draws
_LARGE = 1024  # from which on a few threads are too few
# Triangles drawn at once, each by so many threads: rows at once, and columns of each at once.
_FEW = (65536, 4, 1)
_MANY = (256, 32, 32)
# Threads that queue a triangle count up one of so many numbers, this far apart: at one alone they
# would wait for each other.
_QUEUES, _APART = 16, 8
_EMPTY = torch.iinfo(torch.int64).max


def rasterize(
    clip: Tensor,
    triangles: Tensor,
    resolution: tuple[int, int],
    behind: tuple[Tensor, Tensor] | None,
) -> tuple[Tensor, Tensor]:
    """(triangle, depth), each [B, H, W]; `behind`: (triangle, depth) of the layer to peel off."""
    height, width = resolution
    views, count = clip.shape[0], triangles.shape[0]
    device = clip.device
    shape = (views, height, width)
    triangle = torch.empty(shape, dtype=torch.int32, device=device)
    depth = torch.empty(shape, dtype=torch.float32, device=device)
    keys = torch.full((views * height * width,), _EMPTY, dtype=torch.int64, device=device)
    # Each queue holds the triangles of every sixteenth block of threads, (view, triangle).
    places = -(-max(1, views * count) // (_QUEUES * _BLOCK)) * _BLOCK
    queues = torch.empty((_QUEUES, places, 2), dtype=torch.int32, device=device)
    queued = torch.zeros(2 * _QUEUES * _APART, dtype=torch.int32, device=device)
    seen_triangle, seen_depth = behind if behind is not None else (triangle, depth)
    halves = 1 / torch.tensor([width, height], dtype=torch.float32)
    scene = [
        clip.contiguous(),
        triangles.to(torch.int64).contiguous(),
        seen_triangle.contiguous().view(-1),
        seen_depth.contiguous().view(-1),
        int(behind is not None),
        wp.vec2(*halves.tolist()),
        height,
        width,
        queues,
        queued,
        keys,
    ]
    if views and count:
        sizes = [_SMALL, _LARGE]
        launch(_draw_small, views * count, [*scene, *sizes], device)
        for end, crew in enumerate((_FEW, _MANY)):
            # On a CPU a thread for each queue.
            groups, rows, columns = crew if clip.is_cuda else (_QUEUES, 1, 1)
            inputs = [*scene, end, groups // _QUEUES, rows, columns]
            launch(_draw_queued, groups * rows * columns, inputs, device)
    launch(_resolve, keys.shape[0], [keys, triangle.view(-1), depth.view(-1)], device)
    return triangle, depth


@wp.func
def _fragment(
    t: Triangle,
    in_row: wp.vec3,
    row: int,
    column: int,
    clip: wp.array3d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    height: int,
    width: int,
    seen_triangle: wp.array(dtype=wp.int32),
    seen_depth: wp.array(dtype=wp.float32),
    peel: int,
    keys: wp.array(dtype=wp.int64),
):
    """Test one pixel and enter the triangle into the z-buffer. `in_row`: see `in_row_of`."""
    q = in_row + float(column - t.column) * t.per_column
    least = wp.min(q[0], wp.min(q[1], q[2]))
    most = wp.max(q[0], wp.max(q[1], q[2]))
    if least >= -t.doubt or most <= t.doubt:
        depth = float(2.0)
        if least > t.doubt or most < -t.doubt:
            sum_z = q[0] * t.z[0] + q[1] * t.z[1] + q[2] * t.z[2]
            depth = sum_z / (q[0] * t.w[0] + q[1] * t.w[1] + q[2] * t.w[2])
        else:
            depth = exact_depth(clip, triangles, t.view, t.face, row, column, height, width)
        if depth >= -1.0 and depth <= 1.0:
            pixel = (t.view * height + row) * width + column
            visible = bool(True)
            if peel != 0:
                visible = depth > seen_depth[pixel] and seen_triangle[pixel] != t.face
            if visible:
                # The bits of a float order like an integer once negative ones are flipped.
                bits = int(0)
                if depth != 0.0:
                    bits = wp.cast(depth, wp.int32)
                if bits < 0:
                    bits = bits ^ 0x7FFFFFFF
                key = (wp.int64(bits) << wp.int64(32)) | wp.int64(t.face)
                if key < keys[pixel]:
                    wp.atomic_min(keys, pixel, key)


@wp.kernel(**bounds(_BLOCK, 5))
def _draw_small(
    clip: wp.array3d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    seen_triangle: wp.array(dtype=wp.int32),
    seen_depth: wp.array(dtype=wp.float32),
    peel: int,
    half: wp.vec2,
    height: int,
    width: int,
    queues: wp.array3d(dtype=wp.int32),
    queued: wp.array(dtype=wp.int32),
    keys: wp.array(dtype=wp.int64),
    small: int,
    large: int,
):
    thread = wp.tid()
    view = int(thread / triangles.shape[0])
    face = thread - view * triangles.shape[0]
    t = triangle_of(clip, triangles, view, face, height, width)
    columns = t.columns[1] - t.columns[0] + 1
    rows = t.rows[1] - t.rows[0] + 1
    if columns > 0 and rows > 0:
        if columns * rows > small:
            queue = int(thread / _BLOCK) % _QUEUES
            slot = int(0)
            if columns * rows > large:
                slot = queues.shape[1] - 1 - next_slot(queued, (2 * queue + 1) * _APART)
            else:
                slot = next_slot(queued, 2 * queue * _APART)
            queues[queue, slot, 0] = view
            queues[queue, slot, 1] = face
        else:
            t = with_edge_planes(t, half, height, width)
            for row in range(t.rows[0], t.rows[1] + 1):
                in_row = in_row_of(t, row)
                for column in range(t.columns[0], t.columns[1] + 1):
                    _fragment(
                        t, in_row, row, column, clip, triangles, height, width, seen_triangle,
                        seen_depth, peel, keys,
                    )  # fmt: skip


@wp.kernel(**bounds(_BLOCK, 5))
def _draw_queued(
    clip: wp.array3d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    seen_triangle: wp.array(dtype=wp.int32),
    seen_depth: wp.array(dtype=wp.float32),
    peel: int,
    half: wp.vec2,
    height: int,
    width: int,
    queues: wp.array3d(dtype=wp.int32),
    queued: wp.array(dtype=wp.int32),
    keys: wp.array(dtype=wp.int64),
    end: int,
    at_once: int,
    rows: int,
    columns: int,
):
    """Those at one end of the queues, of each `at_once`, each by some threads on every row."""
    thread = wp.tid()
    group = int(thread / (rows * columns))
    lane = thread - group * (rows * columns)
    first_row = int(lane / columns)
    first_column = lane - first_row * columns
    queue = group % _QUEUES
    count = queued[(2 * queue + end) * _APART]
    for number in range(int(group / _QUEUES), count, at_once):
        slot = number
        if end == 1:
            slot = queues.shape[1] - 1 - number
        view = queues[queue, slot, 0]
        t = triangle_of(clip, triangles, view, queues[queue, slot, 1], height, width)
        t = with_edge_planes(t, half, height, width)
        side = side_of(t)
        pace = wp.vec3(
            pace_of(side * t.per_column[0]),
            pace_of(side * t.per_column[1]),
            pace_of(side * t.per_column[2]),
        )
        for row in range(t.rows[0] + first_row, t.rows[1] + 1, rows):
            in_row = in_row_of(t, row)
            covered = columns_of(t, in_row, side, pace)
            for column in range(covered[0] + first_column, covered[1] + 1, columns):
                _fragment(
                    t, in_row, row, column, clip, triangles, height, width, seen_triangle,
                    seen_depth, peel, keys,
                )  # fmt: skip


@wp.kernel
def _resolve(
    keys: wp.array(dtype=wp.int64),
    triangle: wp.array(dtype=wp.int32),
    depth: wp.array(dtype=wp.float32),
):
    i = wp.tid()
    key = keys[i]
    if key == wp.int64(0x7FFFFFFFFFFFFFFF):
        triangle[i] = -1
        depth[i] = wp.inf  # type: ignore[attr-defined]
    else:
        triangle[i] = int(key & wp.int64(0xFFFFFFFF))
        bits = int(key >> wp.int64(32))
        if bits < 0:
            bits = bits ^ 0x7FFFFFFF
        depth[i] = wp.cast(bits, wp.float32)
