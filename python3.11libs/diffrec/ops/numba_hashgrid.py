"""Hash grid on the CPU: one level per thread, so that a level's table stays in one core's cache.

The gradient of a table is summed by the one thread that owns the level, in the order of the
points: the result is the same for any number of threads.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from torch import Tensor

from diffrec.ops.hashgrid import PRIMES, HashGridLayout

_Y = np.uint32(PRIMES[1])
_Z = np.uint32(PRIMES[2])
# Points that one task encodes: few enough to balance 16 levels over many cores.
_CHUNK = 16384


def forward(points: Tensor, table: Tensor, layout: HashGridLayout, encoded: Tensor) -> None:
    """Encode points [N, 3] into `encoded` [levels * 2, N]."""
    _forward(
        points.numpy(), table.numpy(), layout.level_table, layout.log2_entries, encoded.numpy()
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
        target.numpy(),
    )


def backward_points(
    points: Tensor, table: Tensor, gradient: Tensor, layout: HashGridLayout, target: Tensor
) -> None:
    """Write the points' gradient to `target` [N, 3]."""
    _backward_points(
        points.numpy(),
        table.numpy(),
        gradient.numpy(),
        layout.level_table,
        layout.log2_entries,
        target.numpy(),
    )


@nb.njit(inline="always")
def _cell(coordinate, resolution):  # type: ignore[no-untyped-def]
    """Cell index and fraction along one axis; the last cell is closed."""
    scaled = min(max(coordinate, np.float32(0)), np.float32(1)) * np.float32(resolution)
    cell = min(np.int32(scaled), np.int32(resolution - 1))
    return cell, scaled - np.float32(cell)


@nb.njit(inline="always")
def _rows(x, y, z, resolution, start, dense, mask):  # type: ignore[no-untyped-def]
    """Rows of a cell's eight corners; x varies fastest. Unsigned: no test for negative ones."""
    if dense:
        one = np.uint64(1)
        edge = np.uint64(resolution + 1)
        slab = edge * edge
        a = start + np.uint64(x) + edge * np.uint64(y) + slab * np.uint64(z)
        b, c, d = a + edge, a + slab, a + slab + edge
        return a, a + one, b, b + one, c, c + one, d, d + one
    x0, x1 = np.uint32(x), np.uint32(x + 1)
    y0, y1 = np.uint32(y) * _Y, np.uint32(y + 1) * _Y
    z0, z1 = np.uint32(z) * _Z, np.uint32(z + 1) * _Z
    p, q, r, s = y0 ^ z0, y1 ^ z0, y0 ^ z1, y1 ^ z1
    return (
        start + np.uint64((x0 ^ p) & mask),
        start + np.uint64((x1 ^ p) & mask),
        start + np.uint64((x0 ^ q) & mask),
        start + np.uint64((x1 ^ q) & mask),
        start + np.uint64((x0 ^ r) & mask),
        start + np.uint64((x1 ^ r) & mask),
        start + np.uint64((x0 ^ s) & mask),
        start + np.uint64((x1 ^ s) & mask),
    )


@nb.njit(inline="always")
def _weights(fx, fy, fz):  # type: ignore[no-untyped-def]
    """Trilinear weights of the corners, in the order of `_rows`."""
    gx, gy, gz = np.float32(1) - fx, np.float32(1) - fy, np.float32(1) - fz
    a, b, c, d = gy * gz, fy * gz, gy * fz, fy * fz
    return gx * a, fx * a, gx * b, fx * b, gx * c, fx * c, gx * d, fx * d


@nb.njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _forward(points, table, levels, log2_entries, encoded):  # type: ignore[no-untyped-def]
    count = points.shape[0]
    mask = np.uint32((1 << log2_entries) - 1)
    chunks = (count + _CHUNK - 1) // _CHUNK
    for task in nb.prange(levels.shape[0] * chunks):
        level, chunk = task // chunks, task % chunks
        resolution, start = levels[level, 0], np.uint64(levels[level, 1])
        dense = levels[level, 2] != 0
        for i in range(chunk * _CHUNK, min(count, (chunk + 1) * _CHUNK)):
            x, fx = _cell(points[i, 0], resolution)
            y, fy = _cell(points[i, 1], resolution)
            z, fz = _cell(points[i, 2], resolution)
            a, b, c, d, e, f, g, h = _rows(x, y, z, resolution, start, dense, mask)
            wa, wb, wc, wd, we, wf, wg, wh = _weights(fx, fy, fz)
            encoded[2 * level, i] = (
                wa * table[a, 0] + wb * table[b, 0] + wc * table[c, 0] + wd * table[d, 0]
            ) + (we * table[e, 0] + wf * table[f, 0] + wg * table[g, 0] + wh * table[h, 0])
            encoded[2 * level + 1, i] = (
                wa * table[a, 1] + wb * table[b, 1] + wc * table[c, 1] + wd * table[d, 1]
            ) + (we * table[e, 1] + wf * table[f, 1] + wg * table[g, 1] + wh * table[h, 1])


