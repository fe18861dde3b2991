"""Several textures of one size and their mip levels in one array, for a CPU.

The same values and gradients as `diffrec.ops.texture` (its `build_mips` and `texture2d` with
wrapping are the reference), but the levels of all textures lie packed in one array
[texels of all levels, channels] and one kernel does a whole fetch: no index or weight is ever
stored, and the gradients of all fetches of an iteration are summed in one buffer, which is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from diffrec.ops import numba_pyramid


class GradientBuffer:
    """Memory for a pyramid's gradient, kept over the iterations: a new array of that size each
    time costs more than what is done with it."""

    def __init__(self) -> None:
        self._memory: Tensor | None = None

    def zeroed(self, shape: tuple[int, int]) -> Tensor:
        """[rows, channels] of zeros, float32."""
        if self._memory is None or self._memory.shape != shape:
            self._memory = torch.zeros(shape)
            return self._memory
        return self._memory.zero_()


class _Iteration:
    """What the nodes of one pyramid's graph share; apart from the pyramid, which holds the graph,
    so that no cycle keeps either alive."""

    def __init__(
        self, levels: np.ndarray[Any, np.dtype[np.int64]], channels: int, buffer: GradientBuffer
    ) -> None:
        self.levels = levels
        self.shape = (int(levels[-1, 0] * levels[-1, 1] + levels[-1, 2]), channels)
        self.spent = False
        self._buffer = buffer
        self._gradient: Tensor | None = None

    def summed_gradient(self) -> Tensor:
        """Where the fetches of this iteration add their gradients."""
        if self._gradient is None:
            self._gradient = self._buffer.zeroed(self.shape)
        return self._gradient

    def take_gradient(self) -> Tensor:
        """The sum; nothing is to be added to it any more."""
        total, self._gradient, self.spent = self.summed_gradient(), None, True
        return total


class Pyramid:
    """Mip levels of textures [H, W, C_i] in float32 on the CPU, ready to be fetched from.

    Build one per iteration. `spent` turns true when gradients have gone through it: its graph is
    freed then and another is to be built.
    """

    def __init__(self, textures: Sequence[Tensor], buffer: GradientBuffer | None = None) -> None:
        """Raises ValueError unless all are float32, on the CPU, of one height and width."""
        if len({texture.shape[:2] for texture in textures}) != 1:
            raise ValueError("the textures of a pyramid must have one height and width")
        if any(texture.is_cuda or texture.dtype != torch.float32 for texture in textures):
            raise ValueError("a pyramid takes float32 textures on the CPU")
        self._iteration = _Iteration(
            level_table(textures[0].shape[0], textures[0].shape[1]),
            sum(texture.shape[2] for texture in textures),
            buffer or GradientBuffer(),
        )
        self._packed: Tensor = _Pack.apply(  # type: ignore[no-untyped-call]
            self._iteration, *textures
        )

    @property
    def spent(self) -> bool:
        """Whether gradients have gone through."""
        return self._iteration.spent

    def fetch(self, uv: Tensor, lod: Tensor | None) -> Tensor:
        """All channels [P, sum of C_i] at uv [P, 2], v down, wrapping; gradients to texels and uv.

        `lod`: [P], level to read, clamped to those that exist; None reads the finest. It gets no
        gradient.
        """
        result: Tensor = _Fetch.apply(  # type: ignore[no-untyped-call]
            self._iteration, self._packed, uv, lod
        )
        return result


def level_table(height: int, width: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """[levels, 3] int64: height, width, first row in the packed array; down to one texel."""
    rows = [(height, width, 0)]
    while max(rows[-1][:2]) > 1:
        h, w, start = rows[-1]
        rows.append((max(h // 2, 1), max(w // 2, 1), start + h * w))
    return np.array(rows, dtype=np.int64)


class _Pack(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, iteration: _Iteration, *textures: Tensor) -> Tensor:
        ctx.set_materialize_grads(False)
        ctx.iteration = iteration
        ctx.shapes = [texture.shape for texture in textures]
        packed = textures[0].new_empty(iteration.shape)
        texels = tuple(
            texture.detach().reshape(-1, texture.shape[2]).contiguous().numpy()
            for texture in textures
        )
        numba_pyramid.copy_in(texels, packed.numpy())
        numba_pyramid.average(packed.numpy(), iteration.levels)
        return packed

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, gradient: Tensor | None) -> tuple[Tensor | None, ...]:
        # The fetches have summed their part in the buffer and handed on nothing;
        # `gradient` is what anybody else did with the packed array.
        iteration: _Iteration = ctx.iteration
        total = iteration.take_gradient()
        if gradient is not None:
            total += gradient
        numba_pyramid.spread(total.numpy(), iteration.levels)
        results = [total.new_empty(shape) for shape in ctx.shapes]
        texels = tuple(result.view(-1, result.shape[2]).numpy() for result in results)
        numba_pyramid.copy_out(total.numpy(), texels)
        wanted = ctx.needs_input_grad[1:]
        return None, *(r if needed else None for r, needed in zip(results, wanted, strict=True))


class _Fetch(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, iteration: _Iteration, packed: Tensor, uv: Tensor, lod: Tensor | None
    ) -> Tensor:
        uv = uv.detach().contiguous()
        level = uv.new_zeros(uv.shape[0]) if lod is None else lod.detach().to(uv).contiguous()
        ctx.iteration = iteration
        ctx.save_for_backward(packed, uv, level)
        result = packed.new_empty((uv.shape[0], packed.shape[1]))
        numba_pyramid.fetch(
            packed.detach().numpy(), iteration.levels, uv.numpy(), level.numpy(), result.numpy()
        )
        return result

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, Tensor | None, None]:
        iteration: _Iteration = ctx.iteration
        packed, uv, level = ctx.saved_tensors
        arrays = (iteration.levels, uv.numpy(), level.numpy(), gradient.contiguous().numpy())
        if ctx.needs_input_grad[1]:
            numba_pyramid.fetch_backward(iteration.summed_gradient().numpy(), *arrays)
        to_uv = None
        if ctx.needs_input_grad[2]:
            to_uv = torch.empty_like(uv)
            numba_pyramid.fetch_backward_uv(packed.detach().numpy(), *arrays, to_uv.numpy())
        return None, None, to_uv, None
