"""The loss kernels against the plain formulas: values, gradients, layouts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from diffrec import losses
from diffrec.losses import colour
from diffrec.ops.backends import use_backend
from nvdiffrec_contract.configuration import LOSSES

DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
# More pixels than the kernel has threads, so that a thread adds up several.
SIZE = (3, 120, 130)


def pictures(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """(image [B, H, W, 4], photograph [B, H, W, 4], background [B, H, W, 3]), with the corners of
    the tone curve in the image: dark, negative and too bright pixels."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(*SIZE, 4, generator=generator) ** 4 * 3
    image[0, :20] = image[0, :20] * 0.002
    image[0, 20:30] = -image[0, 20:30]
    image[1, :5] = 1e5
    coverage = (torch.rand(*SIZE, 1, generator=generator) * 3 - 1).clamp(0, 1)
    color = torch.rand(*SIZE, 3, generator=generator) * 2 * coverage
    background = torch.rand(*SIZE, 3, generator=generator)
    return image, torch.cat([color, coverage], -1), background


def close(found: Tensor, expected: Tensor, rtol: float = 1e-4) -> None:
    """Every element to `rtol` of its own size and 1e-6 of the largest."""
    found, expected = found.double().cpu(), expected.double().cpu()
    atol = 1e-6 * float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=rtol, atol=atol)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", LOSSES)
def test_image_losses_agree_with_the_formulas(name: str, device: str) -> None:
    image, photograph, background = pictures(1)
    exact = image.double().requires_grad_(True)
    expected = losses.photograph_loss(name)(exact, photograph.double(), background.double())
    (3 * expected).backward()
    image = image.to(device).requires_grad_(True)
    value = use_backend("warp")(losses.photograph_loss(name))(
        image, photograph.to(device), background.to(device)
    )
    (3 * value).backward()
    assert float(value.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert image.grad is not None and exact.grad is not None
    close(image.grad, exact.grad)


@pytest.mark.parametrize("name", LOSSES)
def test_an_image_loss_is_that_of_a_photograph_over_black(name: str) -> None:
    image, photograph, background = pictures(2)
    loss = use_backend("warp")(losses.image_loss(name))(image, photograph)
    of_photograph = use_backend("warp")(losses.photograph_loss(name))
    assert torch.equal(loss, of_photograph(image, photograph, torch.zeros_like(background)))
    assert float(loss) == pytest.approx(float(losses.image_loss(name)(image, photograph)), rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_equal_images_have_no_loss_and_no_gradient(name: str) -> None:
    _, photograph, _ = pictures(3)
    image = photograph.clone().requires_grad_(True)
    value = use_backend("warp")(losses.image_loss(name))(image, photograph)
    value.backward()
    assert float(value.detach()) == 0
    assert image.grad is not None and not image.grad.any()


def test_a_value_does_not_vary() -> None:
    arguments = pictures(4)
    loss = use_backend("warp")(losses.photograph_loss("logl1"))
    assert len({float(loss(*arguments)) for _ in range(3)}) == 1


def test_a_photograph_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[2, 4\].*\[3, 4\]"):
        use_backend("warp")(losses.image_loss("mse"))(torch.zeros(2, 4), torch.zeros(3, 4))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("count", [0, 1, 7, 40_000])
@pytest.mark.parametrize("layout", ["rows", "columns", "sliced columns", "sliced rows"])
def test_material_terms_agree(layout: str, count: int, device: str) -> None:
    generator = torch.Generator().manual_seed(5)
    numbers = torch.rand(3, count, 9, generator=generator)
    numbers[1, : count // 4] = numbers[0, : count // 4]
    pixels = torch.arange(count, device=device)
    pixels[count // 2 : count // 2 + 3] = -1  # rows that are not needed

    def laid_out(values: Tensor) -> tuple[Tensor, Tensor]:
        """(leaf, [P, 3] of it)."""
        leaf = {
            "rows": values[:, :3],
            "columns": values[:, :3].t(),
            "sliced columns": values.t(),
            "sliced rows": values,
        }[layout]
        leaf = leaf.to(device).contiguous().requires_grad_(True)
        used = leaf.t() if "columns" in layout else leaf
        return leaf, used[:, 3:6] if "sliced" in layout else used

    leaves, inputs = zip(*(laid_out(values) for values in numbers), strict=True)
    expected = use_backend("reference")(losses.material_terms)(*inputs, pixels)
    value = use_backend("warp")(losses.material_terms)(*inputs, pixels)
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=0.0)
    wanted = torch.autograd.grad(expected * 0.25, leaves)
    for found, correct in zip(torch.autograd.grad(value * 0.25, leaves), wanted, strict=True):
        torch.testing.assert_close(found, correct, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("device", DEVICES)
def test_the_lights_balance_agrees(device: str) -> None:
    base = torch.rand(6, 80, 80, 3, generator=torch.Generator().manual_seed(6))
    base[0] = 0.5
    exact = base.double().requires_grad_(True)
    expected = losses.light_white_balance(exact)
    expected.backward()
    base = base.to(device).requires_grad_(True)
    value = use_backend("warp")(losses.light_white_balance)(base)
    value.backward()
    assert float(value.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert base.grad is not None and exact.grad is not None
    close(base.grad, exact.grad)


def test_an_image_loss_is_one_file_and_needs_no_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "def loss(color, reference):\n    return (color - reference).abs().mean()\n"
    (tmp_path / "mean.py").write_text(text)
    monkeypatch.setattr(colour, "__path__", [*colour.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, f"{colour.__name__}.mean", raising=False)
    image, photograph, background = pictures(6)
    image.requires_grad_()
    value = use_backend("warp")(losses.photograph_loss("mean"))(image, photograph, background)
    expected = use_backend("reference")(losses.photograph_loss("mean"))(
        image, photograph, background
    )
    assert torch.equal(value, expected)
    value.backward()
    assert image.grad is not None and image.grad.any()
