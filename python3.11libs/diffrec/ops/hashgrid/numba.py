"""Hash grid on the CPU: one level per thread, so that a level's table stays in one core's cache.

Points are taken in blocks. What is arithmetic runs over a block in loops that a compiler turns into
vector instructions; between them stand the loads from the table, or the additions to its gradient,
and nothing else, so that a core has as many of them under way as it can. Where points are to get a
gradient, the encoding's slopes are made of what is loaded for the encoding anyway.

The gradient of a table is summed by the one thread that owns the level, in the order of the
points: the result is the same for any number of threads.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from torch import Tensor

from diffrec.ops.hashgrid.layout import PRIMES, HashGridLayout

_Y = np.uint32(PRIMES[1])
_Z = np.uint32(PRIMES[2])
# Points that one task encodes: few enough to balance 16 levels over many cores.
_CHUNK = 16384
# Points of a block; arrays of a block hold so many numbers for each axis, corner or feature.
_B = 512


def forward(points: Tensor, table: Tensor, layout: HashGridLayout, encoded: Tensor) -> None:
    """Encode points [N, 3] into `encoded` [levels * 2, N]."""
    _encode(points, table, layout, encoded, points.new_empty((len(layout.resolutions), 6, 0)))


def forward_with_slopes(
    points: Tensor, table: Tensor, layout: HashGridLayout, encoded: Tensor
) -> Tensor:
    """As `forward`; returns the slopes [levels, 6, N] for `backward_points`."""
    slopes = points.new_empty((len(layout.resolutions), 6, points.shape[0]))
    _encode(points, table, layout, encoded, slopes)
    return slopes


def _encode(
    points: Tensor, table: Tensor, layout: HashGridLayout, encoded: Tensor, slopes: Tensor
) -> None:
    _forward(
        points.numpy(),
        table.view(-1).numpy(),
        layout.level_table,
        layout.log2_entries,
        encoded.numpy(),
        slopes.numpy(),
    )


def backward_table(
    points: Tensor, gradient: Tensor, layout: HashGridLayout, scale: float, target: Tensor
) -> None:
    """Add scale x the table's gradient to `target` [entries, 2]."""
    _backward_table(
        points.numpy(),
        gradient.numpy(),
        layout.level_table,
        layout.log2_entries,
        np.float32(scale),
        target.view(-1).numpy(),
    )