@nb.njit(inline="always")
def _add(target, row, weight, g0, g1):  # type: ignore[no-untyped-def]
    target[row, 0] += weight * g0
    target[row, 1] += weight * g1


@nb.njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _backward_table(points, gradient, levels, log2_entries, scale, target):  # type: ignore[no-untyped-def]
    count = points.shape[0]
    mask = np.uint32((1 << log2_entries) - 1)
    for level in nb.prange(levels.shape[0]):
        resolution, start = levels[level, 0], np.uint64(levels[level, 1])
        dense = levels[level, 2] != 0
        for i in range(count):
            g0, g1 = scale * gradient[2 * level, i], scale * gradient[2 * level + 1, i]
            x, fx = _cell(points[i, 0], resolution)
            y, fy = _cell(points[i, 1], resolution)
            z, fz = _cell(points[i, 2], resolution)
            a, b, c, d, e, f, g, h = _rows(x, y, z, resolution, start, dense, mask)
            wa, wb, wc, wd, we, wf, wg, wh = _weights(fx, fy, fz)
            _add(target, a, wa, g0, g1)
            _add(target, b, wb, g0, g1)
            _add(target, c, wc, g0, g1)
            _add(target, d, wd, g0, g1)
            _add(target, e, we, g0, g1)
            _add(target, f, wf, g0, g1)
            _add(target, g, wg, g0, g1)
            _add(target, h, wh, g0, g1)


@nb.njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _backward_points(points, table, gradient, levels, log2_entries, target):  # type: ignore[no-untyped-def]
    count = points.shape[0]
    mask = np.uint32((1 << log2_entries) - 1)
    one, zero = np.float32(1), np.float32(0)
    chunks = (count + _CHUNK - 1) // _CHUNK
    for chunk in nb.prange(chunks):
        begin, end = chunk * _CHUNK, min(count, (chunk + 1) * _CHUNK)
        target[begin:end] = zero
        # Level by level over the chunk: one level's table in the cache at a time.
        for level in range(levels.shape[0]):
            resolution, start = levels[level, 0], np.uint64(levels[level, 1])
            dense = levels[level, 2] != 0
            factor = np.float32(resolution)
            for i in range(begin, end):
                g0, g1 = gradient[2 * level, i] * factor, gradient[2 * level + 1, i] * factor
                x, fx = _cell(points[i, 0], resolution)
                y, fy = _cell(points[i, 1], resolution)
                z, fz = _cell(points[i, 2], resolution)
                a, b, c, d, e, f, g, h = _rows(x, y, z, resolution, start, dense, mask)
                va = table[a, 0] * g0 + table[a, 1] * g1
                vb = table[b, 0] * g0 + table[b, 1] * g1
                vc = table[c, 0] * g0 + table[c, 1] * g1
                vd = table[d, 0] * g0 + table[d, 1] * g1
                ve = table[e, 0] * g0 + table[e, 1] * g1
                vf = table[f, 0] * g0 + table[f, 1] * g1
                vg = table[g, 0] * g0 + table[g, 1] * g1
                vh = table[h, 0] * g0 + table[h, 1] * g1
                gx, gy, gz = one - fx, one - fy, one - fz
                target[i, 0] += gz * (gy * (vb - va) + fy * (vd - vc)) + fz * (
                    gy * (vf - ve) + fy * (vh - vg)
                )
                target[i, 1] += gz * (gx * (vc - va) + fx * (vd - vb)) + fz * (
                    gx * (vg - ve) + fx * (vh - vf)
                )
                target[i, 2] += gy * (gx * (ve - va) + fx * (vf - vb)) + fy * (
                    gx * (vg - vc) + fx * (vh - vd)
                )
        for i in range(begin, end):
            for axis in range(3):
                if points[i, axis] < zero or points[i, axis] > one:
                    target[i, axis] = zero
