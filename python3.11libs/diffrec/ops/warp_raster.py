# Kernels are in Warp's language: int(0) declares a variable that changes in a loop, annotations are
# not types, and vectors and arrays have operations that their Python stand-ins lack.
# ruff: noqa: UP018, RUF046
# mypy: disable-error-code="index, valid-type, no-untyped-def, misc, operator, arg-type"
# mypy: disable-error-code="no-any-return, empty-body, return"
"""Rasterisation with NVIDIA Warp: a z-buffer of 64-bit atomic minima, for CUDA (and the CPU).

The arithmetic of coverage and depth is that of `reference_raster`, operation by operation, so both
find the same triangles. One thread draws a small triangle, a few share one of some hundred pixels,
and many one that is larger. The latter two wait in one queue, each from its own end, which a fixed
number of threads empties, so nothing waits for their number. In them a row is looked through only
where it may be covered.
"""

from __future__ import annotations

import torch
import warp as wp
from torch import Tensor

from diffrec.ops.backends import bounds, launch
from diffrec.ops.backends import warp as start_warp
from diffrec.ops.reference_raster import DOUBT, LARGE
from diffrec.ops.warp_lanes import next_slot

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
_DOUBT = wp.constant(DOUBT)
_OVERFLOW = wp.constant(LARGE)
_TINY = wp.constant(1.0e-30)
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
def centre(row: int, column: int, height: int, width: int) -> wp.vec2d:
    """Normalised device coordinates of a pixel centre."""
    return wp.vec2d(
        wp.float64(2 * column + 1) / wp.float64(width) - wp.float64(1.0),
        wp.float64(1.0) - wp.float64(2 * row + 1) / wp.float64(height),
    )


@wp.func
def cross(a: wp.vec2d, b: wp.vec2d) -> wp.float64:
    return a[0] * b[1] - a[1] * b[0]


@wp.func_native("""
    const float* place = clip.data + 4 * ((size_t)view * clip.shape[1] + row);
#if defined(__CUDA_ARCH__)
    const float4 all = *reinterpret_cast<const float4*>(place);
    return wp::vec_t<4, wp::float32>(all.x, all.y, all.z, all.w);
#else
    return wp::vec_t<4, wp::float32>(place[0], place[1], place[2], place[3]);
#endif
""")
def vertex(clip: wp.array3d(dtype=wp.float32), view: int, row: int) -> wp.vec4:
    """Clip-space coordinates of a vertex, by one instruction on CUDA; `clip` is contiguous."""
    ...


@wp.func_native("""
    const wp::int64* place = triangles.data + 3 * (size_t)face;
    return wp::vec_t<3, wp::int32>((int)place[0], (int)place[1], (int)place[2]);
""")
def corners(triangles: wp.array2d(dtype=wp.int64), face: int) -> wp.vec3i:
    """The rows of a triangle's vertices. Meshes index by int64: nothing is converted.

    `triangles` is contiguous.
    """
    ...


@wp.func
def _extent(p: wp.vec3, w: wp.vec3, inverse: wp.vec3) -> wp.vec2:
    """Range of coordinate / w over the part of a triangle with w > 0, but for rounding.

    Where an edge passes through w = 0, the projection runs off to infinity on the side of the
    crossing's coordinate, or on both where rounding leaves a doubt.
    """
    infinity = float(1.0e30)
    low = infinity
    high = -infinity
    for i in range(3):
        j = (i + 1) % 3
        if w[i] > _TINY:
            low = wp.min(low, p[i] * inverse[i])
            high = wp.max(high, p[i] * inverse[i])
        if (w[i] > _TINY) != (w[j] > _TINY):
            one = p[i] * wp.abs(w[j])
            other = p[j] * wp.abs(w[i])
            doubt = 1.0e-6 * (wp.abs(one) + wp.abs(other)) + _TINY
            if one + other >= -doubt:
                high = infinity
            if one + other <= doubt:
                low = -infinity
    if low > high:  # all so near that nothing is said
        low = -infinity
        high = infinity
    return wp.vec2(low, high)


@wp.func
def _pixel_range(low: float, high: float, size: int) -> wp.vec2i:
    """First and last pixel whose centre lies in [low, high] (-1..1), clamped to the image; rounding
    may make it one more."""
    slack = 1.0e-3 + 1.0e-6 * float(size)
    scale = 0.5 * float(size)
    first = wp.ceil((wp.clamp(low, -1.0, 2.0) + 1.0) * scale - 0.5 - slack)
    last = wp.floor((wp.clamp(high, -2.0, 1.0) + 1.0) * scale - 0.5 + slack)
    return wp.vec2i(wp.max(0, int(first)), wp.min(size - 1, int(last)))