def backward_points(points: Tensor, slopes: Tensor, gradient: Tensor, target: Tensor) -> None:
    """Write the points' gradient to `target` [N, 3]."""
    _backward_points(points.numpy(), slopes.numpy(), gradient.numpy(), target.numpy())


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _cells(points, begin, n, resolution, dense, mask, place, rows):  # type: ignore[no-untyped-def]
    """Of a block's points the place within their cells, by axis, and the rows of the eight corners,
    x varying fastest."""
    zero, one = np.float32(0), np.float32(1)
    scale, last = np.float32(resolution), np.int32(resolution - 1)
    step = np.uint32(1)
    # Steps from one corner to the next in a level that stores all; else the hash's factors.
    up = np.uint32(resolution + 1) if dense else _Y
    back = up * up if dense else _Z
    for i in range(n):
        # The last cell is closed, so that 1 is its far side.
        sx = min(max(points[begin + i, 0], zero), one) * scale
        sy = min(max(points[begin + i, 1], zero), one) * scale
        sz = min(max(points[begin + i, 2], zero), one) * scale
        x, y, z = min(np.int32(sx), last), min(np.int32(sy), last), min(np.int32(sz), last)
        place[i] = sx - np.float32(x)
        place[_B + i] = sy - np.float32(y)
        place[2 * _B + i] = sz - np.float32(z)
        rows[i] = np.uint32(x)
        rows[_B + i] = np.uint32(y) * up
        rows[2 * _B + i] = np.uint32(z) * back
    if dense:
        for i in range(n):
            a = rows[i] + rows[_B + i] + rows[2 * _B + i]
            b, c, d = a + up, a + back, a + up + back
            rows[i], rows[_B + i] = a, a + step
            rows[2 * _B + i], rows[3 * _B + i] = b, b + step
            rows[4 * _B + i], rows[5 * _B + i] = c, c + step
            rows[6 * _B + i], rows[7 * _B + i] = d, d + step
    else:
        for i in range(n):
            x0, y0, z0 = rows[i], rows[_B + i], rows[2 * _B + i]
            x1, y1, z1 = x0 + step, y0 + up, z0 + back
            a, b, c, d = y0 ^ z0, y1 ^ z0, y0 ^ z1, y1 ^ z1
            rows[i], rows[_B + i] = (x0 ^ a) & mask, (x1 ^ a) & mask
            rows[2 * _B + i], rows[3 * _B + i] = (x0 ^ b) & mask, (x1 ^ b) & mask
            rows[4 * _B + i], rows[5 * _B + i] = (x0 ^ c) & mask, (x1 ^ c) & mask
            rows[6 * _B + i], rows[7 * _B + i] = (x0 ^ d) & mask, (x1 ^ d) & mask


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _load(table, first, rows, n, values):  # type: ignore[no-untyped-def]
    """Both features of the corners: corner by corner, feature by feature."""
    for i in range(n):
        for corner in range(8):
            at = first + np.uint64(2) * np.uint64(rows[corner * _B + i])
            values[2 * corner * _B + i] = table[at]
            values[(2 * corner + 1) * _B + i] = table[at + np.uint64(1)]


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _blend(place, values, n, feature, out):  # type: ignore[no-untyped-def]
    """Trilinear interpolation of a feature."""
    one = np.float32(1)
    for i in range(n):
        fx, fy, fz = place[i], place[_B + i], place[2 * _B + i]
        gx, gy, gz = one - fx, one - fy, one - fz
        a, b, c, d = gy * gz, fy * gz, gy * fz, fy * fz
        o = feature * _B + i
        out[i] = (
            gx * a * values[o]
            + fx * a * values[o + 2 * _B]
            + gx * b * values[o + 4 * _B]
            + fx * b * values[o + 6 * _B]
        ) + (
            gx * c * values[o + 8 * _B]
            + fx * c * values[o + 10 * _B]
            + gx * d * values[o + 12 * _B]
            + fx * d * values[o + 14 * _B]
        )


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _slopes(place, values, n, feature, factor, out):  # type: ignore[no-untyped-def]
    """How the interpolation of a feature changes along each axis."""
    one = np.float32(1)
    for i in range(n):
        fx, fy, fz = place[i], place[_B + i], place[2 * _B + i]
        gx, gy, gz = one - fx, one - fy, one - fz
        o = feature * _B + i
        a, b, c, d = values[o], values[o + 2 * _B], values[o + 4 * _B], values[o + 6 * _B]
        o += 8 * _B
        e, f, g, h = values[o], values[o + 2 * _B], values[o + 4 * _B], values[o + 6 * _B]
        out[i] = factor * (gz * (gy * (b - a) + fy * (d - c)) + fz * (gy * (f - e) + fy * (h - g)))
        out[_B + i] = factor * (
            gz * (gx * (c - a) + fx * (d - b)) + fz * (gx * (g - e) + fx * (h - f))
        )
        out[2 * _B + i] = factor * (
            gy * (gx * (e - a) + fx * (f - b)) + fy * (gx * (g - c) + fx * (h - d))
        )


