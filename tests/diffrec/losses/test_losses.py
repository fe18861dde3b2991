from __future__ import annotations

import math

import pytest
import torch

from diffrec import losses
from diffrec.losses.colour import color_losses
from diffrec.losses.tonemapping import tonemap
from nvdiffrec_contract.configuration import LOSSES


def test_tonemap_has_a_finite_slope_at_and_below_zero() -> None:
    linear = torch.tensor([-0.5, 0.0, 1e-8], requires_grad=True)
    tonemap(linear).sum().backward()
    assert linear.grad is not None
    assert linear.grad.tolist() == pytest.approx([0.0, 12.92, 12.92])


def test_tonemap_is_srgb_of_log_and_clamps() -> None:
    x = torch.tensor([-1.0, 0.0, 1.0, 1e6], dtype=torch.float64)
    log2 = 1.055 * math.log(2) ** (1 / 2.4) - 0.055
    top = 1.055 * math.log(65536) ** (1 / 2.4) - 0.055
    assert tonemap(x).tolist() == pytest.approx([0.0, 0.0, log2, top])


def test_configurations_know_the_losses_that_there_are() -> None:
    assert sorted(color_losses()) == sorted(LOSSES)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mse", (0.25 + 1.0) / 2),
        ("smape", (0.5 / (0.5 + 1.0 + 0.01) + 1.0 / (2.0 + 1.0 + 0.01)) / 2),
        ("relmse", (0.25 / (0.25 + 1.0 + 0.1) + 1.0 / (4.0 + 1.0 + 0.1)) / 2),
    ],
)
def test_color_losses_by_hand(name: str, expected: float) -> None:
    color, reference = torch.tensor([0.5, 2.0]), torch.tensor([1.0, 1.0])
    assert float(color_losses()[name](color, reference)) == pytest.approx(expected)


def test_log_losses_by_hand() -> None:
    def encoded(x: float) -> float:
        return 1.055 * math.log1p(x) ** (1 / 2.4) - 0.055

    color, reference = torch.tensor([0.5, 2.0]), torch.tensor([1.0, 1.0])
    steps = [encoded(0.5) - encoded(1.0), encoded(2.0) - encoded(1.0)]
    assert float(color_losses()["logl1"](color, reference)) == pytest.approx(
        (abs(steps[0]) + abs(steps[1])) / 2, rel=1e-5
    )
    assert float(color_losses()["logl2"](color, reference)) == pytest.approx(
        (steps[0] ** 2 + steps[1] ** 2) / 2, rel=1e-5
    )


def test_image_loss_adds_coverage_and_ignores_color_outside() -> None:
    image = torch.tensor([[0.2, 0.4, 0.6, 0.5], [0.9, 0.9, 0.9, 0.5]])
    reference = torch.tensor([[0.1, 0.4, 0.8, 1.0], [0.0, 0.3, 0.1, 0.0]])
    of_coverage = (0.25 + 0.25) / 2
    # The second pixel is empty in the reference: its color counts nothing, its place does.
    of_color = (0.01 + 0.0 + 0.04) / 6
    got = losses.image_loss("mse")(image, reference)
    assert float(got) == pytest.approx(of_coverage + of_color, rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_image_losses_vanish_on_equal_images_and_have_right_gradients(name: str) -> None:
    generator = torch.Generator().manual_seed(2)
    reference = torch.rand(3, 5, 4, dtype=torch.float64, generator=generator)
    loss = losses.image_loss(name)
    assert float(loss(reference, reference)) == 0
    image = torch.rand(3, 5, 4, dtype=torch.float64, generator=generator).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, reference), (image,))


def test_an_unknown_loss_names_the_choices() -> None:
    with pytest.raises(ValueError, match="logl1, logl2, mse, relmse, smape"):
        losses.image_loss("l3")


def test_albedo_smoothness_is_the_mean_change_over_channels() -> None:
    kd = torch.tensor([[0.1, 0.2, 0.3], [0.5, 0.5, 0.5]])
    moved = torch.tensor([[0.4, 0.2, 0.0], [0.5, 0.5, 0.5]])
    assert losses.albedo_smoothness(kd, moved).tolist() == pytest.approx([0.006, 0.0])


def test_the_material_terms_come_in_over_500_iterations() -> None:
    assert [losses.ramp(i) for i in (0, 250, 500, 9000)] == [0.0, 0.5, 1.0, 1.0]


def test_occlusion_is_weighed() -> None:
    ks = torch.tensor([[0.5, 0.9, 0.9], [0.0, 0.9, 0.9]])
    assert losses.occlusion(ks).tolist() == pytest.approx([0.0005, 0.0])


def test_an_open_colour_becomes_grey_and_strong_colours_are_pulled_no_harder() -> None:
    base = torch.tensor([[1.0, 1.0, 1.0], [0.9, 1.0, 1.1], [0.5, 1.0, 1.5]]).expand(6, 3, 3)
    light = base.clone().requires_grad_(True)
    value = losses.light_white_balance(light)
    value.backward()
    assert light.grad is not None
    pull = light.grad[0].norm(dim=-1)
    # Five times as far from grey, but hardly more than twice the pull; and never none.
    assert float(pull[0]) == 0 and 0 < float(pull[1]) < float(pull[2]) < 3 * float(pull[1])
    assert (light.grad[0, 1:, 0] < 0).all() and (light.grad[0, 1:, 2] > 0).all()
    brighter = losses.light_white_balance(1000 * base)
    assert float(brighter) == pytest.approx(float(value.detach()), rel=2e-3)
    assert float(losses.light_white_balance(base[:, :1])) == 0


def test_a_normal_maps_tilt_is_the_mean_squared_sine() -> None:
    angles = torch.tensor([[0.0, 0.3], [0.5, -0.2]])
    normal = torch.stack([angles.sin(), torch.zeros_like(angles), angles.cos()], dim=-1)
    assert float(losses.tilt(normal)) == pytest.approx(float(angles.sin().square().mean()))
