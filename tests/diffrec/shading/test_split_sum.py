"""Split-sum shading and perturbed normals."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from diffrec.ops import cubemap
from diffrec.ops.cubemap.lobes import exact_rows
from diffrec.shading.light import EnvironmentLight
from diffrec.shading.split_sum import brdf_table
from diffrec.shading.split_sum.constants import LEAST_COSINE
from diffrec.shading.split_sum.prefiltered import PrefilteredLight, prepare
from diffrec.shading.split_sum.reference import perturbed_normal, shade


def random_light(size: int = 32) -> EnvironmentLight:
    light = EnvironmentLight(size)
    generator = torch.Generator().manual_seed(size)
    light.base.data = torch.rand(light.base.shape, generator=generator) ** 4 * 3
    return light


def points(count: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Normals, views on their side, albedo and (occlusion, roughness, metalness)."""
    generator = torch.Generator().manual_seed(seed)
    normal = functional.normalize(torch.randn(count, 3, generator=generator), dim=1)
    view = functional.normalize(normal + 0.6 * torch.randn(count, 3, generator=generator), dim=1)
    view = torch.where((view * normal).sum(1, keepdim=True) < 0, -view, view)
    kd, ks = torch.rand(2, count, 3, generator=generator)
    ks[:, 1] = 0.1 + 0.85 * ks[:, 1]
    return normal, view, kd, ks


def material(count: int, occlusion: float, roughness: float, metalness: float) -> Tensor:
    return torch.tensor([[occlusion, roughness, metalness]]).expand(count, 3)


def test_a_white_furnace_gives_back_no_more_than_it_sends() -> None:
    normal, view, _, _ = points(500)
    light = EnvironmentLight(16)
    with torch.no_grad():
        light.base.fill_(1.0)
    for roughness in (0.08, 0.3, 0.6, 1.0):
        metal = shade(
            normal, view, torch.ones(500, 3), material(500, 0, roughness, 1), prepare(light)
        ).detach()
        cosine = (normal * view).sum(1).clamp(LEAST_COSINE, 1)
        expected = brdf_table.lookup(cosine, torch.full_like(cosine, roughness)).sum(1)
        torch.testing.assert_close(metal, expected[:, None].expand(-1, 3), rtol=1e-4, atol=1e-5)
        assert float(metal.max()) <= 1.003
        assert float(metal.min()) >= 0


def test_a_black_rough_surface_shows_only_the_dielectric_reflection() -> None:
    normal, view, _, ks = points(200)
    light = prepare(random_light())
    dark = shade(normal, view, torch.zeros(200, 3), ks * torch.tensor([0.0, 1, 0]), light)
    lit = shade(normal, view, torch.full((200, 3), 0.5), ks * torch.tensor([0.0, 1, 0]), light)
    from_diffuse = (lit - dark).detach()
    expected = shade(normal, normal, torch.full((200, 3), 0.5), material(200, 0, 1, 0), light)
    floor = shade(normal, normal, torch.zeros(200, 3), material(200, 0, 1, 0), light)
    torch.testing.assert_close(from_diffuse, (expected - floor).detach(), rtol=1e-4, atol=1e-5)
    assert (dark > 0).all()


def test_occlusion_darkens_and_metal_has_no_diffuse_part() -> None:
    normal, view, kd, ks = points(100)
    light = prepare(random_light())
    clear = ks * torch.tensor([0.0, 1, 1])
    half = clear + torch.tensor([0.5, 0, 0])
    full = shade(normal, view, kd, clear, light)
    torch.testing.assert_close(shade(normal, view, kd, half, light), full * 0.5)
    without = PrefilteredLight(light.specular, torch.zeros_like(light.irradiance))
    metal = material(100, 0, 0.4, 1)
    torch.testing.assert_close(
        shade(normal, view, kd, metal, light), shade(normal, view, kd, metal, without)
    )


def test_a_view_along_the_normal_agrees_with_exact_filters() -> None:
    """The split sum by its definition, with exact lobes, at the roughness of a level."""
    generator = torch.Generator().manual_seed(3)
    light = random_light(64)
    normal = cubemap.texel_directions(16).reshape(-1, 3)
    normal = normal[torch.randperm(len(normal), generator=generator)[:40]]
    base = light.base.detach().double().reshape(-1, 3)
    kd = torch.rand(40, 3, generator=generator)
    found = shade(normal, normal, kd, material(40, 0, 1, 0), prepare(light)).detach()
    lobe = exact_rows(normal.double(), 64, 1.0) @ base
    cosine = exact_rows(normal.double(), 64, None) @ base
    one = torch.ones(40, dtype=torch.float64)
    factor = brdf_table.lookup(one, one)
    expected = cosine * kd + lobe * (0.04 * factor[:, :1] + factor[:, 1:])
    error = (found - expected).abs().sum() / expected.abs().sum()
    assert float(error) < 0.003


