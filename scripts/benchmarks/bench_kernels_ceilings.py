"""What a card can do at best, measured: copies, atomic additions, matrix products."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from diffrec.ops.network import _tensor_cores
from diffrec.ops.warp import launch

WIDTHS = (1, 2, 4)  # floats that one addition writes
COPIED = 1 << 30  # bytes
ADDITIONS = 1 << 26
SPREAD = 1 << 24  # floats that are added to at random: 64 MiB, as a hash grid's table
EDGE = 8192  # of the matrices
_SERIES = 5


@dataclass(frozen=True)
class Ceilings:
    """`bandwidth`: bytes per second, read and written; `random`: additions per second to random
    rows of so many floats; `one`: to a single float; `products`: operations per second, by kind.
    """

    bandwidth: float
    random: dict[int, float] = field(default_factory=dict)
    one: float = 0.0
    products: dict[str, float] = field(default_factory=dict)

    def words(self) -> str:
        """For a note."""
        at_random = ", ".join(
            f"{rate / 1e9:.1f} G/s of {width}" for width, rate in self.random.items()
        )
        products = ", ".join(f"{rate / 1e12:.1f} in {kind}" for kind, rate in self.products.items())
        return (
            f"Measured ceilings: {self.bandwidth / 1e9:,.0f} GB/s for a copy of 1 GiB on the "
            f"device (read and written); atomic additions to random rows of float32: {at_random}; "
            f"to one address {self.one / 1e9:.2f} G/s; products of {EDGE}² matrices, TFLOP/s: "
            f"{products}."
        )


def measure(device: torch.device) -> Ceilings:
    """Of a CUDA device; takes some seconds, of it most to compile two kernels."""
    source = torch.ones(COPIED // 4, device=device)
    target = torch.empty_like(source)
    bandwidth = 2 * COPIED / _seconds(functools.partial(target.copy_, source))
    del source, target
    random = {
        width: ADDITIONS / _seconds(functools.partial(add, width, total(width, device), ADDITIONS))
        for width in WIDTHS
    }
    few = ADDITIONS >> 6
    one = few / _seconds(functools.partial(add, 1, total(1, device), few, rows=1))
    a, b = (torch.randn(EDGE, EDGE, device=device) for _ in range(2))
    work = 2.0 * EDGE**3
    products = {"FP32": work / _seconds(lambda: a @ b)}
    with _tensor_cores():
        products["TF32"] = work / _seconds(lambda: a @ b)
    torch.cuda.empty_cache()
    return Ceilings(bandwidth, random, one, products)


def total(width: int, device: torch.device) -> Tensor:
    """Rows to add to, zeros [SPREAD / width, width]."""
    return torch.zeros((SPREAD // width, width), device=device)


def add(width: int, target: Tensor, count: int, rows: int | None = None) -> None:
    """`count` times 1 to all columns of a row, any of the first `rows` (of all)."""
    from bench_kernels_additions import add_ones  # which starts Warp

    rows = target.shape[0] if rows is None else rows
    launch(add_ones, count, [target.view(-1), width, rows], target.device)


def _seconds(work: Callable[[], object]) -> float:
    """The shortest of a series, after one that does not count."""
    work()
    event: Any = torch.cuda.Event
    measured: list[float] = []
    for _ in range(_SERIES):
        began, ended = (event(enable_timing=True) for _ in range(2))
        began.record()
        work()
        ended.record()
        ended.synchronize()
        measured.append(began.elapsed_time(ended) * 1e-3)
    return min(measured)
