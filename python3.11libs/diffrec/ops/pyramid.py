"""Several textures of one size and their mip levels in one array.

The same values and gradients as `diffrec.ops.texture` (its `build_mips` and `texture2d` with
wrapping are the reference), but the levels of all textures lie packed in one array
[texels of all levels, channels] and one kernel does a whole fetch: no index or weight is ever
stored, and the gradients of all fetches of an iteration are summed in one buffer, which is kept.
Numba on the CPU, Warp on CUDA.
"""

from __future__ import annotations

from collections.abc import Sequence
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

    def __init__(self, first: Tensor, channels: int, buffer: GradientBuffer, backend: str) -> None:
        self.height, self.width = int(first.shape[0]), int(first.shape[1])
        self.levels = level_table(self.height, self.width)
        last = self.levels[-1]
        self.shape = (int(last[0] * last[1] + last[2]), channels)
        self.kernels = _Numba if backend == "numba" else _Warp
        self.spent = False
        self._buffer, self._device = buffer, first.device
        self._gradient: Tensor | None = None

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
    def fetch(one: _Iteration, packed: Tensor, uv: Tensor, level: Tensor) -> Tensor:
        from diffrec.ops import numba_pyramid

        result = packed.new_empty((uv.shape[0], packed.shape[1]))
        arrays = (packed.numpy(), one.levels, uv.numpy(), level.numpy(), result.numpy())
        numba_pyramid.fetch(*arrays)
        return result

    @staticmethod
    def fetch_backward(one: _Iteration, uv: Tensor, level: Tensor, gradient: Tensor) -> None:
        from diffrec.ops import numba_pyramid

        target = one.summed_gradient().numpy()
        arrays = (one.levels, uv.numpy(), level.numpy(), gradient.numpy())
        numba_pyramid.fetch_backward(target, *arrays)

    @staticmethod
    def slope(
        one: _Iteration, packed: Tensor, uv: Tensor, level: Tensor, gradient: Tensor
    ) -> Tensor:
        from diffrec.ops import numba_pyramid

        to_uv = torch.empty_like(uv)
        arrays = (one.levels, uv.numpy(), level.numpy(), gradient.numpy(), to_uv.numpy())
        numba_pyramid.fetch_backward_uv(packed.numpy(), *arrays)
        return to_uv


class _Warp:
    """The kernels for CUDA; textures have three channels each."""

    @staticmethod
    def pack(one: _Iteration, textures: Sequence[Tensor], packed: Tensor) -> None:
        from diffrec.ops import warp_pyramid

        warp_pyramid.pack(textures, packed)

    @staticmethod
    def unpack(one: _Iteration, total: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
        from diffrec.ops import warp_pyramid

        return warp_pyramid.unpack(total, one.height, one.width, len(shapes))

    @staticmethod
    def fetch(one: _Iteration, packed: Tensor, uv: Tensor, level: Tensor) -> Tensor:
        from diffrec.ops import warp_pyramid

        return warp_pyramid.fetch(packed, one.height, one.width, uv, level)

    @staticmethod
    def fetch_backward(one: _Iteration, uv: Tensor, level: Tensor, gradient: Tensor) -> None:
        from diffrec.ops import warp_pyramid

        target = one.summed_gradient()
        warp_pyramid.fetch_backward(target, one.height, one.width, uv, level, gradient)

    @staticmethod
    def slope(
        one: _Iteration, packed: Tensor, uv: Tensor, level: Tensor, gradient: Tensor
    ) -> Tensor:
        from diffrec.ops import warp_pyramid

        return warp_pyramid.fetch_backward_uv(packed, one.height, one.width, uv, level, gradient)


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
        channels = sum(texture.shape[2] for texture in textures)
        self._iteration = _Iteration(textures[0], channels, buffer or GradientBuffer(), chosen)
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
        ctx: Any, iteration: _Iteration, packed: Tensor, uv: Tensor, lod: Tensor | None
    ) -> Tensor:
        uv = uv.detach().contiguous()
        level = uv.new_zeros(uv.shape[0]) if lod is None else lod.detach().to(uv).contiguous()
        ctx.iteration = iteration
        ctx.save_for_backward(packed, uv, level)
        return iteration.kernels.fetch(iteration, packed.detach(), uv, level)

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, Tensor | None, None]:
        iteration: _Iteration = ctx.iteration
        packed, uv, level = ctx.saved_tensors
        gradient = gradient.contiguous()
        if ctx.needs_input_grad[1]:
            iteration.kernels.fetch_backward(iteration, uv, level, gradient)
        to_uv = None
        if ctx.needs_input_grad[2]:
            to_uv = iteration.kernels.slope(iteration, packed.detach(), uv, level, gradient)
        return None, None, to_uv, None
