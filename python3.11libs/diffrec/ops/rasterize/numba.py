"""Rasterisation on the CPU: bands of image rows, one per thread, triangles in order.

The arithmetic of coverage and depth is that of `reference`, operation by operation, so both
find the same triangles.
"""

from __future__ import annotations

import numba
import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

from diffrec.ops.raster import DOUBT, LARGE

_DOUBT, _LARGE = np.float32(DOUBT), np.float32(LARGE)
_SLACK = 1e-3  # pixels by which bounds are widened, so that rounding loses nothing
_WIDE = 8  # pixels from which on a row's span is narrowed before its pixels are tested


def rasterize(
    clip: Tensor,
    triangles: Tensor,
    resolution: tuple[int, int],
    behind: tuple[Tensor, Tensor] | None,
) -> tuple[Tensor, Tensor]:
    """(triangle, depth), each [B, H, W]; `behind`: (triangle, depth) of the layer to peel off."""
    height, width = resolution
    views, count = clip.shape[0], triangles.shape[0]
    triangle = torch.empty((views, height, width), dtype=torch.int32)
    depth = torch.empty((views, height, width), dtype=torch.float32)
    bounds = torch.empty((views, count, 4), dtype=torch.int32)
    seen = behind if behind is not None else (triangle[:0], depth[:0])
    threads = numba.get_num_threads()
    bands = max(1, min(height, -(-4 * threads // max(views, 1))))
    _rasterize(
        clip.contiguous().numpy(),
        triangles.to(torch.int32).contiguous().numpy(),
        threads,
        bands,
        bounds.numpy(),
        seen[0].contiguous().numpy(),
        seen[1].contiguous().numpy(),
        triangle.numpy(),
        depth.numpy(),
    )
    return triangle, depth


@njit(cache=True)
def _pixel_range(low, high, size):  # type: ignore[no-untyped-def]
    """First and last pixel whose centre lies in [low, high] (-1..1), clamped to the image."""
    first = max(0.0, np.ceil((low + 1.0) * (0.5 * size) - 0.5 - _SLACK))
    last = min(size - 1.0, np.floor((high + 1.0) * (0.5 * size) - 0.5 + _SLACK))
    if first <= last:  # false for NaN too
        return np.int32(first), np.int32(last)
    return np.int32(1), np.int32(0)


@njit(cache=True)
def _extent(a, b, c, wa, wb, wc):  # type: ignore[no-untyped-def]
    """Range of coordinate / w over the part of a triangle with w > 0.

    Where an edge passes through w = 0, the projection runs off to infinity on the side of the
    crossing's coordinate.
    """
    a, b, c = np.float64(a), np.float64(b), np.float64(c)
    wa, wb, wc = np.float64(wa), np.float64(wb), np.float64(wc)
    low, high = np.inf, -np.inf
    for p, wp in ((a, wa), (b, wb), (c, wc)):
        if wp > 0.0:
            low, high = min(low, p / wp), max(high, p / wp)
    for p, q, wp, wq in ((a, b, wa, wb), (b, c, wb, wc), (c, a, wc, wa)):
        if (wp > 0.0) != (wq > 0.0):
            crossing = p * abs(wq) + q * abs(wp)
            if crossing >= 0.0:
                high = np.inf
            if crossing <= 0.0:
                low = -np.inf
    return low, high


@njit(cache=True)
def _bound(clip, triangles, view, face, height, width, bounds):  # type: ignore[no-untyped-def]
    """Pixel bounds (x0, x1, y0, y1) of one triangle; in no band of rows if it cannot be seen."""
    bounds[view, face, 0], bounds[view, face, 1] = 1, 0
    bounds[view, face, 2], bounds[view, face, 3] = 1, -1
    a, b, c = triangles[face, 0], triangles[face, 1], triangles[face, 2]
    xa, xb, xc = clip[view, a, 0], clip[view, b, 0], clip[view, c, 0]
    ya, yb, yc = clip[view, a, 1], clip[view, b, 1], clip[view, c, 1]
    za, zb, zc = clip[view, a, 2], clip[view, b, 2], clip[view, c, 2]
    wa, wb, wc = clip[view, a, 3], clip[view, b, 3], clip[view, c, 3]
    for pa, pb, pc in ((xa, xb, xc), (ya, yb, yc), (za, zb, zc)):
        if (pa > wa and pb > wb and pc > wc) or (pa < -wa and pb < -wb and pc < -wc):
            return
    if wa > 0.0 and wb > 0.0 and wc > 0.0:  # as most are; three divisions serve both axes
        ia, ib, ic = 1.0 / np.float64(wa), 1.0 / np.float64(wb), 1.0 / np.float64(wc)
        pa, pb, pc = xa * ia, xb * ib, xc * ic
        x0, x1 = _pixel_range(min(pa, min(pb, pc)), max(pa, max(pb, pc)), width)
        if x0 > x1:
            return
        pa, pb, pc = ya * ia, yb * ib, yc * ic
        y0, y1 = _pixel_range(-max(pa, max(pb, pc)), -min(pa, min(pb, pc)), height)
    elif wa > 0.0 or wb > 0.0 or wc > 0.0:
        low, high = _extent(xa, xb, xc, wa, wb, wc)
        x0, x1 = _pixel_range(low, high, width)
        low, high = _extent(ya, yb, yc, wa, wb, wc)
        y0, y1 = _pixel_range(-high, -low, height)
    else:
        return
    if x0 <= x1 and y0 <= y1:
        bounds[view, face, 0], bounds[view, face, 1] = x0, x1
        bounds[view, face, 2], bounds[view, face, 3] = y0, y1


@njit(cache=True)
def _sign(q, uxj, uyj, wj, uxk, uyk, wk):  # type: ignore[no-untyped-def]
    """Side of an edge; on the edge, that of the centre moved by (e, e^2)."""
    if q != 0.0:
        return q
    along_x = uyj * wk - wj * uyk
    if along_x != 0.0:
        return along_x
    return wj * uxk - uxj * wk


@njit(cache=True, inline="always")
def _edge_planes(clip, view, v0, v1, v2, height, width):  # type: ignore[no-untyped-def]
    """See `rasterize.reference.edge_planes`: column and row of the pixel where q is known, q there,
    its changes per column and per row, and the doubt."""
    one, two = np.float32(1.0), np.float32(2.0)
    across, down = np.float32(width), np.float32(height)
    w0, w1, w2 = clip[view, v0, 3], clip[view, v1, 3], clip[view, v2, 3]
    smallest, largest = min(w0, min(w1, w2)), max(w0, max(w1, w2))
    zero = np.float32(0.0)
    if not (smallest > zero and largest <= two * smallest):
        none = (zero, zero, zero)
        return np.int64(0), np.int64(0), none, none, none, np.float32(np.inf)
    half_x, half_y, inverse = one / across, one / down, one / w0
    x0, y0 = clip[view, v0, 0], clip[view, v0, 1]
    column = (x0 * inverse + one) * (np.float32(0.5) * across)
    row = (one - y0 * inverse) * (np.float32(0.5) * down)
    first = np.int64(min(max(column, zero), across - one))
    top = np.int64(min(max(row, zero), down - one))
    px = np.float32(2 * first + 1 - width) * half_x
    py = np.float32(height - 1 - 2 * top) * half_y
    ux0, uy0 = x0 - px * w0, y0 - py * w0
    ux1, uy1 = clip[view, v1, 0] - px * w1, clip[view, v1, 1] - py * w1
    ux2, uy2 = clip[view, v2, 0] - px * w2, clip[view, v2, 1] - py * w2
    there = (ux1 * uy2 - uy1 * ux2, ux2 * uy0 - uy2 * ux0, ux0 * uy1 - uy0 * ux1)
    step_x, step_y = two * half_x, two * half_y
    per_column = (
        (uy1 * w2 - w1 * uy2) * step_x,
        (uy2 * w0 - w2 * uy0) * step_x,
        (uy0 * w1 - w0 * uy1) * step_x,
    )
    per_row = (
        (ux1 * w2 - w1 * ux2) * step_y,
        (ux2 * w0 - w2 * ux0) * step_y,
        (ux0 * w1 - w0 * ux1) * step_y,
    )
    extent = two * max(
        max(abs(ux0), max(abs(ux1), abs(ux2))), max(abs(uy0), max(abs(uy1), abs(uy2)))
    )
    doubt = extent * (extent + largest) * _DOUBT
    if not doubt < _LARGE:
        doubt = np.float32(np.inf)
    return first, top, there, per_column, per_row, doubt


@njit(cache=True)
def _exact_depth(clip, view, v0, v1, v2, row, column, height, width):  # type: ignore[no-untyped-def]
    """z / w in a pixel by float64, +inf where it is not covered."""
    x0, y0 = np.float64(clip[view, v0, 0]), np.float64(clip[view, v0, 1])
    z0, w0 = np.float64(clip[view, v0, 2]), np.float64(clip[view, v0, 3])
    x1, y1 = np.float64(clip[view, v1, 0]), np.float64(clip[view, v1, 1])
    z1, w1 = np.float64(clip[view, v1, 2]), np.float64(clip[view, v1, 3])
    x2, y2 = np.float64(clip[view, v2, 0]), np.float64(clip[view, v2, 1])
    z2, w2 = np.float64(clip[view, v2, 2]), np.float64(clip[view, v2, 3])
    nothing = np.float32(np.inf)
    py = 1.0 - (2 * row + 1) / height
    px = (2 * column + 1) / width - 1.0
    ux0, ux1, ux2 = x0 - px * w0, x1 - px * w1, x2 - px * w2
    uy0, uy1, uy2 = y0 - py * w0, y1 - py * w1, y2 - py * w2
    q0 = ux1 * uy2 - uy1 * ux2
    q1 = ux2 * uy0 - uy2 * ux0
    q2 = ux0 * uy1 - uy0 * ux1
    s0 = _sign(q0, ux1, uy1, w1, ux2, uy2, w2)
    s1 = _sign(q1, ux2, uy2, w2, ux0, uy0, w0)
    s2 = _sign(q2, ux0, uy0, w0, ux1, uy1, w1)
    if not ((s0 > 0.0 and s1 > 0.0 and s2 > 0.0) or (s0 < 0.0 and s1 < 0.0 and s2 < 0.0)):
        return nothing
    sum_q = q0 + q1 + q2
    sum_w = q0 * w0 + q1 * w1 + q2 * w2
    if not ((sum_q > 0.0 and sum_w > 0.0) or (sum_q < 0.0 and sum_w < 0.0)):
        return nothing
    exact = (q0 * z0 + q1 * z1 + q2 * z2) / sum_w
    if not (exact >= -1.0 and exact <= 1.0):
        return nothing
    return np.float32(exact)


@njit(cache=True)
def _draw(  # type: ignore[no-untyped-def]
    clip, triangles, view, face, bounds, top, bottom, seen_triangle, seen_depth, triangle, depth
):
    height, width = triangle.shape[1], triangle.shape[2]
    v0, v1, v2 = triangles[face, 0], triangles[face, 1], triangles[face, 2]
    z0, z1, z2 = clip[view, v0, 2], clip[view, v1, 2], clip[view, v2, 2]
    w0, w1, w2 = clip[view, v0, 3], clip[view, v1, 3], clip[view, v2, 3]
    column0, row0, there, per_column, per_row, doubt = _edge_planes(
        clip, view, v0, v1, v2, height, width
    )
    a0, a1, a2 = there
    across0, across1, across2 = per_column
    down0, down1, down2 = per_row
    first, last = bounds[view, face, 0], bounds[view, face, 1]
    for row in range(max(top, bounds[view, face, 2]), min(bottom, bounds[view, face, 3] + 1)):
        left, right = np.int64(first), np.int64(last)
        if right - left >= _WIDE:
            left, right = _span(clip, view, v0, v1, v2, row, height, width, left, right)
        below = np.float32(row - row0)
        b0, b1, b2 = a0 + below * down0, a1 + below * down1, a2 + below * down2
        for column in range(left, right + 1):
            beside = np.float32(column - column0)
            q0, q1, q2 = b0 + beside * across0, b1 + beside * across1, b2 + beside * across2
            if abs(q0) > doubt and abs(q1) > doubt and abs(q2) > doubt:
                if not (
                    (q0 > 0.0 and q1 > 0.0 and q2 > 0.0) or (q0 < 0.0 and q1 < 0.0 and q2 < 0.0)
                ):
                    continue
                found = (q0 * z0 + q1 * z1 + q2 * z2) / (q0 * w0 + q1 * w1 + q2 * w2)
                if not (found >= -1.0 and found <= 1.0):
                    continue
            else:
                found = _exact_depth(clip, view, v0, v1, v2, row, column, height, width)
            # Where nothing is covered this is infinite, which is nowhere less.
            if found < depth[view, row, column]:
                if seen_depth.shape[0] > 0 and not (
                    found > seen_depth[view, row, column]
                    and seen_triangle[view, row, column] != face
                ):
                    continue
                depth[view, row, column] = found
                triangle[view, row, column] = face


@njit(cache=True)
def _span(clip, view, v0, v1, v2, row, height, width, first, last):  # type: ignore[no-untyped-def]
    """Pixels first..last of a row without those certainly outside the triangle."""
    py = 1.0 - (2 * row + 1) / height
    x0, w0 = np.float64(clip[view, v0, 0]), np.float64(clip[view, v0, 3])
    x1, w1 = np.float64(clip[view, v1, 0]), np.float64(clip[view, v1, 3])
    x2, w2 = np.float64(clip[view, v2, 0]), np.float64(clip[view, v2, 3])
    uy0, uy1 = clip[view, v0, 1] - py * w0, clip[view, v1, 1] - py * w1
    uy2 = clip[view, v2, 1] - py * w2
    # Along the row every q is constant - px * slope; q0 w0 + q1 w1 + q2 w2 is the same everywhere.
    c0, s0 = x1 * uy2 - uy1 * x2, w1 * uy2 - uy1 * w2
    c1, s1 = x2 * uy0 - uy2 * x0, w2 * uy0 - uy2 * w0
    c2, s2 = x0 * uy1 - uy0 * x1, w0 * uy1 - uy0 * w1
    facing = c0 * w0 + c1 * w1 + c2 * w2
    low, high = -2.0, 2.0
    for constant, slope in ((c0, s0), (c1, s1), (c2, s2)):
        if slope * facing > 0.0:
            high = min(high, constant / slope)
        elif slope * facing < 0.0:
            low = max(low, constant / slope)
    # A whole pixel of slack: this only saves time, the exact test follows.
    left = max(first, np.int64(np.floor((low + 1.0) * (0.5 * width) - 1.5)))
    right = min(last, np.int64(np.ceil((high + 1.0) * (0.5 * width) + 0.5)))
    return left, right


@njit(parallel=True, cache=True)
def _rasterize(  # type: ignore[no-untyped-def]
    clip, triangles, threads, bands, bounds, seen_triangle, seen_depth, triangle, depth
):
    views, height, width = triangle.shape
    count = triangles.shape[0]
    chunks = 4 * threads
    for chunk in prange(chunks):
        for item in range(chunk * views * count // chunks, (chunk + 1) * views * count // chunks):
            _bound(clip, triangles, item // count, item % count, height, width, bounds)
    for thread in prange(threads):
        # Every thread takes bands all over the images, which evens out the work.
        for task in range(thread, views * bands, threads):
            view, band = task // bands, task % bands
            top, bottom = band * height // bands, (band + 1) * height // bands
            triangle[view, top:bottom] = -1
            depth[view, top:bottom] = np.inf
            for face in range(count):
                if bounds[view, face, 2] < bottom and bounds[view, face, 3] >= top:
                    _draw(
                        clip,
                        triangles,
                        view,
                        face,
                        bounds,
                        top,
                        bottom,
                        seen_triangle,
                        seen_depth,
                        triangle,
                        depth,
                    )
