"""Weighted sums of table rows in plain PyTorch, any device and dtype."""

from __future__ import annotations

from torch import Tensor


def weighted_gather(table: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """The definition, in plain PyTorch."""
    rows = table.index_select(0, index.reshape(-1)).reshape(*index.shape, table.shape[1])
    return (rows * weight[..., None]).sum(1)
