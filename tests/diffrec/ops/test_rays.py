"""Rays: the kernels agree with every ray against every triangle, on all devices."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffrec.ops.backends import use_backend
from diffrec.ops.rays import Rays

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card"),
    ),
]


@pytest.mark.parametrize("device", DEVICES)
@given(seed=st.integers(0, 10_000), faces=st.integers(1, 60))
@settings(max_examples=20, deadline=None)
def test_kernels_find_what_every_triangle_tells(device: str, seed: int, faces: int) -> None:
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    positions = drawn(3 * faces, 3)
    triangles = torch.randperm(3 * faces, generator=generator).reshape(-1, 3)
    origins, normals = 2 * drawn(9, 3), torch.nn.functional.normalize(drawn(9, 3), dim=1)
    ways = torch.nn.functional.normalize(drawn(7, 3, 3), dim=2)

    def found(where: str) -> list[torch.Tensor]:
        rays = Rays(positions.to(where), triangles.to(where))
        shares = torch.full((9, 7), -1.0, device=where)
        rays.free(origins.to(where), normals.to(where), ways.to(where), shares)
        begin = origins.repeat_interleave(7, 0).to(where)
        first = rays.first(begin, ways[:, 0].repeat(9, 1).to(where))
        return [one.cpu() for one in (shares, *first)]

    kernels = found(device)
    with use_backend("reference"):
        expected = found("cpu")
    assert torch.equal(kernels[0], expected[0])
    assert torch.equal(kernels[1], expected[1])
    assert torch.allclose(kernels[2], expected[2], atol=1e-4)


def test_what_is_hit_first_lies_on_the_ray() -> None:
    positions = torch.tensor([[0.0, 0, 2], [1, 0, 2], [0, 1, 2], [0, 0, 1], [1, 0, 1], [0, 1, 1]])
    rays = Rays(positions, torch.arange(6).reshape(2, 3))
    origins = torch.tensor([[0.5, 0.2, 0.0], [0.5, 0.2, 1.5], [0.5, 0.2, 3.0]])
    up = torch.tensor([[0.0, 0, 1]]).expand(3, 3)
    triangle, bary = rays.first(origins, up)
    assert triangle.tolist() == [1, 0, -1]
    assert torch.allclose(bary, torch.tensor([[0.3, 0.5, 0.2], [0.3, 0.5, 0.2], [0.0, 0, 0]]))


def test_of_a_bundle_the_share_above_the_horizon_that_meets_nothing_is_free() -> None:
    positions = torch.tensor([[-9.0, 1, 0], [9, 1, -9], [9, 1, 9]])
    rays = Rays(positions, torch.arange(3)[None])
    up, down, side = [0.0, 1, 0], [0.0, -1, 0], [-1.0, 1e-3, 0]
    shares = torch.empty(2, 2)
    origins = torch.tensor([[3.0, 0, 0], [3.0, 2, 0]])
    ways = torch.tensor([[up, down], [side, side]])
    rays.free(origins, torch.tensor([up, up]), ways, shares)
    assert shares.tolist() == [[0.0, 1.0], [0.5, 1.0]]