@wp.struct
class _Triangle:
    """A triangle of a view, ready to be drawn.

    `x`, `y`, `z`, `w`: clip-space coordinates of the three corners; `columns`, `rows`: its bounds,
    first and last, the first beyond the last where nothing can be seen; the others as in
    `reference_raster.edge_planes`: edge functions in a pixel, their changes per column and row.
    """

    view: int
    face: int
    x: wp.vec3
    y: wp.vec3
    z: wp.vec3
    w: wp.vec3
    columns: wp.vec2i
    rows: wp.vec2i
    column: int
    row: int
    there: wp.vec3
    per_column: wp.vec3
    per_row: wp.vec3
    doubt: float


@wp.func
def _outside(p: wp.vec3, w: wp.vec3) -> bool:
    """Whether all three lie beyond one of the two planes of an axis, or are not finite."""
    above = p[0] > w[0] and p[1] > w[1] and p[2] > w[2]
    below = p[0] < -w[0] and p[1] < -w[1] and p[2] < -w[2]
    finite = wp.isfinite(p[0]) and wp.isfinite(p[1]) and wp.isfinite(p[2])
    return above or below or not finite


@wp.func
def _triangle(
    clip: wp.array3d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    view: int,
    face: int,
    height: int,
    width: int,
) -> _Triangle:
    t = _Triangle()
    t.view = view
    t.face = face
    v = corners(triangles, face)
    a = vertex(clip, view, v[0])
    b = vertex(clip, view, v[1])
    c = vertex(clip, view, v[2])
    t.x = wp.vec3(a[0], b[0], c[0])
    t.y = wp.vec3(a[1], b[1], c[1])
    t.z = wp.vec3(a[2], b[2], c[2])
    t.w = wp.vec3(a[3], b[3], c[3])
    t.columns = wp.vec2i(1, 0)
    t.rows = wp.vec2i(1, 0)
    in_front = t.w[0] > 0.0 or t.w[1] > 0.0 or t.w[2] > 0.0
    if in_front and not (_outside(t.x, t.w) or _outside(t.y, t.w) or _outside(t.z, t.w)):
        inverse = wp.vec3(1.0 / t.w[0], 1.0 / t.w[1], 1.0 / t.w[2])
        across = _extent(t.x, t.w, inverse)
        up = _extent(t.y, t.w, inverse)
        t.columns = _pixel_range(across[0], across[1], width)
        t.rows = _pixel_range(-up[1], -up[0], height)
    return t


@wp.func
def _with_edge_planes(t: _Triangle, half: wp.vec2, height: int, width: int) -> _Triangle:
    """See `reference_raster.edge_planes`; `half`: of a pixel's width and height."""
    across = float(width)
    down = float(height)
    inverse = 1.0 / t.w[0]
    column = (t.x[0] * inverse + 1.0) * (0.5 * across)
    row = (1.0 - t.y[0] * inverse) * (0.5 * down)
    t.column = int(wp.min(wp.max(column, 0.0), across - 1.0))
    t.row = int(wp.min(wp.max(row, 0.0), down - 1.0))
    px = float(2 * t.column + 1 - width) * half[0]
    py = float(height - 1 - 2 * t.row) * half[1]
    x = t.x - px * t.w
    y = t.y - py * t.w
    w = t.w
    t.there = wp.vec3(
        x[1] * y[2] - y[1] * x[2], x[2] * y[0] - y[2] * x[0], x[0] * y[1] - y[0] * x[1]
    )
    step_x = 2.0 * half[0]
    step_y = 2.0 * half[1]
    t.per_column = wp.vec3(
        (y[1] * w[2] - w[1] * y[2]) * step_x,
        (y[2] * w[0] - w[2] * y[0]) * step_x,
        (y[0] * w[1] - w[0] * y[1]) * step_x,
    )
    t.per_row = wp.vec3(
        (x[1] * w[2] - w[1] * x[2]) * step_y,
        (x[2] * w[0] - w[2] * x[0]) * step_y,
        (x[0] * w[1] - w[0] * x[1]) * step_y,
    )
    smallest = wp.min(w[0], wp.min(w[1], w[2]))
    largest = wp.max(w[0], wp.max(w[1], w[2]))
    extent = 2.0 * wp.max(
        wp.max(wp.abs(x[0]), wp.max(wp.abs(x[1]), wp.abs(x[2]))),
        wp.max(wp.abs(y[0]), wp.max(wp.abs(y[1]), wp.abs(y[2]))),
    )
    t.doubt = extent * (extent + largest) * _DOUBT
    if not (smallest > 0.0 and largest <= 2.0 * smallest and t.doubt < _OVERFLOW):
        t.doubt = wp.inf  # type: ignore[attr-defined]
    return t


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
def _exact_depth(
    clip: wp.array3d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    view: int,
    face: int,
    row: int,
    column: int,
    height: int,
    width: int,
) -> float:
    """z / w in a pixel by float64, 2 where it is not covered."""
    zero = wp.float64(0.0)
    one = wp.float64(1.0)
    p = centre(row, column, height, width)
    # Read again, since few pixels come here: kept, they would take registers from all.
    v = corners(triangles, face)
    a = vertex(clip, view, v[0])
    b = vertex(clip, view, v[1])
    c = vertex(clip, view, v[2])
    w = wp.vec3d(wp.float64(a[3]), wp.float64(b[3]), wp.float64(c[3]))
    u0 = wp.vec2d(wp.float64(a[0]) - p[0] * w[0], wp.float64(a[1]) - p[1] * w[0])
    u1 = wp.vec2d(wp.float64(b[0]) - p[0] * w[1], wp.float64(b[1]) - p[1] * w[1])
    u2 = wp.vec2d(wp.float64(c[0]) - p[0] * w[2], wp.float64(c[1]) - p[1] * w[2])
    q0 = cross(u1, u2)
    q1 = cross(u2, u0)
    q2 = cross(u0, u1)
    s0 = _sign(q0, u1, w[1], u2, w[2])
    s1 = _sign(q1, u2, w[2], u0, w[0])
    s2 = _sign(q2, u0, w[0], u1, w[1])
    depth = float(2.0)
    if (s0 > zero and s1 > zero and s2 > zero) or (s0 < zero and s1 < zero and s2 < zero):
        sum_q = q0 + q1 + q2
        sum_w = q0 * w[0] + q1 * w[1] + q2 * w[2]
        if (sum_q > zero and sum_w > zero) or (sum_q < zero and sum_w < zero):
            z0 = wp.float64(a[2])
            exact = (q0 * z0 + q1 * wp.float64(b[2]) + q2 * wp.float64(c[2])) / sum_w
            if exact >= -one and exact <= one:
                depth = float(exact)
    return depth


