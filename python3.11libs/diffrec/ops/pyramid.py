"""Several textures of one size and their mip levels in one array.

The same values and gradients as `diffrec.ops.texture` (its `build_mips` and `texture2d` with
wrapping are the reference), but the levels of all textures lie packed in one array
[texels of all levels, channels] and one kernel does a whole fetch: no index or weight is ever
stored, and the gradients of all fetches of an iteration are summed in one buffer, which is kept.
Numba on the CPU, Warp on CUDA.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from diffrec.ops.backends import choose_backend


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


class _Iteration:
    """What the nodes of one pyramid's graph share; apart from the pyramid, which holds the graph,
    so that no cycle keeps either alive."""

    def __init__(self, textures: Sequence[Tensor], buffer: GradientBuffer, backend: str) -> None:
        first = textures[0]
        self.height, self.width = int(first.shape[0]), int(first.shape[1])
        self.levels = level_table(self.height, self.width)
        # Where the channels of each texture begin in a row, and where those of the last one end.
        self.starts = [0, *itertools.accumulate(texture.shape[2] for texture in textures)]
        last = self.levels[-1]
        self.shape = (int(last[0] * last[1] + last[2]), self.starts[-1])
        self.kernels = _Numba if backend == "numba" else _Warp
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


class _Numba:
    """The kernels for a CPU."""

    @staticmethod
    def pack(one: _Iteration, textures: Sequence[Tensor], packed: Tensor) -> None:
        from diffrec.ops import numba_pyramid

        texels = tuple(
            texture.reshape(-1, texture.shape[2]).contiguous().numpy() for texture in textures
        )
        numba_pyramid.copy_in(texels, packed.numpy())
        numba_pyramid.average(packed.numpy(), one.levels)

    @staticmethod
    def unpack(one: _Iteration, total: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
        from diffrec.ops import numba_pyramid

        numba_pyramid.spread(total.numpy(), one.levels)
        results = [total.new_empty(shape) for shape in shapes]
        texels = tuple(result.view(-1, result.shape[2]).numpy() for result in results)
        numba_pyramid.copy_out(total.numpy(), texels)
        return results

    @staticmethod
    def fetch(
        one: _Iteration, packed: Tensor, uv: Tensor, level: Tensor, wanted: Sequence[int]
    ) -> list[Tensor]:
        from diffrec.ops import numba_pyramid

        begin, end = one.span(wanted)
        values = packed.new_empty((uv.shape[0], end - begin))
        arrays = (packed.numpy(), one.levels, uv.numpy(), level.numpy(), values.numpy())
        numba_pyramid.fetch(*arrays, begin)
        return [
            values[:, one.starts[index] - begin : one.starts[index + 1] - begin] for index in wanted
        ]

    @staticmethod
    def fetch_backward(
        one: _Iteration,
        packed: Tensor,
        uv: Tensor,
        level: Tensor,
        gradients: Mapping[int, Tensor],
        to_texels: bool,
        to_uv: bool,
    ) -> Tensor | None:
        from diffrec.ops import numba_pyramid

        begin, _ = one.span(gradients)
        parts = []
        for index in range(min(gradients), max(gradients) + 1):
            nothing = (uv.shape[0], one.starts[index + 1] - one.starts[index])
            parts.append(gradients[index] if index in gradients else uv.new_zeros(nothing))
        gradient = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        arrays = (one.levels, uv.numpy(), level.numpy(), gradient.numpy())
        if to_texels:
            numba_pyramid.fetch_backward(one.summed_gradient().numpy(), *arrays, begin)
        if not to_uv:
            return None
        slope = torch.empty_like(uv)
        numba_pyramid.fetch_backward_uv(packed.numpy(), *arrays, begin, slope.numpy())
        return slope


class _Warp:
    """The kernels for CUDA; textures have three channels each."""

    @staticmethod
    def pack(one: _Iteration, textures: Sequence[Tensor], packed: Tensor) -> None:
        from diffrec.ops import warp_mips

        warp_mips.pack(textures, packed)

    @staticmethod
    def unpack(one: _Iteration, total: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
        from diffrec.ops import warp_mips

        return warp_mips.unpack(total, one.height, one.width, len(shapes))

    @staticmethod
    def fetch(
        one: _Iteration, packed: Tensor, uv: Tensor, level: Tensor, wanted: Sequence[int]
    ) -> list[Tensor]:
        from diffrec.ops import warp_pyramid

        return warp_pyramid.fetch(packed, one.height, one.width, uv, level, wanted)

    @staticmethod
    def fetch_backward(
        one: _Iteration,
        packed: Tensor,
        uv: Tensor,
        level: Tensor,
        gradients: Mapping[int, Tensor],
        to_texels: bool,
        to_uv: bool,
    ) -> Tensor | None:
        from diffrec.ops import warp_pyramid

        where = (one.height, one.width, uv, level, gradients)
        if to_texels:
            warp_pyramid.fetch_backward(one.summed_gradient(), *where)
        return warp_pyramid.fetch_backward_uv(packed, *where) if to_uv else None


class Pyramid:
    """Mip levels of textures [H, W, C_i] in float32, ready to be fetched from.

    Build one per iteration. `spent` turns true when gradients have gone through it: its graph is
    freed then and another is to be built.
    """

    def __init__(
        self,
        textures: Sequence[Tensor],
        buffer: GradientBuffer | None = None,
        *,
        backend: str | None = None,
    ) -> None:
        """Raises ValueError unless all are float32, of one height and width, and on CUDA [H, W, 3];
        the backends are numba and warp.
        """
        if len({texture.shape[:2] for texture in textures}) != 1:
            raise ValueError("the textures of a pyramid must have one height and width")
        if any(texture.dtype != torch.float32 for texture in textures):
            raise ValueError("a pyramid takes float32 textures")
        chosen = choose_backend(textures[0], backend, available=("numba", "warp"))
        if chosen == "warp" and any(texture.shape[2] != 3 for texture in textures):
            raise ValueError("a pyramid on a GPU takes textures of three channels")
        if chosen == "warp" and len(textures) > 3:
            raise ValueError("a pyramid on a GPU takes three textures at most")
        self._iteration = _Iteration(textures, buffer or GradientBuffer(), chosen)
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
    def forward(ctx: Any, iteration: _Iteration, *textures: Tensor) -> Tensor:
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
        iteration: _Iteration = ctx.iteration
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
        iteration: _Iteration,
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