def test_a_mirror_shows_the_world_reflected() -> None:
    """A bright patch at +x is seen in a mirror that looks half way between it and the viewer."""
    light = EnvironmentLight(64)
    light.base.data.zero_()
    light.base.data[0, 28:36, 28:36] = 1.0
    view = torch.tensor([[0.0, 0, 1]])
    kd, ks = torch.ones(1, 3), material(1, 0, 0.08, 1)
    half = torch.tensor([[1.0, 0, 1]])
    seen = shade(half, view, kd, ks, prepare(light))
    assert float(seen.detach().min()) > 0.8
    away = shade(half * torch.tensor([-1.0, 0, 1]), view, kd, ks, prepare(light))
    assert float(away.detach().max()) < 0.01


def test_gradients_are_those_of_finite_differences() -> None:
    normal, view, kd, ks = (t.double().requires_grad_() for t in points(6, seed=4))
    generator = torch.Generator().manual_seed(5)
    levels = [
        torch.rand(6, s, s, 3, dtype=torch.float64, generator=generator).requires_grad_()
        for s in (4, 2, 2)
    ]

    def call(n: Tensor, v: Tensor, d: Tensor, s: Tensor, *cubes: Tensor) -> Tensor:
        return shade(n, v, d, s, PrefilteredLight(list(cubes[:2]), cubes[2]))

    assert torch.autograd.gradcheck(call, (normal, view, kd, ks, *levels))


def test_float32_gradients_are_those_of_the_float64_reference() -> None:
    light = prepare(random_light())
    results = []
    for dtype in (torch.float32, torch.float64):
        inputs = [t.to(dtype).requires_grad_() for t in points(500, seed=6)]
        cubes = [c.detach().to(dtype).requires_grad_() for c in (*light.specular, light.irradiance)]
        out = shade(*inputs, PrefilteredLight(cubes[:-1], cubes[-1]))  # type: ignore[call-arg]
        out.square().sum().backward()
        results.append([out.detach(), *(t.grad for t in (*inputs, *cubes))])
    for name, single, double in zip(
        ("out", "normal", "view", "kd", "ks", "level 0", "level 1", "irradiance"),
        *results,
        strict=True,
    ):
        assert single is not None
        assert double is not None
        error = (single.double() - double).abs().sum() / double.abs().sum()
        assert float(error) < 1e-3, name


FRAME = (torch.tensor([[0.0, 0, 1]]), torch.tensor([[1.0, 0, 0]]), torch.tensor([[0.0, 0, 1]]))


@pytest.mark.parametrize(
    ("tangent_normal", "expected"),
    [
        ((0.0, 0.0, 1.0), (0.0, 0.0, 1.0)),
        ((0.6, 0.0, 0.8), (0.6, 0.0, 0.8)),
        ((0.0, 0.6, 0.8), (0.0, 0.6, 0.8)),  # +y runs up: normal x tangent
        ((0.0, 0.0, 7.0), (0.0, 0.0, 1.0)),
    ],
)
def test_tangent_space_is_tangent_bitangent_normal(
    tangent_normal: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    normal, tangent, view = FRAME
    found = perturbed_normal(torch.tensor([tangent_normal]), normal, tangent, view)
    torch.testing.assert_close(found, torch.tensor([expected]))


def test_a_tangent_need_not_be_square_to_the_normal() -> None:
    normal, tangent, view = FRAME
    bent = tangent * 3 + normal * 2
    found = perturbed_normal(torch.tensor([[0.6, 0.0, 0.8]]), normal * 5, bent, view * 9)
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.0, 0.8]]))


def test_without_tangents_the_smooth_normal_is_used_on_the_viewer_s_side() -> None:
    normal, _, view = FRAME
    ignored = torch.tensor([[0.6, 0.0, 0.8]])
    torch.testing.assert_close(perturbed_normal(ignored, normal * 2, None, view), normal)
    torch.testing.assert_close(perturbed_normal(ignored, normal, None, -view), -normal)


def test_every_normal_faces_the_viewer_and_has_unit_length() -> None:
    generator = torch.Generator().manual_seed(7)
    tangent_normal, smooth, tangent, view = torch.randn(4, 2000, 3, generator=generator)
    for along in (tangent, None):
        found = perturbed_normal(tangent_normal, smooth, along, view)
        torch.testing.assert_close(found.norm(dim=1), torch.ones(2000))
        cosine = (found * functional.normalize(view, dim=1)).sum(1)
        assert float(cosine.min()) > LEAST_COSINE * 0.99


def test_a_normal_that_leans_away_is_bent_no_further_than_the_horizon() -> None:
    normal, tangent, view = FRAME
    found = perturbed_normal(torch.tensor([[1.0, 0.0, -0.5]]), normal, tangent, view)
    assert LEAST_COSINE <= float(found[0, 2]) < 1.2 * LEAST_COSINE
    assert float(found[0, 0]) == pytest.approx(1, abs=1e-5)


def test_gradients_of_perturbed_normals() -> None:
    generator = torch.Generator().manual_seed(8)
    inputs = [
        torch.randn(8, 3, dtype=torch.float64, generator=generator).requires_grad_()
        for _ in range(4)
    ]
    assert torch.autograd.gradcheck(perturbed_normal, inputs)
