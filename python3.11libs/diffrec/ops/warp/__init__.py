"""NVIDIA Warp: started once, its kernels launched; beside it, what kernels of operations share."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from diffrec import side_work

_starting = threading.Lock()  # two threads must not start Warp at once


@functools.cache
def start_warp() -> ModuleType:
    """The Warp module, initialised once and without its banner.

    Import it through this function, and only inside a module of kernels, which is itself imported
    on first use: a run that stays with Numba then never pays for Warp's start. Those modules call
    `wp.set_module_options({"enable_backward": False})` (gradients here are written by hand), which
    halves the time of the first compilation, and where a thread needs many registers set the option
    `block_dim`, threads that start together, to fewer than 256. A file is compiled for one number.
    """
    with _starting:
        return _started()


@functools.cache
def _started() -> ModuleType:
    import warp as wp

    if hasattr(wp.config, "default_grid_stride"):
        # Threads that take one item each, not a loop over items, need far fewer registers.
        wp.config.default_grid_stride = False
    if hasattr(wp.config, "log_level"):
        # Without a GPU Warp warns that it found no driver; that is no news to anybody here.
        wp.config.log_level = 40
        wp.init()
        wp.config.log_level = 30
    else:  # older Warp
        wp.config.quiet = True
        wp.init()
    return wp


def bounds(block: int, at_once: int) -> dict[str, Any]:
    """For `wp.kernel`: so few registers that so many blocks run on a multiprocessor at once.

    Nothing where this Warp cannot be told.
    """
    known = "launch_bounds" in inspect.signature(start_warp().kernel).parameters
    return {"launch_bounds": (block, at_once)} if known else {}


def launch(
    kernel: Any,
    dim: int | Sequence[int],
    inputs: Sequence[Any],
    device: Any,
) -> None:
    """Launch a Warp kernel on `device` ("cpu", "cuda:0", torch.device).

    On CUDA as many threads start together as the option `block_dim` of the kernel's module says.

    Tensors among `inputs` must be contiguous and on `device`; they are passed without copying, as
    arrays of their own rank and scalar type. On CUDA the kernel is queued on PyTorch's current
    stream, so it is ordered with the surrounding PyTorch work and nothing waits.
    """
    wp = start_warp()
    if side_work.anything_pending():
        side_work.wait_for(kernel.module.name)
    # Descriptors in place of Warp's array objects: making those costs more than many a kernel.
    arrays = [
        wp.from_torch(x.detach() if x.requires_grad else x, requires_grad=False, return_ctype=True)
        if isinstance(x, Tensor)
        else x
        for x in inputs
    ]
    device = torch.device(device)
    if device.type == "cuda":
        block = kernel.module.options["block_dim"]
        wp.launch(kernel, dim=dim, inputs=arrays, stream=_stream(device), block_dim=block)
    else:
        wp.launch(kernel, dim=dim, inputs=arrays, device="cpu")


_streams: dict[tuple[torch.device, int], Any] = {}


def _stream(device: torch.device) -> Any:
    """Warp's object for PyTorch's current stream, made once for each."""
    current = torch.cuda.current_stream(device)
    key = (device, current.cuda_stream)
    if key not in _streams:
        _streams[key] = start_warp().stream_from_torch(current)
    return _streams[key]
