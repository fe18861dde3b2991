"""Weighted sums of table rows: what every texture fetch comes down to."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from diffrec.ops.backends import choose_backend


def weighted_gather(
    table: Tensor, index: Tensor, weight: Tensor, backend: str | None = None
) -> Tensor:
    """sum_k weight[p, k] table[index[p, k]]: [N, C], [P, K] int64, [P, K] -> [P, C].

    Gradients flow to table and weight. Deterministic on the CPU.
    Raises ValueError for shapes that do not fit.
    """
    if index.shape != weight.shape or index.ndim != 2 or table.ndim != 2:
        raise ValueError(
            f"weighted_gather: index {list(index.shape)} and weight {list(weight.shape)} must "
            f"both be [P, K], table {list(table.shape)} must be [N, C]"
        )
    name = choose_backend(table, backend)
    if name == "reference":
        return reference(table, index, weight)
    result: Tensor = _WeightedGather.apply(  # type: ignore[no-untyped-call]
        table.contiguous(), index.contiguous(), weight.contiguous(), name
    )
    return result


def reference(table: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """The definition, in plain PyTorch."""
    rows = table.index_select(0, index.reshape(-1)).reshape(*index.shape, table.shape[1])
    return (rows * weight[..., None]).sum(1)


class _WeightedGather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, index: Tensor, weight: Tensor, name: str) -> Tensor:
        ctx.save_for_backward(table, index, weight)
        ctx.name = name
        result: Tensor = import_module(f"diffrec.ops.{name}_gather").forward(table, index, weight)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        table, index, weight = ctx.saved_tensors
        module = import_module(f"diffrec.ops.{ctx.name}_gather")
        gradient = gradient.contiguous()
        of_table = of_weight = None
        if ctx.needs_input_grad[0]:
            of_table = module.backward_table(table, index, weight, gradient)
        if ctx.needs_input_grad[2]:
            of_weight = module.backward_weight(table, index, gradient)
        return of_table, None, of_weight, None
