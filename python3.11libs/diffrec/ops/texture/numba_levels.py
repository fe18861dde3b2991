"""Kernels of `diffrec.ops.texture`: all cores, and the same result for any number of them."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

Array = np.ndarray[Any, Any]

# Entries of `levels` are read one by one below: unpacking a row is ten times as slow.
_CHUNK = 2048
# Texels of one owner that lie side by side, when gradients are summed.
_BLOCK = 64


def fetch_backward(
    target: Array, levels: Array, uv: Array, level: Array, gradient: Array, first: int
) -> None:
    """Add the gradient of a fetch [P, C] to the packed `target`, from channel `first` on.

    Each texel is owned by one thread, which visits the points in order.
    """
    _fetch_backward(target, levels, uv, level, gradient, first, nb.get_num_threads())


@nb.njit(parallel=True, cache=True, nogil=True)
def copy_in(textures: tuple[Array, ...], packed: Array) -> None:
    """Write textures [T, C_i] side by side into the first T rows of `packed`."""
    count = textures[0].shape[0]
    for chunk in nb.prange((count + _CHUNK - 1) // _CHUNK):
        # Texture by texture within a chunk, while its rows of `packed` are in the cache.
        begin, end = chunk * _CHUNK, min(count, (chunk + 1) * _CHUNK)
        first = 0
        for t in range(len(textures)):
            texels = textures[t]
            for i in range(begin, end):
                for c in range(texels.shape[1]):
                    packed[i, first + c] = texels[i, c]
            first += texels.shape[1]


@nb.njit(parallel=True, cache=True, nogil=True)
def copy_out(packed: Array, textures: tuple[Array, ...]) -> None:
    """The inverse of `copy_in`."""
    count = textures[0].shape[0]
    for chunk in nb.prange((count + _CHUNK - 1) // _CHUNK):
        begin, end = chunk * _CHUNK, min(count, (chunk + 1) * _CHUNK)
        first = 0
        for t in range(len(textures)):
            texels = textures[t]
            for i in range(begin, end):
                for c in range(texels.shape[1]):
                    texels[i, c] = packed[i, first + c]
            first += texels.shape[1]


@nb.njit(inline="always")
def _children(row, column, fine_height, fine_width, fine):  # type: ignore[no-untyped-def]
    """Rows of the packed array of the 2 x 2 finer texels; of a level one texel high or wide the
    same one is named twice."""
    top = fine + (2 * row * fine_width if fine_height > 1 else 0)
    below = fine_width if fine_height > 1 else 0
    left, beside = (2 * column, 1) if fine_width > 1 else (0, 0)
    a = top + left
    return a, a + beside, a + below, a + below + beside


@nb.njit(parallel=True, cache=True, nogil=True)
def average(packed: Array, levels: Array) -> None:
    """Fill each level with the means over 2 x 2 texels of the one before."""
    channels = packed.shape[1]
    quarter = np.float32(0.25)
    for k in range(1, levels.shape[0]):
        fine_height, fine_width, fine = levels[k - 1, 0], levels[k - 1, 1], levels[k - 1, 2]
        height, width, start = levels[k, 0], levels[k, 1], levels[k, 2]
        for row in nb.prange(height):
            for column in range(width):
                a, b, c, d = _children(row, column, fine_height, fine_width, fine)
                mean = start + row * width + column
                for i in range(channels):
                    upper, lower = packed[a, i] + packed[b, i], packed[c, i] + packed[d, i]
                    packed[mean, i] = quarter * (upper + lower)


@nb.njit(parallel=True, cache=True, nogil=True)
def spread(gradient: Array, levels: Array) -> None:
    """Hand the gradient of each level down to the finest: the transpose of `average`."""
    channels = gradient.shape[1]
    quarter = np.float32(0.25)
    for back in range(1, levels.shape[0]):
        k = levels.shape[0] - back
        fine_height, fine_width, fine = levels[k - 1, 0], levels[k - 1, 1], levels[k - 1, 2]
        height, width, start = levels[k, 0], levels[k, 1], levels[k, 2]
        for row in nb.prange(height):
            for column in range(width):
                a, b, c, d = _children(row, column, fine_height, fine_width, fine)
                mean = start + row * width + column
                for i in range(channels):
                    share = quarter * gradient[mean, i]
                    gradient[a, i] += share
                    gradient[b, i] += share
                    gradient[c, i] += share
                    gradient[d, i] += share


@nb.njit(inline="always")
def _blend(level, count):  # type: ignore[no-untyped-def]
    """Lower of the two levels to read, and the share of the upper."""
    clamped = min(max(level, np.float32(0)), np.float32(count - 1))
    lower = min(np.int64(clamped), max(count - 2, 0))
    return lower, clamped - np.float32(lower)


@nb.njit(inline="always")
def _axis(coordinate, size):  # type: ignore[no-untyped-def]
    """The two texels around a coordinate, wrapped, and the share of the second."""
    x = coordinate * np.float32(size) - np.float32(0.5)
    floor = np.floor(x)
    first = np.int64(floor) % size
    second = first + 1 if first + 1 < size else 0
    return first, second, x - floor


@nb.njit(parallel=True, cache=True, nogil=True)
def fetch(packed: Array, levels: Array, uv: Array, level: Array, result: Array, first: int) -> None:
    """Trilinear fetch of channels [P, C], from `first` on."""
    count, channels = result.shape
    one = np.float32(1)
    for chunk in nb.prange((count + _CHUNK - 1) // _CHUNK):
        for i in range(chunk * _CHUNK, min(count, (chunk + 1) * _CHUNK)):
            lower, fraction = _blend(level[i], levels.shape[0])
            for c in range(channels):
                result[i, c] = 0
            for step in range(2):
                share = fraction if step else one - fraction
                if share == 0:
                    continue
                k = lower + step
                height, width, start = levels[k, 0], levels[k, 1], levels[k, 2]
                x0, x1, fx = _axis(uv[i, 0], width)
                y0, y1, fy = _axis(uv[i, 1], height)
                top, bottom = start + y0 * width, start + y1 * width
                wa, wb = share * (one - fy) * (one - fx), share * (one - fy) * fx
                wc, wd = share * fy * (one - fx), share * fy * fx
                for c in range(channels):
                    result[i, c] += (
                        wa * packed[top + x0, first + c]
                        + wb * packed[top + x1, first + c]
                        + wc * packed[bottom + x0, first + c]
                        + wd * packed[bottom + x1, first + c]
                    )


@nb.njit(parallel=True, cache=True, nogil=True)
def _fetch_backward(  # type: ignore[no-untyped-def]
    target, levels, uv, level, gradient, first, owners
):
    count, channels = gradient.shape
    one = np.float32(1)
    for owner in nb.prange(owners):
        for i in range(count):
            lower, fraction = _blend(level[i], levels.shape[0])
            for step in range(2):
                share = fraction if step else one - fraction
                if share == 0:
                    continue
                k = lower + step
                height, width, start = levels[k, 0], levels[k, 1], levels[k, 2]
                x0, x1, fx = _axis(uv[i, 0], width)
                y0, y1, fy = _axis(uv[i, 1], height)
                for corner in range(4):
                    y, wy = (y1, fy) if corner >> 1 else (y0, one - fy)
                    x, wx = (x1, fx) if corner & 1 else (x0, one - fx)
                    texel = start + y * width + x
                    if (texel // _BLOCK) % owners == owner:
                        weight = share * wy * wx
                        for c in range(channels):
                            target[texel, first + c] += weight * gradient[i, c]


@nb.njit(parallel=True, cache=True, nogil=True)
def fetch_backward_uv(
    packed: Array,
    levels: Array,
    uv: Array,
    level: Array,
    gradient: Array,
    first: int,
    to_uv: Array,
) -> None:
    """The gradient of a fetch with respect to uv, [P, 2]."""
    count, channels = gradient.shape
    one = np.float32(1)
    for chunk in nb.prange((count + _CHUNK - 1) // _CHUNK):
        for i in range(chunk * _CHUNK, min(count, (chunk + 1) * _CHUNK)):
            lower, fraction = _blend(level[i], levels.shape[0])
            du = dv = np.float32(0)
            for step in range(2):
                share = fraction if step else one - fraction
                if share == 0:
                    continue
                k = lower + step
                height, width, start = levels[k, 0], levels[k, 1], levels[k, 2]
                x0, x1, fx = _axis(uv[i, 0], width)
                y0, y1, fy = _axis(uv[i, 1], height)
                a = b = c = d = np.float32(0)
                top, bottom = start + y0 * width, start + y1 * width
                for channel in range(channels):
                    g = gradient[i, channel]
                    a += g * packed[top + x0, first + channel]
                    b += g * packed[top + x1, first + channel]
                    c += g * packed[bottom + x0, first + channel]
                    d += g * packed[bottom + x1, first + channel]
                du += share * np.float32(width) * ((one - fy) * (b - a) + fy * (d - c))
                dv += share * np.float32(height) * ((one - fx) * (c - a) + fx * (d - b))
            to_uv[i, 0] = du
            to_uv[i, 1] = dv