@wp.func
def _fragment(
    t: _Triangle,
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
    """Test one pixel and enter the triangle into the z-buffer. `in_row`: see `_in_row`."""
    q = in_row + float(column - t.column) * t.per_column
    least = wp.min(q[0], wp.min(q[1], q[2]))
    most = wp.max(q[0], wp.max(q[1], q[2]))
    if least >= -t.doubt or most <= t.doubt:
        depth = float(2.0)
        if least > t.doubt or most < -t.doubt:
            sum_z = q[0] * t.z[0] + q[1] * t.z[1] + q[2] * t.z[2]
            depth = sum_z / (q[0] * t.w[0] + q[1] * t.w[1] + q[2] * t.w[2])
        else:
            depth = _exact_depth(clip, triangles, t.view, t.face, row, column, height, width)
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


@wp.func
def _in_row(t: _Triangle, row: int) -> wp.vec3:
    """The edge functions in a row, at the column where they are known."""
    return t.there + float(row - t.row) * t.per_row


@wp.func
def _side(t: _Triangle) -> float:
    """The sign that the edge functions have in every pixel that `_fragment` takes; 0 where the
    triangle is so thin, or so near, that it may be either.

    Their sum weighted by w is the same everywhere. Each is known but for the doubt, and taken with
    the other sign up to the doubt again.
    """
    total = wp.dot(t.there, t.w)
    least = 12.0 * t.doubt * wp.max(t.w[0], wp.max(t.w[1], t.w[2]))
    side = float(0.0)
    if total > least:
        side = 1.0
    if total < -least:
        side = -1.0
    return side


@wp.func
def _pace(slope: float) -> float:
    """Columns in which an edge function changes by one; 0 where it hardly changes."""
    result = float(0.0)
    if wp.abs(slope) > _TINY:
        result = 1.0 / slope
    return result


@wp.func
def _columns(t: _Triangle, in_row: wp.vec3, side: float, pace: wp.vec3) -> wp.vec2i:
    """First and last column of a row that `_fragment` may take: a few too many, never too few.

    `pace`: of side * edge function.
    """
    low = float(t.columns[0] - t.column)
    high = float(t.columns[1] - t.column)
    for i in range(3):
        # side * edge function >= -doubt; the doubt again for what the function's own value loses,
        # and of what this loses a hundredth of a column is a multiple.
        reach = (-2.0 * t.doubt - side * in_row[i]) * pace[i]
        if pace[i] > 0.0:
            low = wp.max(low, reach - 0.01)
        if pace[i] < 0.0:
            high = wp.min(high, reach + 0.01)
    # A bound far outside could not be an integer.
    low = wp.min(low, float(t.columns[1] - t.column + 1))
    high = wp.max(high, float(t.columns[0] - t.column - 1))
    return wp.vec2i(t.column + int(wp.ceil(low)), t.column + int(wp.floor(high)))


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
    t = _triangle(clip, triangles, view, face, height, width)
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
            t = _with_edge_planes(t, half, height, width)
            for row in range(t.rows[0], t.rows[1] + 1):
                in_row = _in_row(t, row)
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
        t = _triangle(clip, triangles, view, queues[queue, slot, 1], height, width)
        t = _with_edge_planes(t, half, height, width)
        side = _side(t)
        pace = wp.vec3(
            _pace(side * t.per_column[0]),
            _pace(side * t.per_column[1]),
            _pace(side * t.per_column[2]),
        )
        for row in range(t.rows[0] + first_row, t.rows[1] + 1, rows):
            in_row = _in_row(t, row)
            covered = _columns(t, in_row, side, pace)
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
