"""Total variation on the CPU: formulas of `diffrec.losses.variation`, rows shared among the cores.

Every number is gathered from its four neighbours by the one thread that has its row.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numba as nb
import numpy as np
import torch
from torch import Tensor

from diffrec.ops.cubemap import neighbour_table


def light(base: Tensor, foot: float, scale: float) -> tuple[Tensor, Tensor]:
    """`scale` times the summed variation of log(1 + base) [6, R, R, 3], and its gradient."""
    size = base.shape[1]
    values = base.detach().numpy()
    bordered = np.empty((6, size + 2, (size + 2) * 3), dtype=np.float32)
    sums = np.empty((6, size), dtype=np.float64)
    gradient = torch.empty_like(base, requires_grad=False)
    _logarithms(values, bordered)
    _border(_border_table(size), bordered)
    _light(values, bordered, np.float32(foot), np.float32(scale), gradient.numpy(), sums)
    return torch.tensor(sums.sum() * scale, dtype=torch.float32), gradient


def textures(
    images: Sequence[Tensor], marks: Sequence[Tensor], foot: float, scales: Sequence[float]
) -> tuple[Tensor, list[Tensor]]:
    """The sum of `scales` times the summed variations of images [H, W, 3], and their gradients."""
    total, gradients = 0.0, []
    for image, mark, scale in zip(images, marks, scales, strict=True):
        height = image.shape[0]
        gradient = torch.empty_like(image, requires_grad=False)
        sums = np.empty(height, dtype=np.float64)
        lines = (one.detach().view(height, -1).numpy() for one in (image, mark))
        shares = np.float32(foot), np.float32(scale)
        _texture(*lines, *shares, gradient.view(height, -1).numpy(), sums)
        total += sums.sum() * scale
        gradients.append(gradient)
    return torch.tensor(total, dtype=torch.float32), gradients


@functools.lru_cache(maxsize=4)
def _border_table(size: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """[24 R, 6]: a place in the border (face, row, column) and the place whose value it has."""
    edge = size + 2
    table = neighbour_table(size, 1)
    ring = torch.zeros((6, edge, edge), dtype=torch.bool)
    ring[:, 0, 1:-1] = ring[:, -1, 1:-1] = ring[:, 1:-1, 0] = ring[:, 1:-1, -1] = True
    place, source = ring.nonzero(), table[ring]
    face = torch.div(source, size * size, rounding_mode="floor")
    row = torch.div(source, size, rounding_mode="floor") % size
    there = torch.stack([face, row + 1, source % size + 1], dim=1)
    return torch.cat([place, there], dim=1).numpy()


@nb.njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _logarithms(base, bordered):  # type: ignore[no-untyped-def]
    """log(1 + base), inside a border."""
    size = base.shape[1]
    for line in nb.prange(6 * size):
        face, row = line // size, line % size
        target = bordered[face, row + 1]
        for column in range(size):
            for c in range(3):
                target[3 * column + 3 + c] = np.log1p(base[face, row, column, c])


@nb.njit(cache=True, nogil=True)
def _border(table, bordered):  # type: ignore[no-untyped-def]
    for i in range(table.shape[0]):
        face, row, column = table[i, 0], table[i, 1], table[i, 2]
        of_face, of_row, of_column = table[i, 3], table[i, 4], table[i, 5]
        for c in range(3):
            bordered[face, row, 3 * column + c] = bordered[of_face, of_row, 3 * of_column + c]


_FAST = {"contract", "reassoc", "nsz"}  # lets sums along a row be made several at once


@nb.njit(parallel=True, cache=True, nogil=True, error_model="numpy", fastmath=_FAST)
def _light(base, bordered, foot, scale, gradient, sums):  # type: ignore[no-untyped-def]
    size = base.shape[1]
    squared, one = foot * foot, np.float32(1)
    for line in nb.prange(6 * size):
        face, row = line // size, line % size
        here, above, below = bordered[face, row + 1], bordered[face, row], bordered[face, row + 2]
        values = base[face, row].reshape(-1)
        out = gradient[face, row].reshape(-1)
        total = np.float32(0)
        for i in range(values.size):
            x = here[i + 3]
            a, b, c, d = x - here[i], x - here[i + 6], x - above[i + 3], x - below[i + 3]
            p, q = np.sqrt(a * a + squared), np.sqrt(b * b + squared)
            r, s = np.sqrt(c * c + squared), np.sqrt(d * d + squared)
            total += ((p - foot) + (q - foot)) + ((r - foot) + (s - foot))
            out[i] = scale * ((a / p + b / q) + (c / r + d / s)) / (one + values[i])
        # Each pair is met from both sides.
        sums[face, row] = 0.5 * np.float64(total)


@nb.njit(parallel=True, cache=True, nogil=True, error_model="numpy", fastmath=_FAST)
def _texture(image, marks, foot, scale, gradient, sums):  # type: ignore[no-untyped-def]
    height, length = image.shape
    squared = foot * foot
    for row in nb.prange(height):
        here, mark, out = image[row], marks[row], gradient[row]
        # Beyond the picture nothing counts: its marks there are zero.
        below = image[min(row + 1, height - 1)]
        above, mark_above = image[max(row - 1, 0)], marks[max(row - 1, 0)]
        first_row = np.uint8(0) if row == 0 else np.uint8(2)
        slope = np.zeros(length + 3, dtype=np.float32)
        total = np.float32(0)
        for i in range(length - 3):
            d = here[i + 3] - here[i]
            root = np.sqrt(d * d + squared)
            counts = np.float32(mark[i] & np.uint8(1))
            total += counts * (root - foot)
            slope[i + 3] = scale * counts * d / root
        half = np.float32(0.5)
        for i in range(length):
            down, up = below[i] - here[i], here[i] - above[i]
            root_down, root_up = np.sqrt(down * down + squared), np.sqrt(up * up + squared)
            counts_down = half * np.float32(mark[i] & np.uint8(2))
            counts_up = half * np.float32(mark_above[i] & first_row)
            total += counts_down * (root_down - foot)
            across = counts_up * up / root_up - counts_down * down / root_down
            out[i] = slope[i] - slope[i + 3] + scale * across
        sums[row] = np.float64(total)
