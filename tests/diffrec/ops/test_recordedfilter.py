"""Recorded filters: what is in use is not overwritten. The recording itself is played by a stand-in
that does the work again and writes where the first results lie, as a CUDA graph does.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from diffrec.ops import recordedfilter
from diffrec.ops.cubefilter import CubeFilter
from diffrec.ops.recordedfilter import FusedFilter

CPU = torch.device("cpu")
SIZE = 32


def replayed(
    works: Sequence[Callable[[], Any]], device: torch.device
) -> list[tuple[Callable[[], None], Any]]:
    """As `recordedfilter.captured`, on the CPU; PyTorch does not see the writing either."""

    def one(work: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
        first = work()

        def replay() -> None:
            again = work()
            pairs = zip(*(x if isinstance(x, tuple) else (x,) for x in (first, again)), strict=True)
            for old, new in pairs:
                old.numpy()[...] = new.numpy()

        return replay, first

    return [one(work) for work in works]


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> FusedFilter:
    monkeypatch.setattr(recordedfilter, "captured", replayed)
    fused = CubeFilter(SIZE, CPU, backend="warp")._fused
    assert fused is not None
    fused._recordable = True
    return fused


def base(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(6, SIZE, SIZE, 3, generator=generator).requires_grad_()


def loss_of(levels: Tensor, irradiance: Tensor) -> Tensor:
    """Its gradient reads the levels again, as that of shading does."""
    return levels.square().sum() + irradiance.square().sum()


def expected(leaf: Tensor) -> tuple[Tensor, Tensor]:
    """The loss and its gradient, by the kernels one by one."""
    fused = CubeFilter(SIZE, CPU, backend="warp")._fused
    assert fused is not None
    loss = loss_of(*fused(leaf))
    (gradient,) = torch.autograd.grad(loss, leaf)
    return loss.detach(), gradient


def test_one_light_after_another_uses_the_recording(recording: FusedFilter) -> None:
    places = set()
    for seed in range(3):
        leaf = base(seed)
        levels, irradiance = recording(leaf)
        places.add(levels.data_ptr())
        loss = loss_of(levels, irradiance)
        torch.autograd.backward(loss)
        # The loss is still held when the next light comes, as in a training loop.
        value, gradient = expected(leaf)
        torch.testing.assert_close(loss.detach(), value)
        torch.testing.assert_close(leaf.grad, gradient)
    assert len(places) == 1


def test_a_second_light_before_the_gradients_of_the_first(recording: FusedFilter) -> None:
    one, other = base(1), base(2)
    first, second = recording(one), recording(other)
    assert first[0].data_ptr() != second[0].data_ptr()
    for leaf, result in ((other, second), (one, first)):
        loss = loss_of(*result)
        torch.autograd.backward(loss)
        value, gradient = expected(leaf)
        torch.testing.assert_close(loss.detach(), value)
        torch.testing.assert_close(leaf.grad, gradient)
    assert recording(one)[0].data_ptr() == first[0].data_ptr(), "the recording is free again"


def test_a_light_that_is_dropped_frees_the_recording(recording: FusedFilter) -> None:
    gc.disable()
    try:
        place = recording(base(1))[0].data_ptr()
        assert recording(base(2))[0].data_ptr() == place
    finally:
        gc.enable()


def test_a_graph_kept_too_long_is_an_error_not_a_wrong_gradient(recording: FusedFilter) -> None:
    loss = loss_of(*recording(base(1)))
    torch.autograd.backward(loss, retain_graph=True)
    recording(base(2))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.backward(loss)


def test_without_gradients_nothing_is_recorded(recording: FusedFilter) -> None:
    with torch.no_grad():
        kept = recording(base(1))[0]
    recording(base(2))
    assert recording._recorded is not None
    with torch.no_grad():
        again = recording(base(1))[0]
    assert torch.equal(kept, again) and kept.data_ptr() != again.data_ptr()


def test_what_cannot_be_recorded_runs_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> list[tuple[Callable[[], None], Any]]:
        raise RuntimeError("no graphs here")

    monkeypatch.setattr(recordedfilter, "captured", refuses)
    fused = CubeFilter(SIZE, CPU, backend="warp")._fused
    assert fused is not None
    fused._recordable = True
    leaf = base(1)
    with pytest.warns(UserWarning, match="no graphs here") as warned:
        loss = loss_of(*fused(leaf))
    torch.autograd.backward(loss)
    fused(base(2))
    assert len(warned) == 1
    torch.testing.assert_close(leaf.grad, expected(leaf)[1])
