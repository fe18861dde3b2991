"""Textures: mip levels, trilinear fetches, and several textures of one size in one array.

`build_mips` and `texture2d` are the reference. A `Pyramid` has the same values and gradients, with
wrapping, but the levels of all its textures lie packed in one array [texels of all levels,
channels] and one kernel does a whole fetch: no index or weight is ever stored, and the gradients
of all fetches of an iteration are summed in one buffer, which is kept.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from diffrec.ops.backends import Operation
from diffrec.ops.texture.reference import build_mips as build_mips
from diffrec.ops.texture.reference import texture2d as texture2d

_operation = Operation(__name__)


def can_pack(texture: Tensor) -> bool:
    """Whether textures like this may make a `Pyramid`."""
    return _operation.kernels(texture) is not None


def clamp_together(textures: Sequence[Tensor], low: Tensor, high: Tensor, shortest: float) -> bool:
    """Clamp kd, ks and normal [H, W, 3] of one size in place, and make the normals unit length.

    `low`, `high`: [9], of the three one after another; `shortest`: added to z, so that no normal
    is without length. False where no kernel does this: then nothing has been done.
    """
    clamp = getattr(_operation.kernels(textures[0]), "clamp", None)
    if clamp is not None:
        clamp([texture.view(-1, 3) for texture in textures], low, high, shortest)
    return clamp is not None


class GradientBuffer:
    """Memory for a pyramid's gradient, kept over the iterations: a new array of that size each
    time costs more than what is done with it."""

    def __init__(self) -> None:
        self._memory: Tensor | None = None

    def zeroed(self, shape: tuple[int, int], device: torch.device) -> Tensor:
        """[rows, channels] of zeros, float32."""
        memory = self._memory
        if memory is None or memory.shape != shape or memory.device != device:
            self._memory = torch.zeros(shape, device=device)
            return self._memory
        return memory.zero_()


class Iteration:
    """What the nodes of one pyramid's graph share; apart from the pyramid, which holds the graph,
    so that no cycle keeps either alive."""

    def __init__(self, textures: Sequence[Tensor], buffer: GradientBuffer, kernels: Any) -> None:
        first = textures[0]
        self.height, self.width = int(first.shape[0]), int(first.shape[1])
        self.levels = level_table(self.height, self.width)
        # Where the channels of each texture begin in a row, and where those of the last one end.
        self.starts = [0, *itertools.accumulate(texture.shape[2] for texture in textures)]
        last = self.levels[-1]
        self.shape = (int(last[0] * last[1] + last[2]), self.starts[-1])
        self.kernels = kernels
        self.spent = False
        self._buffer, self._device = buffer, first.device
        self._gradient: Tensor | None = None

    def span(self, textures: Iterable[int]) -> tuple[int, int]:
        """The channels from the first of these textures to the last."""
        known = list(textures)
        return self.starts[min(known)], self.starts[max(known) + 1]

    def summed_gradient(self) -> Tensor:
        """Where the fetches of this iteration add their gradients."""
        if self._gradient is None:
            self._gradient = self._buffer.zeroed(self.shape, self._device)
        return self._gradient

    def take_gradient(self) -> Tensor:
        """The sum; nothing is to be added to it any more."""
        total, self._gradient, self.spent = self.summed_gradient(), None, True
        return total


class Pyramid:
    """Mip levels of textures [H, W, C_i] in float32, ready to be fetched from.

    Build one per iteration. `spent` turns true when gradients have gone through it: its graph is
    freed then and another is to be built.
    """

    def __init__(
        self,
        textures: Sequence[Tensor],
        buffer: GradientBuffer | None = None,
    ) -> None:
        """Raises ValueError unless all are float32, of one height and width, and on CUDA [H, W, 3];
        there must be kernels for them, see `can_pack`.
        """
        if len({texture.shape[:2] for texture in textures}) != 1:
            raise ValueError("the textures of a pyramid must have one height and width")
        if any(texture.dtype != torch.float32 for texture in textures):
            raise ValueError("a pyramid takes float32 textures")
        kernels = _operation.kernels(textures[0])
        if kernels is None:
            raise ValueError("the reference has no packed textures, use `texture2d`")
        kernels.check(textures)
        self._iteration = Iteration(textures, buffer or GradientBuffer(), kernels)
        self._packed: Tensor = _Pack.apply(  # type: ignore[no-untyped-call]
            self._iteration, *textures
        )

    @property
    def spent(self) -> bool:
        """Whether gradients have gone through."""
        return self._iteration.spent

    def fetch(
        self, uv: Tensor, lod: Tensor | None, wanted: Sequence[int] | None = None
    ) -> tuple[Tensor, ...]:
        """The textures' values [P, C_i] at uv [P, 2], v down, wrapping; gradients to texels and uv.

        `lod`: [P], level to read, clamped to those that exist; None reads the finest. It gets no
        gradient. `wanted`: of which textures, by their places; None for all.
        """
        chosen = tuple(range(len(self._iteration.starts) - 1)) if wanted is None else tuple(wanted)
        result: tuple[Tensor, ...] = _Fetch.apply(  # type: ignore[no-untyped-call]
            self._iteration, self._packed, uv, lod, chosen
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
    def forward(ctx: Any, iteration: Iteration, *textures: Tensor) -> Tensor:
        ctx.set_materialize_grads(False)
        ctx.iteration = iteration
        ctx.shapes = [texture.shape for texture in textures]
        packed = textures[0].new_empty(iteration.shape)
        iteration.kernels.pack(iteration, [texture.detach() for texture in textures], packed)
        return packed

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, gradient: Tensor | None) -> tuple[Tensor | None, ...]:
        # The fetches have summed their part in the buffer and handed on nothing;
        # `gradient` is what anybody else did with the packed array.
        iteration: Iteration = ctx.iteration
        total = iteration.take_gradient()
        if gradient is not None:
            total += gradient
        results = iteration.kernels.unpack(iteration, total, ctx.shapes)
        wanted = ctx.needs_input_grad[1:]
        return None, *(r if needed else None for r, needed in zip(results, wanted, strict=True))


class _Fetch(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        iteration: Iteration,
        packed: Tensor,
        uv: Tensor,
        lod: Tensor | None,
        wanted: tuple[int, ...],
    ) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        uv = uv.detach().contiguous()
        level = uv.new_zeros(uv.shape[0]) if lod is None else lod.detach().to(uv).contiguous()
        ctx.iteration, ctx.wanted = iteration, wanted
        ctx.save_for_backward(packed, uv, level)
        return tuple(iteration.kernels.fetch(iteration, packed.detach(), uv, level, wanted))

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        packed, uv, level = ctx.saved_tensors
        given = {
            index: gradient.contiguous()
            for index, gradient in zip(ctx.wanted, gradients, strict=True)
            if gradient is not None
        }
        _, to_texels, to_uv, _, _ = ctx.needs_input_grad
        slope = None
        if given:
            slope = ctx.iteration.kernels.fetch_backward(
                ctx.iteration, packed.detach(), uv, level, given, to_texels, to_uv
            )
        return None, None, slope, None, None
