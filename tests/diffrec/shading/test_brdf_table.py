"""The integrated BRDF against independent integrals."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from diffrec.shading.split_sum import brdf_table


def quadrature(cosine: float, roughness: float) -> tuple[float, float]:
    """A and B by the microfacet model's definition, over half vectors, float64.

    Polar angles are stretched so that the peak is resolved; G1 is written with n . v instead of
    the tangent.
    """
    alpha = roughness**2
    place = (torch.arange(500, dtype=torch.float64) + 0.5) / 500
    slope = alpha * torch.tan(place * math.pi / 2)
    polar = torch.atan(slope)
    stretch = alpha * math.pi / 2 / torch.cos(place * math.pi / 2) ** 2 / (1 + slope**2) / 500
    azimuth = (torch.arange(360, dtype=torch.float64) + 0.5) / 360 * 2 * math.pi
    area = (stretch * torch.sin(polar))[:, None] * (2 * math.pi / 360)
    polar, azimuth = torch.meshgrid(polar, azimuth, indexing="ij")
    half_z = torch.cos(polar)
    view = (math.sqrt(1 - cosine**2), cosine)
    view_half = view[0] * torch.sin(polar) * torch.cos(azimuth) + view[1] * half_z
    light_z = 2 * view_half * half_z - view[1]

    def shadowing(z: Tensor) -> Tensor:
        return 2 * z / (z + torch.sqrt(alpha**2 + (1 - alpha**2) * z * z))

    density = alpha**2 / (math.pi * ((alpha**2 - 1) * half_z**2 + 1) ** 2)
    lit = (light_z > 0) & (view_half > 0)
    masked = shadowing(light_z.clamp_min(1e-9)) * shadowing(torch.tensor(cosine).double())
    # dl = 4 (v . h) dh, and the n . l of the rendering equation cancels the model's own.
    value = torch.where(lit, density * masked * view_half / cosine * area, torch.zeros(()).double())
    fresnel = (1 - view_half.clamp(0, 1)) ** 5
    return float((value * (1 - fresnel)).sum()), float((value * fresnel).sum())


def looked_up(cosine: float, roughness: float) -> tuple[float, float]:
    at = (torch.tensor([v], dtype=torch.float64) for v in (cosine, roughness))
    scale, bias = brdf_table.lookup(*at)[0].tolist()
    return scale, bias


@pytest.mark.parametrize("roughness", [0.08, 0.2, 0.35, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("cosine", [0.02, 0.1, 0.3, 0.7, 1.0])
def test_the_table_against_quadrature(cosine: float, roughness: float) -> None:
    for found, expected in zip(
        looked_up(cosine, roughness), quadrature(cosine, roughness), strict=True
    ):
        assert found == pytest.approx(expected, abs=2.5e-3)


@pytest.mark.parametrize(("cosine", "roughness"), [(0.5, 0.4), (0.9, 0.8), (0.3, 0.6)])
def test_the_table_against_light_from_random_directions(cosine: float, roughness: float) -> None:
    """Uniform directions over the hemisphere share no sampling with the table."""
    count = 400_000
    numbers = torch.rand(2, count, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    light_z, azimuth = numbers[0], numbers[1] * 2 * math.pi
    ring = torch.sqrt(1 - light_z**2)
    light = torch.stack([ring * torch.cos(azimuth), ring * torch.sin(azimuth), light_z], dim=1)
    view = torch.tensor([math.sqrt(1 - cosine**2), 0, cosine], dtype=torch.float64)
    half = torch.nn.functional.normalize(light + view, dim=1)
    alpha2 = roughness**4
    density = alpha2 / (math.pi * ((alpha2 - 1) * half[:, 2] ** 2 + 1) ** 2)

    def shadowing(z: Tensor) -> Tensor:
        return 2 * z / (z + torch.sqrt(alpha2 + (1 - alpha2) * z * z))

    masked = shadowing(light_z) * shadowing(view[2])
    value = density * masked / (4 * cosine) * 2 * math.pi  # n . l cancels; 1 / pdf = 2 pi
    fresnel = (1 - half @ view) ** 5
    found = looked_up(cosine, roughness)
    for term, share in zip(found, (1 - fresnel, fresnel), strict=True):
        error = float((value * share).std()) / math.sqrt(count)
        assert term == pytest.approx(float((value * share).mean()), abs=4 * error + 2e-3)


def test_no_more_light_leaves_than_arrives() -> None:
    table = brdf_table.table("cpu").reshape(brdf_table.SIZE, brdf_table.SIZE, 2)
    assert (table >= 0).all()
    assert float(table.sum(-1).max()) <= 1.0001


def test_a_smooth_surface_reflects_by_schlick_s_law() -> None:
    cosine = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    found = brdf_table.integrate(cosine, torch.full_like(cosine, 0.02))
    fresnel = (1 - cosine) ** 5
    torch.testing.assert_close(found, torch.stack([1 - fresnel, fresnel], dim=1), rtol=0, atol=2e-3)


def test_the_stored_table_is_the_integral() -> None:
    table = brdf_table.table("cpu").reshape(brdf_table.SIZE, brdf_table.SIZE, 2)
    row, column = torch.randint(
        brdf_table.SIZE, (2, 200), generator=torch.Generator().manual_seed(0)
    )
    roughness, cosine = ((one.double() + 0.5) / brdf_table.SIZE for one in (row, column))
    found = table[row, column].double()
    expected = brdf_table.integrate(cosine, roughness)
    torch.testing.assert_close(found, expected, rtol=0, atol=1 / brdf_table.LEVELS)


def test_lookup_at_centres_and_beyond_the_border() -> None:
    table = brdf_table.table("cpu")
    centre = (torch.arange(brdf_table.SIZE) + 0.5) / brdf_table.SIZE
    found = brdf_table.lookup(centre, torch.full_like(centre, float(centre[7])))
    expected = table.reshape(brdf_table.SIZE, brdf_table.SIZE, 2)[7]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    corners = brdf_table.lookup(torch.tensor([0.0, 1.0, -3.0]), torch.tensor([0.0, 1.0, 9.0]))
    torch.testing.assert_close(corners[:2], table[[0, -1]])
    torch.testing.assert_close(corners[2], table[-brdf_table.SIZE])


def test_lookup_gradients() -> None:
    cosine, roughness = torch.rand(
        2, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    assert torch.autograd.gradcheck(
        brdf_table.lookup, (cosine.requires_grad_(), roughness.requires_grad_())
    )


def test_single_precision_changes_nothing() -> None:
    place = (torch.arange(64, dtype=torch.float64) + 0.125) / 64
    cosine, roughness = torch.meshgrid(place, place, indexing="ij")
    exact = brdf_table.integrate(cosine, roughness, 24)
    found = brdf_table.integrate(cosine.float(), roughness.float(), 24)
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=1e-6)
