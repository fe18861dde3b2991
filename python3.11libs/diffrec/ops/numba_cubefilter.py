"""Products, averages and neighbourhoods of texel lists on the CPU, all cores.

Sparse matrices are compressed by rows: `start` [N + 1], `column` and `value` [E].
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

_WIDEST = 128  # most entries of a row


def product(start: Tensor, column: Tensor, value: Tensor, texels: Tensor) -> Tensor:
    """Sparse matrix [N, M] times texels [M, C], float32."""
    result = torch.empty((len(start) - 1, texels.shape[1]), dtype=torch.float32)
    kernel = _product3 if texels.shape[1] == 3 else _product
    kernel(
        start.numpy(),
        column.numpy(),
        value.numpy(),
        texels.detach().contiguous().numpy(),
        result.numpy(),
    )
    return result


def pool(cube: Tensor) -> Tensor:
    """Means over 2 x 2, [F, R, R, C] to [F, R / 2, R / 2, C], float32."""
    faces, size, _, channels = cube.shape
    result = torch.empty((faces, size // 2, size // 2, channels), dtype=torch.float32)
    _pool(cube.detach().contiguous().numpy(), result.numpy())
    return result


def pool_backward(gradient: Tensor) -> Tensor:
    """The gradient of `pool`'s argument."""
    faces, size, _, channels = gradient.shape
    result = torch.empty((faces, size * 2, size * 2, channels), dtype=torch.float32)
    _unpool(gradient.contiguous().numpy(), result.numpy())
    return result


def neighbours(
    directions: Tensor, window: Tensor, reach: int, nearest: float
) -> tuple[Tensor, Tensor]:
    """(start [N + 1] int64, column [E] int32): the texels around each, sorted, each named once.

    `directions`: [N, 3] of a cube's texels; `window`: `cubemap.neighbour_table(size, reach)`;
    texels within `reach` rows and columns whose cosine is at least `nearest` belong.
    """
    count = len(directions)
    table = window.to(torch.int32).numpy()
    amount = np.zeros(count, dtype=np.int64)
    nothing = np.empty(0, dtype=np.int32)
    start = np.zeros(count + 1, dtype=np.int64)
    limit = np.float32(nearest)
    vectors = directions.contiguous().numpy()
    most = int(_neighbours(vectors, table, reach, limit, amount, start, nothing, False).max())
    if most > _WIDEST:
        raise ValueError(f"{most} texels within reach of one; at most {_WIDEST} are supported")
    start[1:] = np.cumsum(amount)
    column = np.empty(start[-1], dtype=np.int32)
    _neighbours(vectors, table, reach, limit, amount, start, column, True)
    return torch.from_numpy(start), torch.from_numpy(column)


def transpose(
    start: Tensor, column: Tensor, value: Tensor, width: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The transposed matrix, its columns sorted; `width`: columns of the original."""
    amount = torch.bincount(column, minlength=width)
    turned = torch.zeros(width + 1, dtype=torch.int64)
    torch.cumsum(amount, 0, out=turned[1:])
    rows, values = torch.empty_like(column), torch.empty_like(value)
    _transpose(
        start.numpy(),
        column.numpy(),
        value.numpy(),
        turned.clone().numpy(),
        rows.numpy(),
        values.numpy(),
    )
    return turned.to(start.dtype), rows, values


@njit(parallel=True, cache=True)
def _product(start: Any, column: Any, value: Any, texels: Any, result: Any) -> None:
    channels = texels.shape[1]
    for row in prange(result.shape[0]):
        for c in range(channels):
            result[row, c] = np.float32(0)
        for e in range(start[row], start[row + 1]):
            for c in range(channels):
                result[row, c] += value[e] * texels[column[e], c]


@njit(parallel=True, cache=True)
def _product3(start: Any, column: Any, value: Any, texels: Any, result: Any) -> None:
    for row in prange(result.shape[0]):
        r = np.float32(0)
        g = np.float32(0)
        b = np.float32(0)
        for e in range(start[row], start[row + 1]):
            w = value[e]
            k = column[e]
            r += w * texels[k, 0]
            g += w * texels[k, 1]
            b += w * texels[k, 2]
        result[row, 0] = r
        result[row, 1] = g
        result[row, 2] = b


@njit(parallel=True, cache=True)
def _pool(cube: Any, result: Any) -> None:
    faces, size, _, channels = result.shape
    quarter = np.float32(0.25)
    for line in prange(faces * size):
        f = line // size
        y = line % size
        for x in range(size):
            for c in range(channels):
                upper = cube[f, 2 * y, 2 * x, c] + cube[f, 2 * y, 2 * x + 1, c]
                lower = cube[f, 2 * y + 1, 2 * x, c] + cube[f, 2 * y + 1, 2 * x + 1, c]
                result[f, y, x, c] = (upper + lower) * quarter


@njit(parallel=True, cache=True)
def _unpool(gradient: Any, result: Any) -> None:
    faces, size, _, channels = result.shape
    quarter = np.float32(0.25)
    for line in prange(faces * size):
        f = line // size
        y = line % size
        for x in range(size):
            for c in range(channels):
                result[f, y, x, c] = gradient[f, y // 2, x // 2, c] * quarter


@njit(parallel=True, cache=True)
def _neighbours(
    directions: Any,
    table: Any,
    reach: int,
    nearest: float,
    amount: Any,
    start: Any,
    column: Any,
    write: bool,
) -> Any:
    """The largest number of entries in a row, for each line of texels."""
    size = table.shape[1] - 2 * reach
    lines = 6 * size
    most = np.zeros(lines, dtype=np.int64)
    for line in prange(lines):
        face = line // size
        y = line % size
        found = np.empty(_WIDEST, dtype=np.int32)
        for x in range(size):
            row = line * size + x
            # Beyond an edge two places may name the same texel: it counts once.
            edge = x < reach or y < reach or x >= size - reach or y >= size - reach
            here = 0
            for dy in range(2 * reach + 1):
                for dx in range(2 * reach + 1):
                    k = table[face, y + dy, x + dx]
                    cosine = (
                        directions[row, 0] * directions[k, 0]
                        + directions[row, 1] * directions[k, 1]
                        + directions[row, 2] * directions[k, 2]
                    )
                    if cosine < nearest:
                        continue
                    known = False
                    if edge:
                        for i in range(min(here, _WIDEST)):
                            if found[i] == k:
                                known = True
                    if not known:
                        if here < _WIDEST:
                            found[here] = k
                        here += 1
            amount[row] = here
            most[line] = max(most[line], here)
            if write:
                # Sorted by insertion: a call of NumPy's sort takes a second to compile.
                for i in range(here):
                    place = start[row] + i
                    while place > start[row] and column[place - 1] > found[i]:
                        column[place] = column[place - 1]
                        place -= 1
                    column[place] = found[i]
    return most


@njit(cache=True)
def _transpose(start: Any, column: Any, value: Any, position: Any, rows: Any, values: Any) -> None:
    for row in range(start.shape[0] - 1):
        for e in range(start[row], start[row + 1]):
            place = position[column[e]]
            position[column[e]] = place + 1
            rows[place] = row
            values[place] = value[e]
