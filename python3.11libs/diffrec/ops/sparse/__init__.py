"""Fixed sparse linear maps of texel lists, with their transposes as gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from diffrec.ops.backends import Operation
from diffrec.ops.sparse import reference

_operation = Operation(__name__)


@dataclass(frozen=True)
class Rows:
    """A matrix [N, M] compressed by rows: start [N + 1], column and value [E]."""

    start: Tensor
    column: Tensor
    value: Tensor
    width: int

    def transposed(self) -> Rows:
        """The same entries as a matrix [M, N]."""
        kernels = _operation.kernels(self.start) or reference
        start, column, value = kernels.transpose(self.start, self.column, self.value, self.width)
        return Rows(start, column, value, width=len(self.start) - 1)


class SparseMap:
    """texels [M, C] float32 -> [N, C]: a fixed matrix; differentiable, deterministic on the CPU."""

    def __init__(self, rows: Rows, device: torch.device) -> None:
        kernels = self._kernels = _operation.kernels(torch.empty(0, device=device))
        back = rows.transposed()
        # PyTorch multiplies by a matrix of its own making.
        self._matrix: Rows | Tensor = rows if kernels else _as_torch(rows, device)
        self._transposed: Rows | Tensor = back if kernels else _as_torch(back, device)

    def __call__(self, texels: Tensor) -> Tensor:
        result: Tensor = _Apply.apply(  # type: ignore[no-untyped-call]
            texels, self._matrix, self._transposed, self._kernels
        )
        return result


class _Apply(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, texels: Tensor, matrix: Rows | Tensor, back: Rows | Tensor, kernels: Any
    ) -> Tensor:
        ctx.back, ctx.kernels = back, kernels
        return _product(matrix, texels, kernels)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return _product(ctx.back, gradient, ctx.kernels), None, None, None


def _product(matrix: Rows | Tensor, texels: Tensor, kernels: Any) -> Tensor:
    if isinstance(matrix, Tensor):
        return matrix @ texels.contiguous()
    product: Tensor = kernels.product(matrix.start, matrix.column, matrix.value, texels)
    return product


def _as_torch(rows: Rows, device: torch.device) -> Tensor:
    return reference.matrix(rows.start, rows.column, rows.value, rows.width, device)
