# Kernels are in Warp's language: int(0) declares a variable that changes in a loop, annotations are
# not types, and vectors and arrays have operations that their Python stand-ins lack.
# ruff: noqa: UP018, RUF046
# mypy: disable-error-code="index, valid-type, no-untyped-def, misc, operator, arg-type"
"""Rasterisation with NVIDIA Warp: a z-buffer of 64-bit atomic minima, for CUDA (and the CPU).

The arithmetic of coverage and depth is that of `reference_raster`, operation by operation in
float64, so both find the same triangles. One thread draws a small triangle; larger ones go to a
queue that a fixed number of thread groups empties, so nothing waits for their number and a
triangle that fills the image is drawn by many threads.
"""

from __future__ import annotations

import torch
import warp as wp
from torch import Tensor

from diffrec.ops.backends import launch
from diffrec.ops.backends import warp as start_warp

start_warp()
# Fused multiply-adds would let two triangles disagree about the edge they share.
wp.set_module_options({"enable_backward": False, "fuse_fp": False})

_SMALL = 64  # pixels in the bounds of a triangle that one thread draws
_GROUP = 128  # threads that share a larger one
_GROUPS = 1024
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
    keys = torch.full(shape, _EMPTY, dtype=torch.int64, device=device)
    queue = torch.empty(max(1, views * count), dtype=torch.int32, device=device)
    queued = torch.zeros(1, dtype=torch.int32, device=device)
    seen_triangle, seen_depth = behind if behind is not None else (triangle, depth)
    scene = [
        clip.contiguous(),
        triangles.to(torch.int64).contiguous(),
        seen_triangle.contiguous(),
        seen_depth.contiguous(),
        int(behind is not None),
        queue,
        queued,
        keys,
    ]
    groups, group = (_GROUPS, _GROUP) if clip.is_cuda else (1, 1)
    if views and count:
        launch(_draw_small, (views, count), [*scene, _SMALL], device)
        launch(_draw_large, (groups, group), [*scene, groups, group], device)
    launch(_resolve, shape, [keys, triangle, depth], device)
    return triangle, depth


@wp.func
def centre(row: int, column: int, height: int, width: int) -> wp.vec2d:
    """Normalised device coordinates of a pixel centre."""
    return wp.vec2d(
        wp.float64(2 * column + 1) / wp.float64(width) - wp.float64(1.0),
        wp.float64(1.0) - wp.float64(2 * row + 1) / wp.float64(height),
    )


@wp.func
def cross(a: wp.vec2d, b: wp.vec2d) -> wp.float64:
    return a[0] * b[1] - a[1] * b[0]


@wp.func
def _extent(p: wp.vec3d, w: wp.vec3d) -> wp.vec2d:
    """Range of coordinate / w over the part of a triangle with w > 0.

    Where an edge passes through w = 0, the projection runs off to infinity on the side of the
    crossing's coordinate.
    """
    infinity = wp.float64(1.0e30)
    zero = wp.float64(0.0)
    low = infinity
    high = -infinity
    for i in range(3):
        j = (i + 1) % 3
        if w[i] > zero:
            low = wp.min(low, p[i] / w[i])
            high = wp.max(high, p[i] / w[i])
        if (w[i] > zero) != (w[j] > zero):
            crossing = p[i] * wp.abs(w[j]) + p[j] * wp.abs(w[i])
            if crossing >= zero:
                high = infinity
            if crossing <= zero:
                low = -infinity
    return wp.vec2d(low, high)


@wp.func
def _pixel_range(low: wp.float64, high: wp.float64, size: int) -> wp.vec2i:
    """First and last pixel whose centre lies in [low, high] (-1..1), clamped to the image."""
    one = wp.float64(1.0)
    half = wp.float64(0.5)
    slack = wp.float64(1.0e-3)
    scale = half * wp.float64(size)
    first = wp.ceil((wp.clamp(low, -one, one + one) + one) * scale - half - slack)
    last = wp.floor((wp.clamp(high, -one - one, one) + one) * scale - half + slack)
    return wp.vec2i(wp.max(0, int(first)), wp.min(size - 1, int(last)))


