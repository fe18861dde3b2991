"""Which implementation of an operation runs.

An operation is a package. Its `__init__` is what others call; beside it lie `reference`, the
definition in plain PyTorch, and modules of kernels that agree with it, each named after its
backend: `numba` (CPU, all cores), `warp` (CUDA; the same kernels also run on the CPU, for tests: on
several threads they reach half of Numba's speed at best, see docs/benchmarks.md).
A backend is added by adding such a module: it is found by its name, and imported on first use,
since compilers take long to load. Its functions are those that the interface calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

#: What works where nothing else is asked for; elsewhere it is the reference.
BY_DEVICE = {"cpu": "numba", "cuda": "warp"}

_operations: list[Operation] = []
_wanted: ContextVar[str | None] = ContextVar("backend", default=None)


class Operation:
    """The implementations of one operation, by the package that they lie in.

    `cpu`: the backend that works on a CPU where nothing else is asked for.
    """

    def __init__(self, package: str, *, cpu: str = BY_DEVICE["cpu"]) -> None:
        self._package = package
        self._by_device = {**BY_DEVICE, "cpu": cpu}
        self._kernels: dict[str, Any] = {}
        _operations.append(self)

    def kernels(self, tensor: Tensor) -> Any:
        """The module of kernels that is to work on `tensor`; None where it is the reference.

        float64 always goes to the reference, since kernels are written for float32. Other input
        goes to the backend of `use_backend`, or else to that of its device; an operation without
        that backend takes the reference.

        Raises:
            ValueError: Numba was asked for, and the tensor is not on the CPU.
        """
        if tensor.dtype == torch.float64:
            return None
        device = tensor.device.type
        name = _wanted.get() or self._by_device.get(device, "reference")
        kernels = self._kernels[name] if name in self._kernels else self._load(name)
        if name == "numba" and device != "cpu":
            raise ValueError(
                f"backend 'numba' runs on CPU tensors only, these are on {tensor.device}; "
                "choose 'warp' or 'reference', or None to pick by device"
            )
        return kernels

    def has(self, name: str) -> bool:
        """Whether there is such a backend."""
        return find_spec(f"{self._package}.{name}") is not None

    def _load(self, name: str) -> Any:
        known = name != "reference" and self.has(name)
        self._kernels[name] = import_module(f"{self._package}.{name}") if known else None
        return self._kernels[name]


@contextmanager
def use_backend(name: str | None) -> Iterator[None]:
    """Let all operations of this thread use one backend meanwhile; those without it the reference.

    `name`: "reference", "numba", "warp" or that of a module beside some operation; None to pick by
    device again. Gradients of what is computed meanwhile use it too, whenever they are made.

    Raises:
        ValueError: no operation has this backend.
    """
    known = {"reference", *BY_DEVICE.values()}
    if name is not None and name not in known and not any(one.has(name) for one in _operations):
        raise ValueError(
            f"backend {name!r} does not exist; choose one of {', '.join(sorted(known))}, "
            "or None to pick by device"
        )
    token = _wanted.set(name)
    try:
        yield
    finally:
        _wanted.reset(token)