@nb.njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _forward(points, table, levels, log2_entries, encoded, slopes):  # type: ignore[no-untyped-def]
    count = points.shape[0]
    mask = np.uint32((1 << log2_entries) - 1)
    chunks = (count + _CHUNK - 1) // _CHUNK
    for task in nb.prange(levels.shape[0] * chunks):
        level, chunk = task // chunks, task % chunks
        resolution, first = levels[level, 0], np.uint64(2 * levels[level, 1])
        dense, factor = levels[level, 2] != 0, np.float32(resolution)
        place, rows = np.empty(3 * _B, np.float32), np.empty(8 * _B, np.uint32)
        values, out = np.empty(16 * _B, np.float32), np.empty(3 * _B, np.float32)
        end = min(count, (chunk + 1) * _CHUNK)
        for begin in range(chunk * _CHUNK, end, _B):
            n = min(_B, end - begin)
            _cells(points, begin, n, resolution, dense, mask, place, rows)
            _load(table, first, rows, n, values)
            for feature in range(2):
                _blend(place, values, n, feature, out)
                for i in range(n):
                    encoded[2 * level + feature, begin + i] = out[i]
                if slopes.shape[2] > 0:
                    _slopes(place, values, n, feature, factor, out)
                    for axis in range(3):
                        for i in range(n):
                            slopes[level, 2 * axis + feature, begin + i] = out[axis * _B + i]


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _shares(place, gradient, n, values):  # type: ignore[no-untyped-def]
    """What both features of the corners get of the gradient [2 B] of a block."""
    one = np.float32(1)
    for i in range(n):
        fx, fy, fz = place[i], place[_B + i], place[2 * _B + i]
        gx, gy, gz = one - fx, one - fy, one - fz
        a, b, c, d = gy * gz, fy * gz, gy * fz, fy * fz
        g, h = gradient[i], gradient[_B + i]
        values[i], values[_B + i] = gx * a * g, gx * a * h
        values[2 * _B + i], values[3 * _B + i] = fx * a * g, fx * a * h
        values[4 * _B + i], values[5 * _B + i] = gx * b * g, gx * b * h
        values[6 * _B + i], values[7 * _B + i] = fx * b * g, fx * b * h
        values[8 * _B + i], values[9 * _B + i] = gx * c * g, gx * c * h
        values[10 * _B + i], values[11 * _B + i] = fx * c * g, fx * c * h
        values[12 * _B + i], values[13 * _B + i] = gx * d * g, gx * d * h
        values[14 * _B + i], values[15 * _B + i] = fx * d * g, fx * d * h


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _add(target, first, rows, n, values):  # type: ignore[no-untyped-def]
    """The other way round of `_load`, point by point."""
    for i in range(n):
        for corner in range(8):
            at = first + np.uint64(2) * np.uint64(rows[corner * _B + i])
            target[at] += values[2 * corner * _B + i]
            target[at + np.uint64(1)] += values[(2 * corner + 1) * _B + i]


@nb.njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _backward_table(points, gradient, levels, log2_entries, scale, target):  # type: ignore[no-untyped-def]
    count = points.shape[0]
    mask = np.uint32((1 << log2_entries) - 1)
    for level in nb.prange(levels.shape[0]):
        resolution, first = levels[level, 0], np.uint64(2 * levels[level, 1])
        dense = levels[level, 2] != 0
        place, rows = np.empty(3 * _B, np.float32), np.empty(8 * _B, np.uint32)
        values, given = np.empty(16 * _B, np.float32), np.empty(2 * _B, np.float32)
        for begin in range(0, count, _B):
            n = min(_B, count - begin)
            for feature in range(2):
                for i in range(n):
                    given[feature * _B + i] = scale * gradient[2 * level + feature, begin + i]
            _cells(points, begin, n, resolution, dense, mask, place, rows)
            _shares(place, given, n, values)
            _add(target, first, rows, n, values)


@nb.njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _backward_points(points, slopes, gradient, target):  # type: ignore[no-untyped-def]
    count = points.shape[0]
    one, zero = np.float32(1), np.float32(0)
    for block in nb.prange((count + _B - 1) // _B):
        begin, n = block * _B, min(_B, count - block * _B)
        total = np.empty(_B, np.float32)
        for axis in range(3):
            total[:] = zero
            for level in range(slopes.shape[0]):
                for i in range(n):
                    total[i] += (
                        gradient[2 * level, begin + i] * slopes[level, 2 * axis, begin + i]
                        + gradient[2 * level + 1, begin + i]
                        * slopes[level, 2 * axis + 1, begin + i]
                    )
            for i in range(n):
                inside = points[begin + i, axis] >= zero and points[begin + i, axis] <= one
                target[begin + i, axis] = total[i] if inside else zero