@wp.func
def _axis(clip: wp.array3d(dtype=wp.float32), view: int, v: wp.vec3i, k: int) -> wp.vec3d:
    return wp.vec3d(
        wp.float64(clip[view, v[0], k]),
        wp.float64(clip[view, v[1], k]),
        wp.float64(clip[view, v[2], k]),
    )


@wp.func
def _outside(p: wp.vec3d, w: wp.vec3d) -> bool:
    """Whether all three lie beyond one of the two planes of an axis, or are not finite."""
    above = p[0] > w[0] and p[1] > w[1] and p[2] > w[2]
    below = p[0] < -w[0] and p[1] < -w[1] and p[2] < -w[2]
    finite = wp.isfinite(p[0]) and wp.isfinite(p[1]) and wp.isfinite(p[2])
    return above or below or not finite


@wp.func
def _bounds(
    x: wp.vec3d, y: wp.vec3d, z: wp.vec3d, w: wp.vec3d, height: int, width: int
) -> wp.vec4i:
    """(first column, last column, first row, last row); first > last if it cannot be seen."""
    nothing = wp.vec4i(1, 0, 1, 0)
    zero = wp.float64(0.0)
    if not (w[0] > zero or w[1] > zero or w[2] > zero):
        return nothing
    if _outside(x, w) or _outside(y, w) or _outside(z, w):
        return nothing
    across = _extent(x, w)
    up = _extent(y, w)
    columns = _pixel_range(across[0], across[1], width)
    rows = _pixel_range(-up[1], -up[0], height)
    return wp.vec4i(columns[0], columns[1], rows[0], rows[1])


@wp.func
def _sign(q: wp.float64, a: wp.vec2d, wa: wp.float64, b: wp.vec2d, wb: wp.float64) -> wp.float64:
    """Side of an edge; on the edge, that of the centre moved by (e, e^2)."""
    zero = wp.float64(0.0)
    side = q
    if side == zero:
        side = a[1] * wb - wa * b[1]
    if side == zero:
        side = wa * b[0] - a[0] * wb
    return side


@wp.func
def _fragment(
    x: wp.vec3d,
    y: wp.vec3d,
    z: wp.vec3d,
    w: wp.vec3d,
    view: int,
    face: int,
    row: int,
    column: int,
    seen_triangle: wp.array3d(dtype=wp.int32),
    seen_depth: wp.array3d(dtype=wp.float32),
    peel: int,
    keys: wp.array3d(dtype=wp.int64),
):
    """Test one pixel and enter the triangle into the z-buffer."""
    zero = wp.float64(0.0)
    one = wp.float64(1.0)
    p = centre(row, column, keys.shape[1], keys.shape[2])
    u0 = wp.vec2d(x[0] - p[0] * w[0], y[0] - p[1] * w[0])
    u1 = wp.vec2d(x[1] - p[0] * w[1], y[1] - p[1] * w[1])
    u2 = wp.vec2d(x[2] - p[0] * w[2], y[2] - p[1] * w[2])
    q0 = cross(u1, u2)
    q1 = cross(u2, u0)
    q2 = cross(u0, u1)
    s0 = _sign(q0, u1, w[1], u2, w[2])
    s1 = _sign(q1, u2, w[2], u0, w[0])
    s2 = _sign(q2, u0, w[0], u1, w[1])
    if (s0 > zero and s1 > zero and s2 > zero) or (s0 < zero and s1 < zero and s2 < zero):
        sum_q = q0 + q1 + q2
        sum_w = q0 * w[0] + q1 * w[1] + q2 * w[2]
        if (sum_q > zero and sum_w > zero) or (sum_q < zero and sum_w < zero):
            exact = (q0 * z[0] + q1 * z[1] + q2 * z[2]) / sum_w
            if exact >= -one and exact <= one:
                depth = float(exact)
                visible = bool(True)
                if peel != 0:
                    visible = depth > seen_depth[view, row, column] and (
                        seen_triangle[view, row, column] != face
                    )
                if visible:
                    # The bits of a float order like an integer once negative ones are flipped.
                    bits = int(0)
                    if depth != 0.0:
                        bits = wp.cast(depth, wp.int32)
                    if bits < 0:
                        bits = bits ^ 0x7FFFFFFF
                    key = (wp.int64(bits) << wp.int64(32)) | wp.int64(face)
                    if key < keys[view, row, column]:
                        wp.atomic_min(keys, view, row, column, key)


