# Kernels are in Warp's language: float(0) declares a variable that changes, annotations are not
# types, and vectors and arrays have operations that their Python stand-ins lack.
# ruff: noqa: UP018
# mypy: disable-error-code="index, valid-type, no-untyped-def, misc, operator, arg-type"
# mypy: disable-error-code="no-any-return, empty-body, return"
"""A triangle of a view in Warp's language: corners, bounds, where it covers pixels and how deep.

The arithmetic is that of `rasterize.reference`, operation by operation.
"""

from __future__ import annotations

import warp as wp

from diffrec.ops.raster import DOUBT, LARGE
from diffrec.ops.warp import start_warp

start_warp()

_DOUBT = wp.constant(DOUBT)
_OVERFLOW = wp.constant(LARGE)
_TINY = wp.constant(1.0e-30)


@wp.func
def centre(row: int, column: int, height: int, width: int) -> wp.vec2d:
    """Normalised device coordinates of a pixel centre."""
    return wp.vec2d(
        wp.float64(2 * column + 1) / wp.float64(width) - wp.float64(1.0),
        wp.float64(1.0) - wp.float64(2 * row + 1) / wp.float64(height),
    )


@wp.func
def pixel_at(index: int, height: int, width: int) -> wp.vec3i:
    """View, row and column of a flat index; 32 bits, since dividing 64 takes many times as long."""
    line = index // width
    view = line // height
    return wp.vec3i(view, line - view * height, index - line * width)


@wp.func
def seen_from(at: wp.vec4, p: wp.vec2d) -> wp.vec3d:
    """u (two components) and w of a vertex, in float64: u is a difference of near equals."""
    w = wp.float64(at[3])
    return wp.vec3d(wp.float64(at[0]) - p[0] * w, wp.float64(at[1]) - p[1] * w, w)


@wp.func
def edge_function(a: wp.vec3d, b: wp.vec3d) -> wp.float64:
    """On which side of the edge from a to b the place is that both are seen from."""
    return a[0] * b[1] - a[1] * b[0]


@wp.func
def edge_functions(a: wp.vec3d, b: wp.vec3d, c: wp.vec3d) -> wp.vec3d:
    """The three edge functions."""
    return wp.vec3d(edge_function(b, c), edge_function(c, a), edge_function(a, b))


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
class Triangle:
    """A triangle of a view, ready to be drawn.

    `x`, `y`, `z`, `w`: clip-space coordinates of the three corners; `columns`, `rows`: its bounds,
    first and last, the first beyond the last where nothing can be seen; the others as in
    `rasterize.reference.edge_planes`: edge functions in a pixel, their changes per column and row.
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
def triangle_of(
    clip: wp.array3d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    view: int,
    face: int,
    height: int,
    width: int,
) -> Triangle:
    t = Triangle()
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
def with_edge_planes(t: Triangle, half: wp.vec2, height: int, width: int) -> Triangle:
    """See `rasterize.reference.edge_planes`; `half`: of a pixel's width and height."""
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
def _sign(q: wp.float64, a: wp.vec3d, b: wp.vec3d) -> wp.float64:
    """Side of an edge; on the edge, that of the centre moved by (e, e^2)."""
    zero = wp.float64(0.0)
    side = q
    if side == zero:
        side = a[1] * b[2] - a[2] * b[1]
    if side == zero:
        side = a[2] * b[0] - a[0] * b[2]
    return side


@wp.func
def exact_depth(
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
    u0 = seen_from(a, p)
    u1 = seen_from(b, p)
    u2 = seen_from(c, p)
    q = edge_functions(u0, u1, u2)
    s0 = _sign(q[0], u1, u2)
    s1 = _sign(q[1], u2, u0)
    s2 = _sign(q[2], u0, u1)
    depth = float(2.0)
    if (s0 > zero and s1 > zero and s2 > zero) or (s0 < zero and s1 < zero and s2 < zero):
        sum_q = q[0] + q[1] + q[2]
        sum_w = q[0] * u0[2] + q[1] * u1[2] + q[2] * u2[2]
        if (sum_q > zero and sum_w > zero) or (sum_q < zero and sum_w < zero):
            sum_z = q[0] * wp.float64(a[2]) + q[1] * wp.float64(b[2]) + q[2] * wp.float64(c[2])
            exact = sum_z / sum_w
            if exact >= -one and exact <= one:
                depth = float(exact)
    return depth


@wp.func
def in_row_of(t: Triangle, row: int) -> wp.vec3:
    """The edge functions in a row, at the column where they are known."""
    return t.there + float(row - t.row) * t.per_row


@wp.func
def side_of(t: Triangle) -> float:
    """The sign that the edge functions have in every pixel that a drawn triangle takes; 0 where the
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
def pace_of(slope: float) -> float:
    """Columns in which an edge function changes by one; 0 where it hardly changes."""
    result = float(0.0)
    if wp.abs(slope) > _TINY:
        result = 1.0 / slope
    return result


@wp.func
def columns_of(t: Triangle, in_row: wp.vec3, side: float, pace: wp.vec3) -> wp.vec2i:
    """First and last column of a row that a drawn triangle may take: a few too many, never too few.

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
