"""Weighted sums of table rows: what every texture fetch comes down to."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from diffrec.ops.backends import Operation
from diffrec.ops.gather import reference

_operation = Operation(__name__)


def weighted_gather(table: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """sum_k weight[p, k] table[index[p, k]]: [N, C], [P, K] int64, [P, K] -> [P, C].

    Gradients flow to table and weight. Deterministic on the CPU.
    Raises ValueError for shapes that do not fit.
    """
    if index.shape != weight.shape or index.ndim != 2 or table.ndim != 2:
        raise ValueError(
            f"weighted_gather: index {list(index.shape)} and weight {list(weight.shape)} must "
            f"both be [P, K], table {list(table.shape)} must be [N, C]"
        )
    kernels = _operation.kernels(table)
    if kernels is None:
        return reference.weighted_gather(table, index, weight)
    result: Tensor = _WeightedGather.apply(  # type: ignore[no-untyped-call]
        table.contiguous(), index.contiguous(), weight.contiguous(), kernels
    )
    return result


class _WeightedGather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, index: Tensor, weight: Tensor, kernels: Any) -> Tensor:
        ctx.save_for_backward(table, index, weight)
        ctx.kernels = kernels
        result: Tensor = kernels.forward(table, index, weight)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        table, index, weight = ctx.saved_tensors
        gradient = gradient.contiguous()
        of_table = of_weight = None
        if ctx.needs_input_grad[0]:
            of_table = ctx.kernels.backward_table(table, index, weight, gradient)
        if ctx.needs_input_grad[2]:
            of_weight = ctx.kernels.backward_weight(table, index, gradient)
        return of_table, None, of_weight, None
