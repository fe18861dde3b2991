"""Neighbourhoods of texels on the CPU, all cores."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

_WIDEST = 128  # most entries of a row


def within(directions: Tensor, window: Tensor, reach: int, nearest: float) -> tuple[Tensor, Tensor]:
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
