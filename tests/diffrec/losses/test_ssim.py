"""Structural similarity: its values, its gradients, and the image loss that holds it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from diffrec import losses
from diffrec.losses import ssim
from diffrec.ops.backends import use_backend

DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
BACKENDS = [("numba", "cpu"), *(("warp", device) for device in DEVICES)]


def pictures(seed: int, *shape: int) -> tuple[Tensor, Tensor]:
    """Two pictures that resemble each other, float64: noise, a ramp and a flat part."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(*shape, dtype=torch.float64, generator=generator)
    x[..., : shape[-3] // 3, :, :] = torch.linspace(0, 1, shape[-2], dtype=torch.float64)[:, None]
    x[..., : shape[-2] // 4, :] = 0.7
    y = x + 0.2 * torch.rand(*shape, dtype=torch.float64, generator=generator)
    return x, y


def window_by_window(x: Tensor, y: Tensor) -> float:
    """The definition, for one channel [H, W]: statistics of each window about its own mean."""
    a, b = x.numpy(), y.numpy()
    offset = np.arange(11) - 5
    window = np.exp(-(offset[:, None] ** 2 + offset[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for i in range(a.shape[0] - 10):
        for j in range(a.shape[1] - 10):
            p, q = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
            mp, mq = (window * p).sum(), (window * q).sum()
            vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
            cov = (window * (p - mp) * (q - mq)).sum()
            values.append(
                (2 * mp * mq + 1e-4)
                * (2 * cov + 9e-4)
                / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4))
            )
    return float(np.mean(values))


def test_the_value_is_that_of_the_definition() -> None:
    x, y = pictures(0, 2, 17, 21, 3)
    expected = np.mean(
        [window_by_window(x[b, ..., c], y[b, ..., c]) for b in range(2) for c in range(3)]
    )
    assert float(ssim.similarity(x, y)) == pytest.approx(expected, rel=1e-10)


def test_the_gradient_is_right() -> None:
    x, y = pictures(1, 12, 13, 2)
    assert torch.autograd.gradcheck(lambda one: ssim.similarity(one, y), (x.requires_grad_(),))


@pytest.mark.parametrize(("backend", "device"), BACKENDS)
@pytest.mark.parametrize("shape", [(2, 37, 41, 3), (11, 11, 3), (30, 12, 1), (3, 2, 11, 60, 4)])
def test_kernels_agree_with_the_formula(backend: str, device: str, shape: tuple[int, ...]) -> None:
    x, y = pictures(2, *shape)
    exact = x.clone().requires_grad_()
    expected = ssim.similarity(exact, y)
    (3 * expected).backward()
    found = x.float().to(device).requires_grad_()
    value = use_backend(backend)(ssim.similarity)(found, y.float().to(device))
    (3 * value).backward()
    assert value.dtype == torch.float32
    assert value.shape == ()
    # A flat part of level 1 has its variance of zero as a difference of squares in float32, with an
    # error of some 1e-7, a ten-thousandth of C2.
    assert float(value.detach()) == pytest.approx(float(expected.detach()), abs=5e-6)
    assert exact.grad is not None
    assert found.grad is not None
    largest = float(exact.grad.abs().max())
    error = found.grad.double().cpu() - exact.grad
    assert float(error.abs().max()) < 2e-4 * largest


@pytest.mark.parametrize(("backend", "device"), BACKENDS)
def test_without_gradients_the_kernels_give_the_same_value(backend: str, device: str) -> None:
    x, y = (one.float().to(device) for one in pictures(3, 20, 30, 3))
    value = use_backend(backend)(ssim.similarity)(x, y)
    assert not value.requires_grad
    again = use_backend(backend)(ssim.similarity)(x.clone().requires_grad_(), y)
    assert torch.equal(value, again.detach())


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(11, 24),
    width=st.integers(11, 24),
    scale=st.floats(0, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_is_bounded_symmetric_and_one_for_equal_pictures(
    height: int, width: int, scale: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = scale * torch.rand(height, width, 3, generator=generator)
    y = scale * torch.rand(height, width, 3, generator=generator)
    both = ssim.similarity(x, y), ssim.similarity(y, x)
    assert float(both[0]) == pytest.approx(float(both[1]), abs=1e-5)
    assert -1.001 <= float(both[0]) <= 1.001
    assert float(ssim.similarity(x, x)) == pytest.approx(1, abs=1e-5)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="11 pixels"):
        ssim.similarity(torch.zeros(2, 10, 40, 3), torch.zeros(2, 10, 40, 3))
    with pytest.raises(ValueError, match="one shape"):
        ssim.similarity(torch.zeros(20, 40, 3), torch.zeros(2, 20, 40, 3))


def photographs(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    image = 2 * torch.rand(2, 14, 16, 4, dtype=torch.float64, generator=generator)
    coverage = torch.rand(2, 14, 16, 1, dtype=torch.float64, generator=generator)
    color = torch.rand(2, 14, 16, 3, dtype=torch.float64, generator=generator) * coverage
    background = torch.rand(2, 14, 16, 3, dtype=torch.float64, generator=generator)
    return image, torch.cat([color, coverage], -1), background


def test_the_image_loss_by_hand() -> None:
    image, photograph, background = photographs(4)
    loss = losses.photograph_loss("logl1")
    over = photograph[..., :3] + (1 - photograph[..., 3:]) * background

    def encoded(x: Tensor) -> Tensor:
        linear = torch.log(1 + x)
        return torch.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)

    a, b = encoded(image[..., :3]), encoded(over)
    alike = np.mean(
        [window_by_window(a[v, ..., c], b[v, ..., c]) for v in range(2) for c in range(3)]
    )
    plain = float(loss(image, photograph, background))
    got = float(ssim.with_dissimilarity(loss, 0.2)(image, photograph, background))
    assert got == pytest.approx(0.8 * plain + 0.2 * (1 - alike) / 2, rel=1e-9)


def test_the_image_loss_vanishes_for_the_photograph_itself_and_has_its_least_value_there() -> None:
    _, photograph, background = photographs(5)
    over = photograph[..., :3] + (1 - photograph[..., 3:]) * background
    image = torch.cat([over, photograph[..., 3:]], -1).requires_grad_()
    term = ssim.with_dissimilarity(losses.photograph_loss("logl2"), 0.5)
    value = term(image, photograph, background)
    value.backward()
    assert float(value.detach()) == pytest.approx(0, abs=1e-12)
    assert image.grad is not None
    assert float(image.grad.abs().max()) < 1e-12


@pytest.mark.parametrize(("backend", "device"), BACKENDS)
def test_the_image_loss_of_the_kernels(backend: str, device: str) -> None:
    image, photograph, background = photographs(6)
    image[0, 2] *= -1  # no radiance: tone mapping clamps it
    image[1, 3] *= 1e-3
    exact = image.clone().requires_grad_()
    expected = ssim.with_dissimilarity(losses.photograph_loss("logl2"), 0.9)(
        exact, photograph, background
    )
    expected.backward()
    given_ = [one.float().to(device) for one in (image, photograph, background)]
    given_[0].requires_grad_()
    term = ssim.with_dissimilarity(losses.photograph_loss("logl2"), 0.9)
    term = use_backend(backend)(term)
    value = term(given_[0], given_[1], given_[2])
    value.backward()
    assert float(value.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert exact.grad is not None
    assert given_[0].grad is not None
    largest = float(exact.grad.abs().max())
    assert float((given_[0].grad.double().cpu() - exact.grad).abs().max()) < 5e-5 * largest


def test_with_no_weight_the_loss_is_the_one_given() -> None:
    loss = losses.photograph_loss("logl1")
    assert ssim.with_dissimilarity(loss, 0.0) is loss


def test_pictures_smaller_than_the_window_are_compared_by_the_other_loss_alone() -> None:
    loss = losses.photograph_loss("logl1")
    random = torch.Generator().manual_seed(1)
    image, photograph = torch.rand(2, 1, 8, 64, 4, generator=random)
    background = torch.zeros(1, 8, 64, 3)
    found = ssim.with_dissimilarity(loss, 0.2)(image, photograph, background)
    assert torch.equal(found, loss(image, photograph, background))


def test_the_window_is_a_gaussian_that_adds_up_to_one() -> None:
    taps = ssim.taps()
    assert len(taps) == 11
    assert math.fsum(taps) == pytest.approx(1, abs=1e-15)
    assert taps[5] / taps[4] == pytest.approx(math.exp(1 / (2 * 1.5**2)))
    assert taps == tuple(reversed(taps))
