"""Smoothness of a mesh of constant topology."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from diffrec.ops.backends import Operation

__all__ = ["UniformLaplacian"]

_operation = Operation(__name__)


class UniformLaplacian(nn.Module):
    """Mean squared uniform Laplacian of a vertex attribute; the neighbours are found once.

    The Laplacian of a vertex is the mean of its edge neighbours minus itself (the umbrella
    operator, Taubin 1995). Applied to positions it is nvdiffrec's `absolute` regulariser, applied
    to the displacement from a start shape its `relative` one.

    triangles: [F, 3]; count: number of vertices V. A vertex without neighbours contributes 0.
    """

    _first: Tensor
    _second: Tensor
    _inverse_degree: Tensor
    _offsets: Tensor
    _neighbors: Tensor

    def __init__(self, triangles: Tensor, count: int) -> None:
        super().__init__()
        sides = torch.cat([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
        low, high = sides.amin(1), sides.amax(1)
        keys = torch.unique(low[low != high] * count + high[low != high])
        first, second = torch.div(keys, count, rounding_mode="floor"), keys % count
        degree = torch.bincount(torch.cat([first, second]), minlength=count)
        inverse = 1.0 / degree.clamp_min(1)
        self.register_buffer("_first", first, persistent=False)
        self.register_buffer("_second", second, persistent=False)
        self.register_buffer("_inverse_degree", inverse[:, None], persistent=False)
        # The neighbours of vertex i stand from offset i to offset i + 1.
        owner, neighbor = torch.cat([first, second]), torch.cat([second, first])
        offsets = torch.cat([degree.new_zeros(1), degree.cumsum(0)])
        order = torch.argsort(owner, stable=True)
        self.register_buffer("_offsets", offsets.int(), persistent=False)
        self.register_buffer("_neighbors", neighbor[order].int(), persistent=False)

    def laplacian(self, values: Tensor) -> Tensor:
        """Mean of the neighbours minus the vertex itself: values [V, C] -> [V, C]."""
        # Differences along edges, so that a constant attribute gives exactly zero and a lone
        # vertex needs no special case.
        step = values.index_select(0, self._second) - values.index_select(0, self._first)
        summed = torch.zeros_like(values).index_add(0, self._first, step)
        summed = summed.index_add(0, self._second, -step)
        return summed * self._inverse_degree.to(values.dtype)

    def __call__(self, values: Tensor, start: Tensor | None = None) -> Tensor:
        """Same as `forward`, with a type."""
        result: Tensor = super().__call__(values, start)
        return result

    def forward(self, values: Tensor, start: Tensor | None = None) -> Tensor:
        """Mean over vertices of the squared length of the Laplacian of values [V, C], scalar.

        With `start` [V, C] of the displacement from it; no gradient flows to it.
        """
        kernels = _operation.kernels(values)
        if kernels is not None:
            fused: Tensor = _SquaredLaplacian.apply(  # type: ignore[no-untyped-call]
                values, start, self._offsets, self._neighbors, kernels
            )
            return fused
        if start is not None:
            values = values - start.detach()
        return self.laplacian(values).square().sum(1).mean()


class _SquaredLaplacian(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        start: Tensor | None,
        offsets: Tensor,
        neighbors: Tensor,
        kernels: Any,
    ) -> Tensor:
        value, scaled = kernels.squared(values, start, offsets, neighbors)
        ctx.kernels = kernels
        ctx.save_for_backward(scaled, offsets, neighbors)
        result: Tensor = value
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        scaled, offsets, neighbors = ctx.saved_tensors
        gradient = ctx.kernels.squared_backward(scaled, offsets, neighbors, grad)
        return gradient, None, None, None, None
