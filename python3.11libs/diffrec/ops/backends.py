"""Which implementation of an operation runs, and how Warp kernels are launched.

Every operation of `diffrec.ops` has a plain PyTorch `reference` and fast ones that agree with it:
`numba` (CPU, all cores) and `warp` (CUDA; the same kernels also run on the CPU, for tests).
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from diffrec import background

BACKENDS = ("reference", "numba", "warp")


def choose_backend(
    tensor: Tensor, backend: str | None = None, *, available: Sequence[str] = BACKENDS
) -> str:
    """Name of the implementation that is to work on `tensor`.

    With `backend` None, float64 input gets "reference", float32 gets "numba" on the CPU and "warp"
    on CUDA; an operation that lacks the fast one (not in `available`) falls back to "reference".
    float64 always goes to "reference", since the fast kernels are written for float32.

    Raises:
        ValueError: unknown name, an implementation this operation lacks, or Numba asked for on
            CUDA tensors. The message names the choices.
    """
    if backend is not None and backend not in available:
        raise ValueError(
            f"backend {backend!r} does not exist here; choose one of {', '.join(available)}, "
            "or None to pick by device"
        )
    if tensor.dtype == torch.float64:
        return "reference"
    if backend is None:
        fast = "warp" if tensor.is_cuda else "numba"
        return fast if fast in available and tensor.device.type in ("cpu", "cuda") else "reference"
    if backend == "numba" and tensor.device.type != "cpu":
        raise ValueError(
            f"backend 'numba' runs on CPU tensors only, these are on {tensor.device}; "
            "choose 'warp' or 'reference', or None to pick by device"
        )
    return backend


_starting = threading.Lock()  # two threads must not start Warp at once


@functools.cache
def warp() -> ModuleType:
    """The Warp module, initialised once and without its banner.

    Import it through this function, and only inside a `warp_*.py` file that is itself imported on
    first use: a run that stays with Numba then never pays for Warp's start. Those files should call
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
    known = "launch_bounds" in inspect.signature(warp().kernel).parameters
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
    wp = warp()
    if background.anything_pending():
        background.wait_for(kernel.module.name)
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
        _streams[key] = warp().stream_from_torch(current)
    return _streams[key]
