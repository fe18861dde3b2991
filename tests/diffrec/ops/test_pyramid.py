from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import Tensor

from diffrec.ops.pyramid import GradientBuffer, Pyramid
from diffrec.ops.texture import build_mips, texture2d

SIZES = [(16, 16), (8, 32), (13, 6), (1, 7), (1, 1)]


def inputs(size: tuple[int, int], seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    first = torch.rand(*size, 3, generator=generator).requires_grad_()
    second = torch.rand(*size, 2, generator=generator).requires_grad_()
    uv = (torch.rand(500, 2, generator=generator) * 3 - 1).requires_grad_()
    lod = torch.rand(500, generator=generator) * 8 - 2
    return first, second, uv, lod


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("with_lod", [True, False])
def test_agrees_with_the_reference(size: tuple[int, int], with_lod: bool) -> None:
    results = []
    for fused in (True, False):
        first, second, uv, lod = inputs(size)
        level = lod if with_lod else None
        if fused:
            values = Pyramid([first, second]).fetch(uv, level)
        else:
            mips = build_mips(torch.cat([first, second], dim=-1))
            values = texture2d(mips, uv, level, backend="reference")
        weights = torch.randn(500, 5, generator=torch.Generator().manual_seed(1))
        results.append(
            (values.detach(), *torch.autograd.grad(values, (first, second, uv), weights))
        )
    for got, expected in zip(*results, strict=True):
        assert torch.allclose(got, expected, rtol=1e-4, atol=2e-5 * float(expected.abs().max()))


def test_gradients_of_several_fetches_add_up_and_the_buffer_starts_clean() -> None:
    first, second, uv, lod = inputs((16, 16))
    buffer = GradientBuffer()
    for _ in range(2):
        first.grad = None
        pyramid = Pyramid([first, second], buffer)
        assert not pyramid.spent
        (pyramid.fetch(uv, lod).sum() + 2 * pyramid.fetch(uv, None).sum()).backward()
        assert pyramid.spent
        # The weights of a fetch sum to one, whatever the levels.
        assert first.grad is not None
        assert float(first.grad.sum()) == pytest.approx(3 * 500 * 3, rel=1e-5)


def test_nothing_outlives_its_iteration() -> None:
    first, second, uv, lod = inputs((8, 8))
    gc.disable()
    try:
        pyramid = Pyramid([first, second])
        pyramid.fetch(uv, lod).sum().backward()
        packed = weakref.ref(pyramid._packed)
        del pyramid
        assert packed() is None
    finally:
        gc.enable()


def test_only_what_needs_a_gradient_gets_one() -> None:
    first, second, uv, lod = inputs((8, 8))
    first.requires_grad_(False)
    uv.requires_grad_(False)
    Pyramid([first, second]).fetch(uv, lod).sum().backward()
    assert first.grad is None
    assert uv.grad is None
    assert second.grad is not None


def test_the_same_for_any_number_of_threads() -> None:
    import numba

    gradients = []
    threads = numba.get_num_threads()
    try:
        for count in {1, threads}:
            numba.set_num_threads(count)
            first, second, uv, lod = inputs((16, 16))
            Pyramid([first, second]).fetch(uv, lod).square().sum().backward()
            gradients.append(first.grad)
    finally:
        numba.set_num_threads(threads)
    assert all(torch.equal(gradients[0], other) for other in gradients[1:])  # type: ignore[arg-type]


def test_no_points() -> None:
    first, second, _, _ = inputs((4, 4))
    assert Pyramid([first, second]).fetch(torch.zeros(0, 2), torch.zeros(0)).shape == (0, 5)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="one height"):
        Pyramid([torch.zeros(4, 4, 3), torch.zeros(4, 2, 3)])
    with pytest.raises(ValueError, match="float32"):
        Pyramid([torch.zeros(4, 4, 3, dtype=torch.float64)])
