"""Which texels of a cube map lie near each other, and the transposes of sparse matrices.

Numba on the CPU; on CUDA plain PyTorch, which then needs no compiler of Numba's at all.
"""

from __future__ import annotations

import torch
from torch import Tensor

_AT_ONCE = 1 << 14  # rows whose windows are looked at together


def within(directions: Tensor, window: Tensor, reach: int, nearest: float) -> tuple[Tensor, Tensor]:
    """(start [N + 1] int64, column [E] int32): the texels around each, sorted, each named once.

    `directions`: [N, 3] of a cube's texels; `window`: `cubemap.neighbour_table(size, reach)`;
    texels within `reach` rows and columns whose cosine is at least `nearest` belong.
    """
    if directions.device.type == "cpu":
        from diffrec.ops import numba_cubefilter

        return numba_cubefilter.neighbours(directions, window, reach, nearest)
    return within_reference(directions, window, reach, nearest)


def within_reference(
    directions: Tensor, window: Tensor, reach: int, nearest: float
) -> tuple[Tensor, Tensor]:
    """The same in plain PyTorch, any device."""
    edge = 2 * reach + 1
    # [N, edge^2]: the window around every texel.
    around = window.unfold(1, edge, 1).unfold(2, edge, 1).reshape(-1, edge * edge)
    amounts, columns = [], []
    for begin in range(0, len(directions), _AT_ONCE):
        rows = slice(begin, begin + _AT_ONCE)
        found = around[rows].sort(1).values
        cosine = (directions[rows, None] * directions[found]).sum(2)
        kept = cosine >= nearest
        # Beyond an edge two places may name the same texel: it counts once.
        kept[:, 1:] &= found[:, 1:] != found[:, :-1]
        amounts.append(kept.sum(1))
        columns.append(found[kept].to(torch.int32))
    amount = torch.cat(amounts)
    start = torch.zeros(len(amount) + 1, dtype=torch.int64, device=directions.device)
    torch.cumsum(amount, 0, out=start[1:])
    return start, torch.cat(columns)


def transpose(
    start: Tensor, column: Tensor, value: Tensor, width: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The transposed matrix, its columns sorted; `width`: columns of the original."""
    if start.device.type == "cpu":
        from diffrec.ops import numba_cubefilter

        return numba_cubefilter.transpose(start, column, value, width)
    return transpose_reference(start, column, value, width)


def transpose_reference(
    start: Tensor, column: Tensor, value: Tensor, width: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The same in plain PyTorch, any device."""
    row = torch.repeat_interleave(
        torch.arange(len(start) - 1, device=start.device, dtype=torch.int32), start.diff()
    )
    order = torch.sort(column, stable=True).indices
    turned = torch.zeros(width + 1, dtype=torch.int64, device=start.device)
    torch.cumsum(torch.bincount(column, minlength=width), 0, out=turned[1:])
    return turned, row[order], value[order]
