"""Sparse matrices in plain PyTorch, any device."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor


def transpose(
    start: Tensor, column: Tensor, value: Tensor, width: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The transposed matrix, its columns sorted; `width`: columns of the original."""
    row = torch.repeat_interleave(
        torch.arange(len(start) - 1, device=start.device, dtype=torch.int32), start.diff()
    )
    order = torch.sort(column, stable=True).indices
    turned = torch.zeros(width + 1, dtype=torch.int64, device=start.device)
    torch.cumsum(torch.bincount(column, minlength=width), 0, out=turned[1:])
    return turned, row[order], value[order]


def matrix(
    start: Tensor, column: Tensor, value: Tensor, width: int, device: torch.device
) -> Tensor:
    """PyTorch's own sparse matrix, whose product `@` gives."""
    rows = torch.arange(len(start) - 1, device=start.device)
    row = torch.repeat_interleave(rows, start.diff())
    place = torch.stack([row, column.long()]).to(device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the layout calls itself a beta
        entries = torch.sparse_coo_tensor(place, value.to(device), (len(start) - 1, width))
        return entries.coalesce().to_sparse_csr()
