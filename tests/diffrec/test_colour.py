"""sRGB and linear colour."""

from __future__ import annotations

import pytest
import torch

from diffrec.colour import linear_to_srgb, srgb_to_linear


@pytest.mark.parametrize(
    ("linear", "encoded"),
    [(0.0, 0.0), (0.0031308, 0.04045), (0.18, 0.46135613), (0.5, 0.73535698), (1.0, 1.0)],
)
def test_known_values(linear: float, encoded: float) -> None:
    found = linear_to_srgb(torch.tensor(linear, dtype=torch.float64))
    assert float(found) == pytest.approx(encoded, abs=1e-6)
    back = srgb_to_linear(torch.tensor(encoded, dtype=torch.float64))
    assert float(back) == pytest.approx(linear, abs=1e-6)


def test_every_8_bit_level_survives_the_round_trip() -> None:
    levels = torch.arange(256)
    encoded = linear_to_srgb(srgb_to_linear(levels.float() / 255))
    assert torch.equal((encoded * 255).round().long(), levels)


def test_both_rise_without_jumps() -> None:
    values = torch.linspace(0, 1, 100_001, dtype=torch.float64)
    for function in (linear_to_srgb, srgb_to_linear):
        steps = function(values).diff()
        assert float(steps.min()) > 0
        assert float(steps.max()) < 13e-5


def test_the_slope_is_finite_at_and_below_black() -> None:
    for function in (linear_to_srgb, srgb_to_linear):
        values = torch.tensor([-1.0, -0.0, 0.0, 1e-30, 1.0, 2.0], requires_grad=True)
        function(values).sum().backward()
        assert values.grad is not None
        assert values.grad.isfinite().all()
        assert (values.grad > 0).all()


def test_gradients() -> None:
    values = torch.tensor([-0.2, 0.001, 0.02, 0.3, 0.9], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(linear_to_srgb, (values,))
    assert torch.autograd.gradcheck(srgb_to_linear, (values,))
