"""The cube map's filters as one autograd node, in training as CUDA graphs.

The kernels of `diffrec.ops.warp_cubefilter` are always the same for a size, so each direction is
recorded once and then started as a whole. A recording has one place for its results: it is in use
from the forward pass until gradients have gone through or nobody holds the results any more, and
whoever asks meanwhile gets the kernels one by one and memory of his own.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.autograd.graph import increment_version

if TYPE_CHECKING:
    from diffrec.ops.warp_cubefilter import DeviceFilter


class FusedFilter:
    """`filter(base)`: the packed levels [texels, 3] and the irradiance [6 R^2, 3], differentiable.

    `starts`: first row of each level, and the end. With gradients on CUDA both are valid until the
    next call after their backward pass; to read them longer, copy them.
    """

    def __init__(self, kernels: DeviceFilter) -> None:
        self.starts = kernels.starts
        self._kernels = kernels
        self._recorded: Recorded | None = None
        self._recordable = kernels.cosine.is_cuda

    def __call__(self, base: Tensor) -> tuple[Tensor, Tensor]:
        training = base.requires_grad and torch.is_grad_enabled()
        kernels = (self._free_recording() if training else None) or self._kernels
        result: tuple[Tensor, Tensor] = _Filtered.apply(  # type: ignore[no-untyped-call]
            base, kernels
        )
        return result

    def _free_recording(self) -> Recorded | None:
        """The kernels as CUDA graphs; None where they cannot be recorded, or are in use."""
        if self._recorded is None and self._recordable:
            try:
                self._recorded = Recorded(self._kernels)
            except Exception as error:  # whatever a driver or a library says
                self._recordable = False
                warnings.warn(f"the light's filter is not recorded: {error}", stacklevel=4)
        if self._recorded is None or self._recorded.in_use:
            return None
        return self._recorded


class _Use:
    """One use of a recording, held by its autograd node."""

    ended = False


class Recorded:
    """A filter whose kernels are started as one CUDA graph in each direction.

    What `forward` returns is overwritten by the next call. A graph that is kept beyond its backward
    pass (`retain_graph`) then raises PyTorch's error of a changed variable, and does not read what
    is no longer its own.
    """

    def __init__(self, kernels: DeviceFilter) -> None:
        device = kernels.cosine.device
        size, rows = kernels.sizes[0], kernels.cosine.shape[0]
        base = self._base = torch.zeros((6, size, size, 3), device=device)
        packed = self._packed = torch.zeros((kernels.starts[-1], 3), device=device)
        irradiance = self._irradiance = torch.zeros((rows, 3), device=device)
        self._use: weakref.ref[_Use] | None = None
        forward, backward = captured(
            [lambda: kernels.forward(base), lambda: kernels.backward(packed, irradiance)], device
        )
        self._forward, self._levels = forward
        self._backward = backward[0]
        self._gradient: Tensor = backward[1]

    @property
    def in_use(self) -> bool:
        """Whether somebody may still need the last results for his gradients."""
        use = None if self._use is None else self._use()
        return use is not None and not use.ended

    def begin(self) -> _Use:
        """To be held for as long as the results are needed."""
        use = _Use()
        self._use = weakref.ref(use)
        return use

    def forward(self, base: Tensor) -> tuple[Tensor, Tensor]:
        """As `DeviceFilter.forward`."""
        self._base.copy_(base)
        # PyTorch does not see what a graph writes.
        for levels in self._levels:
            increment_version(levels)
        self._forward()
        # Other objects for each use: autograd hangs its graph on them.
        return self._levels[0].detach(), self._levels[1].detach()

    def backward(self, packed: Tensor, irradiance: Tensor) -> Tensor:
        """As `DeviceFilter.backward`."""
        self._packed.copy_(packed)
        self._irradiance.copy_(irradiance)
        self._backward()
        return self._gradient.clone()


def captured(
    works: Sequence[Callable[[], Any]], device: torch.device
) -> list[tuple[Callable[[], None], Any]]:
    """For each work a function that does it again on the same memory, and its result there."""
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(device))
    # Once without recording: kernels are loaded and libraries make their workspaces.
    with torch.cuda.stream(stream):
        for work in works:
            work()
    torch.cuda.current_stream(device).wait_stream(stream)
    result = []
    for work in works:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            made = work()
        result.append((graph.replay, made))
    return result


class _Filtered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, base: Tensor, kernels: DeviceFilter | Recorded) -> tuple[Tensor, Tensor]:
        ctx.kernels, ctx.shape = kernels, base.shape
        ctx.use = kernels.begin() if isinstance(kernels, Recorded) else None
        return kernels.forward(base.detach().contiguous())

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, packed: Tensor, irradiance: Tensor) -> tuple[Tensor, None]:
        gradient = ctx.kernels.backward(packed.contiguous(), irradiance.contiguous())
        if ctx.use is not None:
            ctx.use.ended = True
        return gradient.reshape(ctx.shape), None
