"""Trilinear fetches of textures and cube maps."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from diffrec.ops.backends import use_backend
from diffrec.ops.texture import build_mips, texture2d
from diffrec.ops.texture_cube import texture_cube

ALL = ("reference", "numba", "warp")
DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
ON = [("numba", "cpu"), *(("warp", device) for device in DEVICES)]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def unit(count: int, seed: int = 0) -> Tensor:
    vectors = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    return functional.normalize(vectors, dim=1)


def cube_levels(*sizes: int, channels: int = 3) -> list[Tensor]:
    return [random(6, size, size, channels, seed=size) for size in sizes]


def test_mips_are_averages_down_to_one_texel() -> None:
    texture = random(8, 4, 3)
    mips = build_mips(texture)
    assert [tuple(m.shape) for m in mips] == [(8, 4, 3), (4, 2, 3), (2, 1, 3), (1, 1, 3)]
    torch.testing.assert_close(mips[1][1, 0], texture[2:4, 0:2].mean(dim=(0, 1)))
    torch.testing.assert_close(mips[3][0, 0], texture.mean(dim=(0, 1)))
    assert len(build_mips(texture, levels=2)) == 2
    assert [tuple(m.shape[:2]) for m in build_mips(random(7, 5, 1))] == [(7, 5), (3, 2), (1, 1)]


@pytest.mark.parametrize("backend", ALL)
def test_a_texel_centre_reads_that_texel(backend: str) -> None:
    texture = random(5, 8, 3)
    rows, columns = torch.meshgrid(torch.arange(5), torch.arange(8), indexing="ij")
    uv = torch.stack([(columns + 0.5) / 8, (rows + 0.5) / 5], dim=-1).reshape(-1, 2)
    found = use_backend(backend)(texture2d)([texture], uv, None)
    torch.testing.assert_close(found.reshape(5, 8, 3), texture, rtol=0, atol=1e-5)


@pytest.mark.parametrize("backend", ALL)
def test_beyond_the_border_a_texture_repeats_or_goes_on(backend: str) -> None:
    texture = random(4, 6, 2)
    uv = random(200, 2) * 6 - 3
    wrapped = use_backend(backend)(texture2d)([texture], uv, None)
    inside = use_backend(backend)(texture2d)([texture], uv - uv.floor(), None)
    torch.testing.assert_close(wrapped, inside, rtol=0, atol=1e-5)
    clamped = use_backend(backend)(texture2d)([texture], uv, None, wrap=False)
    grid = (uv * 2 - 1)[None, None]
    expected = functional.grid_sample(
        texture.permute(2, 0, 1)[None], grid, padding_mode="border", align_corners=False
    )[0, :, 0].T
    torch.testing.assert_close(clamped, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("backend", ALL)
def test_between_two_levels_both_are_mixed(backend: str) -> None:
    mips = build_mips(random(16, 16, 3))
    uv = random(50, 2)
    below, above = (use_backend(backend)(texture2d)([mips[k]], uv, None) for k in (1, 2))
    found = use_backend(backend)(texture2d)(mips, uv, torch.full((50,), 1.25))
    torch.testing.assert_close(found, below * 0.75 + above * 0.25)
    for lod, level in ((-3.0, mips[0]), (99.0, mips[-1])):
        found = use_backend(backend)(texture2d)(mips, uv, torch.full((50,), lod))
        torch.testing.assert_close(found, use_backend(backend)(texture2d)([level], uv, None))


def gradients(values: list[Tensor], at: list[Tensor], call: object, device: str) -> list[Tensor]:
    leaves = [t.to(device).detach().clone().requires_grad_() for t in (*values, *at)]
    result = call(leaves[: len(values)], *leaves[len(values) :])  # type: ignore[operator]
    (result * random(*result.shape, seed=9).to(device)).sum().backward()
    return [result.detach().cpu(), *(leaf.grad.cpu() for leaf in leaves if leaf.grad is not None)]


@pytest.mark.parametrize(("backend", "device"), ON)
@pytest.mark.parametrize("wrap", [True, False])
def test_textures_agree_forward_and_backward(backend: str, device: str, wrap: bool) -> None:
    mips = build_mips(random(16, 8, 3))
    at = [random(300, 2) * 2 - 0.5, random(300) * 6 - 1]
    expected, found = (
        gradients(mips, at, lambda m, u, w, b=b: use_backend(b)(texture2d)(m, u, w, wrap=wrap), d)
        for b, d in (("reference", "cpu"), (backend, device))
    )
    assert len(found) == len(expected) == 1 + len(mips) + 2
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("backend", "device"), ON)
@pytest.mark.parametrize("sizes", [(32, 16, 8), (16, 8), (16,)])
@pytest.mark.parametrize("channels", [3, 1])
def test_cubes_agree_forward_and_backward(
    backend: str, device: str, sizes: tuple[int, ...], channels: int
) -> None:
    levels = cube_levels(*sizes, channels=channels)
    lod = random(2000, seed=4) * (len(sizes) + 2) - 1.5
    lod[:3] = torch.tensor([0.0, 1.0, len(sizes) - 1.0])
    at = [unit(2000) * 3, lod]
    expected, found = (
        gradients(levels, at, lambda m, v, w, b=b: use_backend(b)(texture_cube)(m, v, w), d)
        for b, d in (("reference", "cpu"), (backend, device))
    )
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", ["reference", "numba"])
def test_directions_on_edges_corners_and_of_no_length_are_finite(backend: str) -> None:
    levels = cube_levels(8, 4)
    signs = torch.tensor([-1.0, 0.0, 1.0])
    directions = torch.cartesian_prod(signs, signs, signs)
    expected = use_backend("reference")(texture_cube)(levels, directions, torch.full((27,), 0.5))
    found = use_backend(backend)(texture_cube)(levels, directions, torch.full((27,), 0.5))
    assert found.isfinite().all()
    torch.testing.assert_close(found, expected)


def test_a_level_or_direction_that_is_no_number_reads_nothing_foreign() -> None:
    levels = cube_levels(8, 4)
    nan = float("nan")
    directions = torch.tensor([[nan, 1, 0], [1, nan, 0], [0, 0, 1], [math.inf, 1, 0]])
    lod = torch.tensor([0.5, 0.5, nan, 0.5])
    found = use_backend("numba")(texture_cube)(levels, directions.requires_grad_(), lod)
    assert found[1:3].isnan().all()
    found.sum().backward()


def test_reference_gradients_are_those_of_finite_differences() -> None:
    mips = [m.double().requires_grad_() for m in build_mips(random(4, 8, 2))]
    uv = ((random(10, 2) * 3).double() + 1e-3).requires_grad_()
    lod = (random(10, seed=5).double() * 2 + 0.1).requires_grad_()
    for wrap in (True, False):
        assert torch.autograd.gradcheck(
            lambda u, w, *m, wrap=wrap: texture2d(m, u, w, wrap=wrap), (uv, lod, *mips)
        )
    levels = [x.double().requires_grad_() for x in cube_levels(4, 2, channels=2)]
    directions = unit(12).double().requires_grad_()
    fraction = (random(12, seed=6).double() * 0.8 + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda v, w, *m: texture_cube(m, v, w), (directions, fraction, *levels)
    )


@pytest.mark.parametrize("backend", ALL)
def test_cube_lookups_have_no_seams(backend: str) -> None:
    """On both sides of every edge the value is the same but for the step's own change."""
    levels = cube_levels(8)
    generator = torch.Generator().manual_seed(1)
    along = torch.rand(400, generator=generator) * 1.6 - 0.8  # away from the corners
    axes = torch.randint(0, 3, (400,), generator=generator)
    signs = torch.randint(0, 2, (400, 2), generator=generator).float() * 2 - 1
    step = 1e-4

    def beside(first: float, second: float) -> Tensor:
        edge = torch.stack([along, signs[:, 0] * first, signs[:, 1] * second], dim=1)
        places = (torch.arange(3)[None] - axes[:, None]) % 3
        return use_backend(backend)(texture_cube)(levels, edge.gather(1, places), None)

    jump = (beside(1.0, 1.0 - step) - beside(1.0 - step, 1.0)).abs().max()
    assert jump < 16 * step


@pytest.mark.parametrize("backend", ALL)
def test_the_length_of_a_direction_does_not_matter(backend: str) -> None:
    levels = cube_levels(16, 8)
    directions, lod = unit(300), random(300)
    found = use_backend(backend)(texture_cube)(levels, directions * 7.5, lod)
    torch.testing.assert_close(
        found, use_backend(backend)(texture_cube)(levels, directions, lod), rtol=0, atol=1e-4
    )


@given(st.integers(0, 2**16), st.floats(0, 100), st.floats(-5, 5))
@settings(max_examples=30, deadline=None)
def test_a_constant_stays_constant(seed: int, value: float, lod: float) -> None:
    level = torch.full((20,), lod)
    cube = [torch.full((6, size, size, 3), value) for size in (16, 8, 4)]
    found = texture_cube(cube, unit(20, seed), level)
    torch.testing.assert_close(found, torch.full_like(found, value))
    flat = build_mips(torch.full((8, 8, 3), value))
    found = texture2d(flat, random(20, 2, seed=seed) * 4 - 2, level)
    torch.testing.assert_close(found, torch.full_like(found, value))