@wp.func
def corners(triangles: wp.array2d(dtype=wp.int64), face: int) -> wp.vec3i:
    """The rows of a triangle's vertices. Meshes index by int64: nothing is converted."""
    return wp.vec3i(int(triangles[face, 0]), int(triangles[face, 1]), int(triangles[face, 2]))


@wp.kernel
def _draw_small(
    clip: wp.array3d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    seen_triangle: wp.array3d(dtype=wp.int32),
    seen_depth: wp.array3d(dtype=wp.float32),
    peel: int,
    queue: wp.array(dtype=wp.int32),
    queued: wp.array(dtype=wp.int32),
    keys: wp.array3d(dtype=wp.int64),
    small: int,
):
    view, face = wp.tid()
    v = corners(triangles, face)
    x = _axis(clip, view, v, 0)
    y = _axis(clip, view, v, 1)
    z = _axis(clip, view, v, 2)
    w = _axis(clip, view, v, 3)
    box = _bounds(x, y, z, w, keys.shape[1], keys.shape[2])
    if box[0] <= box[1] and box[2] <= box[3]:
        if (box[1] - box[0] + 1) * (box[3] - box[2] + 1) > small:
            slot = wp.atomic_add(queued, 0, 1)
            queue[slot] = view * triangles.shape[0] + face
        else:
            for row in range(box[2], box[3] + 1):
                for column in range(box[0], box[1] + 1):
                    _fragment(
                        x, y, z, w, view, face, row, column, seen_triangle, seen_depth, peel, keys
                    )


@wp.kernel
def _draw_large(
    clip: wp.array3d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    seen_triangle: wp.array3d(dtype=wp.int32),
    seen_depth: wp.array3d(dtype=wp.float32),
    peel: int,
    queue: wp.array(dtype=wp.int32),
    queued: wp.array(dtype=wp.int32),
    keys: wp.array3d(dtype=wp.int64),
    groups: int,
    group_size: int,
):
    group, lane = wp.tid()
    for slot in range(group, queued[0], groups):
        view = queue[slot] / triangles.shape[0]
        face = queue[slot] % triangles.shape[0]
        v = corners(triangles, face)
        x = _axis(clip, view, v, 0)
        y = _axis(clip, view, v, 1)
        z = _axis(clip, view, v, 2)
        w = _axis(clip, view, v, 3)
        box = _bounds(x, y, z, w, keys.shape[1], keys.shape[2])
        columns = box[1] - box[0] + 1
        for i in range(lane, columns * (box[3] - box[2] + 1), group_size):
            row = box[2] + i / columns
            column = box[0] + i % columns
            _fragment(x, y, z, w, view, face, row, column, seen_triangle, seen_depth, peel, keys)


@wp.kernel
def _resolve(
    keys: wp.array3d(dtype=wp.int64),
    triangle: wp.array3d(dtype=wp.int32),
    depth: wp.array3d(dtype=wp.float32),
):
    view, row, column = wp.tid()
    key = keys[view, row, column]
    if key == wp.int64(0x7FFFFFFFFFFFFFFF):
        triangle[view, row, column] = -1
        depth[view, row, column] = wp.inf  # type: ignore[attr-defined]
    else:
        triangle[view, row, column] = int(key & wp.int64(0xFFFFFFFF))
        bits = int(key >> wp.int64(32))
        if bits < 0:
            bits = bits ^ 0x7FFFFFFF
        depth[view, row, column] = wp.cast(bits, wp.float32)
