"""Fixed sparse linear maps of texel lists, with their transposes as gradients."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from diffrec.ops.neighbours import transpose


@dataclass(frozen=True)
class Rows:
    """A matrix [N, M] compressed by rows: start [N + 1], column and value [E]."""

    start: Tensor
    column: Tensor
    value: Tensor
    width: int

    def transposed(self) -> Rows:
        """The same entries as a matrix [M, N]."""
        turned = transpose(self.start, self.column, self.value, self.width)
        return Rows(*turned, width=len(self.start) - 1)

    def as_torch(self, device: torch.device) -> Tensor:
        """As PyTorch's own sparse matrix."""
        rows = torch.arange(len(self.start) - 1, device=self.start.device)
        row = torch.repeat_interleave(rows, self.start.diff())
        place = torch.stack([row, self.column.long()]).to(device)
        shape = (len(self.start) - 1, self.width)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the layout calls itself a beta
            entries = torch.sparse_coo_tensor(place, self.value.to(device), shape)
            return entries.coalesce().to_sparse_csr()


class SparseMap:
    """texels [M, C] float32 -> [N, C]: a fixed matrix; differentiable, deterministic on the CPU.

    Numba on the CPU, PyTorch's sparse product elsewhere.
    """

    def __init__(self, rows: Rows, device: torch.device) -> None:
        back = rows.transposed()
        on_cpu = device.type == "cpu"
        self._matrix: Rows | Tensor = rows if on_cpu else rows.as_torch(device)
        self._transposed: Rows | Tensor = back if on_cpu else back.as_torch(device)

    def __call__(self, texels: Tensor) -> Tensor:
        result: Tensor = _Apply.apply(  # type: ignore[no-untyped-call]
            texels, self._matrix, self._transposed
        )
        return result


class _Apply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, texels: Tensor, matrix: Rows | Tensor, back: Rows | Tensor) -> Tensor:
        ctx.back = back
        return _product(matrix, texels)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _product(ctx.back, gradient), None, None


def _product(matrix: Rows | Tensor, texels: Tensor) -> Tensor:
    if isinstance(matrix, Tensor):
        return matrix @ texels.contiguous()
    from diffrec.ops import numba_cubefilter as kernels

    return kernels.product(matrix.start, matrix.column, matrix.value, texels)


def average_pool(cube: Tensor) -> Tensor:
    """[6, R, R, C] to [6, R / 2, R / 2, C], means over 2 x 2; differentiable."""
    if cube.is_cuda or cube.dtype != torch.float32:
        faces, size, _, channels = cube.shape
        return cube.reshape(faces, size // 2, 2, size // 2, 2, channels).mean(dim=(2, 4))
    result: Tensor = _Pool.apply(cube)  # type: ignore[no-untyped-call]
    return result


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, cube: Tensor) -> Tensor:
        from diffrec.ops import numba_cubefilter as kernels

        return kernels.pool(cube)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        from diffrec.ops import numba_cubefilter as kernels

        return kernels.pool_backward(gradient)
