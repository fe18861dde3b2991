"""FLIP against the package of its authors."""

from __future__ import annotations

import flip_evaluator
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffrec.measure.flip import flip


def packages_flip(image: torch.Tensor, reference: torch.Tensor) -> float:
    found = flip_evaluator.evaluate(reference.numpy(), image.numpy(), "LDR", applyMagma=False)
    return float(found[1])


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    noise=st.sampled_from([0.01, 0.1, 0.5]),
    smooth=st.booleans(),
)
def test_it_is_the_figure_of_the_package(
    seed: int, height: int, width: int, noise: float, smooth: bool
) -> None:
    random = torch.Generator().manual_seed(seed)
    reference = torch.rand(height, width, 3, generator=random)
    if smooth:
        reference = reference.mean((0, 1), keepdim=True).expand(height, width, 3).contiguous()
    image = reference + noise * torch.randn(height, width, 3, generator=random)
    image = image.clamp(0, 1)
    expected = packages_flip(image, reference)
    assert float(flip(image, reference)) == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_an_edge_that_moved() -> None:
    reference = torch.zeros(60, 80, 3)
    reference[20:40, 30:50] = torch.tensor([1.0, 0.5, 0.1])
    moved = reference.roll(2, 1)
    assert float(flip(moved, reference)) == pytest.approx(packages_flip(moved, reference), rel=1e-3)
    assert float(flip(reference, reference)) == 0.0


def test_pictures_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[4, 4, 3\] and \[4, 5, 3\]"):
        flip(torch.zeros(4, 4, 3), torch.zeros(4, 5, 3))
