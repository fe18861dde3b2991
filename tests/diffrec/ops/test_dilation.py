"""Sums over blocks of texels, and what is filled from them: by hand, to the same bits."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffrec.ops.backends import use_backend
from diffrec.ops.dilation import filled, weighted_sums


@pytest.mark.parametrize("backend", ["reference", "numba"])
def test_by_hand(backend: str) -> None:
    image = torch.tensor([[1.0, 2, 3], [4, 5, 6]])[..., None]
    weight = torch.tensor([[1.0, 0, 2], [0.5, 1, 0]])
    sums = use_backend(backend)(weighted_sums)(image, weight)
    assert sums.tolist() == [[[8.0, 6.0]]]
    known = weight > 0
    assert use_backend(backend)(filled)(image, known, sums)[..., 0].tolist() == [
        [1.0, 8.0, 3.0],
        [4.0, 5.0, 6.0],
    ]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 17), st.integers(1, 17), st.integers(1, 4))
def test_the_kernels_find_what_the_definition_does(
    seed: int, height: int, width: int, channels: int
) -> None:
    random = torch.Generator().manual_seed(seed)
    # As a part of a larger one: its rows do not follow each other in memory.
    image = torch.randn(height, width, channels + 1, generator=random)[..., :channels]
    weight = torch.rand(height, width, generator=random)
    known = torch.rand(height, width, generator=random) < 0.5
    one, other = (
        use_backend(name)(weighted_sums)(image, weight) for name in ("reference", "numba")
    )
    assert torch.equal(one, other)
    assert torch.equal(
        use_backend("reference")(filled)(image, known, one),
        use_backend("numba")(filled)(image, known, one),
    )
