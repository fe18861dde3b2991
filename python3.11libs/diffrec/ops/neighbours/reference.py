"""Neighbourhoods of texels in plain PyTorch, any device."""

from __future__ import annotations

import torch
from torch import Tensor

_AT_ONCE = 1 << 14  # rows whose windows are looked at together


def within(directions: Tensor, window: Tensor, reach: int, nearest: float) -> tuple[Tensor, Tensor]:
    """The texels around each: start [N + 1] and column [E]."""
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
