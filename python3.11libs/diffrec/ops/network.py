"""A small network without biases on columns of features, on a GPU with its tensor cores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad


def network(features: Tensor, first: Tensor, second: Tensor, last: Tensor) -> Tensor:
    """last relu(second relu(first features)): [C, P] to [O, P], one point per column.

    On CUDA the products read ten bits of mantissa (TF32) and add up in single precision, which is
    finer than the half precision such networks are commonly trained in, and takes a quarter of the
    time; everything else of a run keeps single precision.
    """
    if not features.is_cuda:
        hidden = torch.relu_(first @ features)
        return last @ torch.relu_(second @ hidden)
    result: Tensor = _Network.apply(  # type: ignore[no-untyped-call]
        features, first, second, last
    )
    return result


class _Network(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, first: Tensor, second: Tensor, last: Tensor) -> Tensor:
        with _tensor_cores():
            one = torch.relu_(first @ features)
            two = torch.relu_(second @ one)
            result = last @ two
        ctx.save_for_backward(features, first, second, last, one, two)
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        features, first, second, last, one, two = ctx.saved_tensors
        # Tensor cores take rows by fours.
        rows = len(last)
        lacking = (0, 0, 0, -rows % 4)
        gradient, last = pad(gradient, lacking), pad(last, lacking)
        with _tensor_cores():
            for_last = (gradient @ two.t())[:rows]
            for_two = _through_relu(last.t() @ gradient, two)
            for_second = for_two @ one.t()
            for_one = _through_relu(second.t() @ for_two, one)
            for_first = for_one @ features.t()
            for_features = first.t() @ for_one if ctx.needs_input_grad[0] else None
        return for_features, for_first, for_second, for_last


def _through_relu(gradient: Tensor, value: Tensor) -> Tensor:
    """The gradient of what went into a ReLU, by the one for what came out."""
    passed: Tensor = torch.ops.aten.threshold_backward(gradient, value, 0.0)
    return passed


@contextmanager
def _tensor_cores() -> Iterator[None]:
    """Products of single precision may use tensor cores meanwhile."""
    settings: Any = torch.backends.cuda.matmul
    # PyTorch 2.9 renamed the setting and warns of the old name.
    name, wanted = (
        ("fp32_precision", "tf32") if hasattr(settings, "fp32_precision") else ("allow_tf32", True)
    )
    before = getattr(settings, name)
    setattr(settings, name, wanted)
    try:
        yield
    finally:
        setattr(settings, name, before)
