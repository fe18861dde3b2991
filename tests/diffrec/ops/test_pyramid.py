from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import Tensor

from diffrec.ops.backends import use_backend
from diffrec.ops.texture import GradientBuffer, Pyramid, build_mips, texture2d

SIZES = [(16, 16), (8, 32), (13, 6), (1, 7), (1, 1)]


def inputs(size: tuple[int, int], seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    first = torch.rand(*size, 3, generator=generator).requires_grad_()
    second = torch.rand(*size, 2, generator=generator).requires_grad_()
    uv = (torch.rand(500, 2, generator=generator) * 3 - 1).requires_grad_()
    lod = torch.rand(500, generator=generator) * 8 - 2
    return first, second, uv, lod


def total(values: tuple[Tensor, ...]) -> Tensor:
    return torch.stack([value.sum() for value in values]).sum()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("with_lod", [True, False])
def test_agrees_with_the_reference(size: tuple[int, int], with_lod: bool) -> None:
    results = []
    for fused in (True, False):
        first, second, uv, lod = inputs(size)
        level = lod if with_lod else None
        if fused:
            values = torch.cat(Pyramid([first, second]).fetch(uv, level), dim=1)
        else:
            mips = build_mips(torch.cat([first, second], dim=-1))
            values = use_backend("reference")(texture2d)(mips, uv, level)
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
        (total(pyramid.fetch(uv, lod)) + 2 * total(pyramid.fetch(uv, None))).backward()
        assert pyramid.spent
        # The weights of a fetch sum to one, whatever the levels.
        assert first.grad is not None
        assert float(first.grad.sum()) == pytest.approx(3 * 500 * 3, rel=1e-5)


def test_nothing_outlives_its_iteration() -> None:
    first, second, uv, lod = inputs((8, 8))
    gc.disable()
    try:
        pyramid = Pyramid([first, second])
        total(pyramid.fetch(uv, lod)).backward()
        packed = weakref.ref(pyramid._packed)
        del pyramid
        assert packed() is None
    finally:
        gc.enable()


def test_only_what_needs_a_gradient_gets_one() -> None:
    first, second, uv, lod = inputs((8, 8))
    first.requires_grad_(False)
    uv.requires_grad_(False)
    total(Pyramid([first, second]).fetch(uv, lod)).backward()
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
            values = torch.cat(Pyramid([first, second]).fetch(uv, lod), dim=1)
            values.square().sum().backward()
            gradients.append(first.grad)
    finally:
        numba.set_num_threads(threads)
    assert all(torch.equal(gradients[0], other) for other in gradients[1:])  # type: ignore[arg-type]


def test_no_points() -> None:
    first, second, _, _ = inputs((4, 4))
    found = Pyramid([first, second]).fetch(torch.zeros(0, 2), torch.zeros(0))
    assert [value.shape for value in found] == [(0, 3), (0, 2)]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="one height"):
        Pyramid([torch.zeros(4, 4, 3), torch.zeros(4, 2, 3)])
    with pytest.raises(ValueError, match="float32"):
        Pyramid([torch.zeros(4, 4, 3, dtype=torch.float64)])


@pytest.mark.parametrize("backend", ["numba", "warp"])
@pytest.mark.parametrize("wanted", [(0,), (2,), (1, 2), (2, 0)])
def test_some_textures_are_fetched_as_all_are(backend: str, wanted: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(3)
    _, _, uv, lod = inputs((16, 16))
    results = []
    for some in (True, False):
        generator.manual_seed(3)
        textures = [torch.rand(16, 16, 3, generator=generator).requires_grad_() for _ in range(3)]
        weights = torch.rand(3, 500, 3, generator=generator)
        pyramid = use_backend(backend)(Pyramid)(textures)
        found = pyramid.fetch(uv, lod, wanted if some else None)
        chosen = found if some else [found[index] for index in wanted]
        value = total(
            tuple(one * weights[index] for one, index in zip(chosen, wanted, strict=True))
        )
        gradients = torch.autograd.grad(value, (uv, *(textures[index] for index in wanted)))
        results.append([*(one.detach() for one in chosen), *gradients])
    for one, other in zip(*results, strict=True):
        assert one.any()
        # Sums in another order.
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6 * float(other.abs().max()))


@pytest.mark.parametrize("backend", ["numba", "warp"])
def test_a_texture_that_nothing_depends_on_gets_nothing(backend: str) -> None:
    _, _, uv, lod = inputs((8, 8))
    textures = [torch.rand(8, 8, 3).requires_grad_() for _ in range(3)]
    first, _, third = use_backend(backend)(Pyramid)(textures).fetch(uv, lod)
    (first.sum() + third.sum()).backward()
    assert textures[0].grad is not None and textures[0].grad.any()
    assert textures[1].grad is not None and not textures[1].grad.any()
    assert textures[2].grad is not None and textures[2].grad.any()
