"""Averages of cube maps, the levels of their pyramid."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from diffrec.ops.average_pool import reference
from diffrec.ops.backends import Operation

_operation = Operation(__name__)


def average_pool(cube: Tensor) -> Tensor:
    """[6, R, R, C] to [6, R / 2, R / 2, C], means over 2 x 2; differentiable."""
    kernels = _operation.kernels(cube)
    if kernels is None:
        return reference.average_pool(cube)
    result: Tensor = _Pool.apply(cube, kernels)  # type: ignore[no-untyped-call]
    return result


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, cube: Tensor, kernels: Any) -> Tensor:
        ctx.kernels = kernels
        result: Tensor = kernels.pool(cube)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.kernels.pool_backward(gradient), None
