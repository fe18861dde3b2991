"""Free directions, irradiance with shadows, and its gradients."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from diffrec.geometry.mesh import Mesh
from diffrec.materials import MaterialSample
from diffrec.ops.backends import use_backend
from diffrec.ops.texture_cube import texture_cube
from diffrec.shading.light import EnvironmentLight
from diffrec.shading.models import Lighting
from diffrec.shading.points import VisiblePoints
from diffrec.shading.shadowed import Shadows
from diffrec.shading.split_sum.prefiltered import prepare
from diffrec.shading.visibility import Places, VisibilityTable, irradiance

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card")
DEVICES = ["cpu", pytest.param("cuda", marks=CUDA)]


def chart(rows: int, columns: int, corner: tuple[float, float], size: tuple[float, float]) -> Mesh:
    """Rows x columns quads, whose positions [V, 2] are places in the chart, from 0 to 1."""
    v, u = torch.meshgrid(
        torch.linspace(0, 1, rows + 1), torch.linspace(0, 1, columns + 1), indexing="ij"
    )
    uv = torch.stack([u, v], -1).reshape(-1, 2)
    i, j = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    a = (i * (columns + 1) + j).reshape(-1)
    b, c, d = a + 1, a + columns + 1, a + columns + 2
    triangles = torch.cat([torch.stack([a, c, b], 1), torch.stack([b, c, d], 1)])
    return Mesh(uv, triangles, torch.tensor(corner) + uv * torch.tensor(size), triangles)


def floor_and_roof(height: float) -> Mesh:
    """A square floor, [-1, 1]^2 at y 0, and a roof over its half x > 0, facing down."""
    floor, roof = (chart(n, n, (x, 0.02), (0.45, 0.96)) for n, x in ((8, 0.02), (4, 0.53)))
    u, v = floor.positions.unbind(1)
    below = torch.stack([2 * u - 1, torch.zeros_like(u), 2 * v - 1], 1)
    u, v = roof.positions.unbind(1)
    above = torch.stack([u, torch.full_like(u, height), 1 - 2 * v], 1)
    assert floor.texcoords is not None and roof.texcoords is not None
    triangles = torch.cat([floor.triangles, roof.triangles + len(below)])
    texcoords = torch.cat([floor.texcoords, roof.texcoords])
    return Mesh(torch.cat([below, above]), triangles, texcoords, triangles)


def ball(axes: tuple[float, float, float], inside_out: bool = False) -> Mesh:
    """An ellipsoid of rough triangles, closed."""
    found = chart(10, 20, (0.02, 0.02), (0.96, 0.96))
    u, v = found.positions.unbind(1)
    ring = torch.sin(math.pi * v)
    round_ = [ring * torch.cos(2 * math.pi * u), torch.cos(math.pi * v)]
    places = torch.stack([*round_, -ring * torch.sin(2 * math.pi * u)], 1) * torch.tensor(axes)
    _, same = torch.unique((places * 1e4).round(), dim=0, return_inverse=True)
    first = torch.zeros(int(same.max()) + 1, 3).index_copy(0, same, places)
    triangles = same[found.triangles]
    if inside_out:
        triangles = triangles.flip(1)
        assert found.texcoord_triangles is not None
        found = replace(found, texcoord_triangles=found.texcoord_triangles.flip(1))
    return replace(found, positions=first, triangles=triangles)


def table_of(mesh: Mesh, device: str = "cpu", **options: int) -> VisibilityTable:
    mesh = mesh.to(device)
    found = VisibilityTable(mesh, (256, 256), **{"cells": 8, "parts": 1, **options})
    found.make(mesh.positions)
    return found


def smooth_light(seed: int, resolution: int = 32) -> EnvironmentLight:
    light = EnvironmentLight(resolution)
    coarse = torch.rand((6, 4, 4, 3), generator=torch.Generator().manual_seed(seed))
    factor = resolution // 4
    light.base.data = coarse.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
    return light


@pytest.mark.parametrize("device", DEVICES)
@given(axes=st.tuples(*[st.floats(0.3, 2.0)] * 3))
@settings(max_examples=3, deadline=None)
def test_a_convex_body_does_not_shadow_itself(
    device: str, axes: tuple[float, float, float]
) -> None:
    table = table_of(ball(axes), device)
    assert float(table.open.quantile(0.02)) > 0.97 and float(table.open.mean()) > 0.995
    assert float((table.hits < len(table.open)).float().mean()) < 0.01


@pytest.mark.parametrize("height", [0.3, 1.0])
def test_under_a_roof_the_sky_is_open_by_its_form_factor(height: float) -> None:
    """The share of a parallel rectangle over a point, from a corner (Siegel and Howell, C-11)."""
    table = table_of(floor_and_roof(height), cells=8, parts=2)
    below = table.normal[:, 1] > 0.5
    x, _, z = table.position[below].double().unbind(1)

    def corner(width: Tensor, depth: Tensor) -> Tensor:
        a, b = width / height, depth / height
        ra, rb = torch.sqrt(1 + a * a), torch.sqrt(1 + b * b)
        return (a / ra * torch.atan(b / ra) + b / rb * torch.atan(a / rb)) / (2 * math.pi)

    roof = corner(1 - x, 1 - z) - corner(-x, 1 - z) + corner(1 - x, 1 + z) - corner(-x, 1 + z)
    error = (table.open[below] - (1 - roof)).abs()
    # Rays begin a tenth of a triangle's edge above the floor, which the roof is nearer to.
    assert float(error.max()) < 0.1 and float(error.mean()) < 0.02
    assert float(roof.max()) > 0.3


@pytest.fixture(scope="module")
def round_table() -> VisibilityTable:
    return table_of(ball((1.0, 1.0, 1.0)), cells=16)


@given(seed=st.integers(0, 1000))
@settings(max_examples=5, deadline=None)
def test_without_shadows_irradiance_is_the_split_sums(
    seed: int, round_table: VisibilityTable
) -> None:
    table, light = round_table, smooth_light(seed)
    with torch.no_grad():
        found = irradiance(table.vectors(light), table.normal)
        expected = texture_cube([prepare(light).irradiance], table.normal, None)
    open_ = table.open > 0.995
    assert float(open_.float().mean()) > 0.8
    assert float(((found - expected) / expected)[open_].abs().max()) < 0.03


def test_a_sun_that_a_roof_hides_leaves_a_shadow() -> None:
    light = EnvironmentLight(16)
    light.base.data.zero_()
    light.base.data[2, 7:9, 7:9] = 100.0  # straight above
    table = table_of(floor_and_roof(0.5))
    reached = irradiance(table.vectors(light), table.normal)[:, 0].detach()
    x, _, z = table.position.unbind(1)
    below = table.normal[:, 1] > 0.5
    sunny = reached[below & (x < -0.2)]
    assert float(reached[below & (x > 0.2) & (x < 0.8) & (z.abs() < 0.8)].max()) == 0
    assert float(sunny.min()) == pytest.approx(float(sunny.max()), rel=1e-5)
    assert float(sunny.min()) > 0.1


@pytest.mark.parametrize("albedo", [0.3, 0.8])
def test_in_a_closed_room_light_comes_back_with_every_bounce(albedo: float) -> None:
    table = table_of(ball((1.0, 0.8, 1.2), inside_out=True))
    assert int((table.hits == len(table.open)).sum()) == 0
    vectors = table.normal[:, :, None].expand(-1, 3, 3)  # each is lit by 1
    colours = torch.full((len(table.open), 3), albedo)
    once, twice = (table.sent_on(vectors, colours, bounces) for bounces in (1, 2))
    assert torch.allclose(once, torch.full_like(once, albedo), atol=1e-5)
    assert torch.allclose(twice, torch.full_like(once, albedo + albedo**2), atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
def test_a_table_made_anew_is_the_same_and_lies_where_it_lay(device: str) -> None:
    mesh = floor_and_roof(0.5).to(device)
    table = table_of(mesh, device)
    tensors = {name: one for name, one in vars(table).items() if isinstance(one, Tensor)}
    before = {name: (one.data_ptr(), one.clone()) for name, one in tensors.items()}
    moved = mesh.positions * torch.tensor([1.0, 3.0, 1.0], device=device)
    table.make(moved)
    assert not torch.equal(table.open, before["open"][1])
    table.make(mesh.positions)
    for name, (address, value) in before.items():
        now = getattr(table, name)
        assert now.data_ptr() == address and torch.equal(now, value), name


def test_a_point_takes_nothing_from_a_chart_beside_its_own() -> None:
    """The roof's chart begins 2 % of the texture beside the floor's, which is a texel or two."""
    table = table_of(floor_and_roof(0.5))
    # The floor's border at the roof's chart: u just inside 0.47, x just inside 1.
    v = torch.linspace(0.1, 0.9, 20)
    uv = torch.stack([torch.full_like(v, 0.4695), v], 1)
    position = torch.stack([torch.full_like(v, 0.998), torch.zeros_like(v), (v - 0.5) / 0.48], 1)
    places = table.at(uv, position)
    assert torch.allclose(places.share.sum(1), torch.ones(20))
    of_roof = (table.position[places.texel][..., 1] > 0.25).float()
    assert float((of_roof * places.share).sum(1).max()) < 1e-3


def points(table: VisibilityTable, count: int = 4) -> tuple[VisiblePoints, MaterialSample]:
    generator = torch.Generator().manual_seed(1)
    place = table.open.device
    chosen = torch.randperm(len(table.open), generator=generator)[:count].to(place)
    centre = torch.stack([table._at % table.edge, table._at // table.edge], 1)[chosen]
    uv = (centre + 0.5) / table.edge

    def drawn(low: float, high: float) -> Tensor:
        return (low + (high - low) * torch.rand((count, 3), generator=generator)).to(place)

    normal = functional.normalize(table.normal[chosen] + drawn(-0.3, 0.3), dim=1)
    pixels = torch.zeros(count, dtype=torch.int64, device=place)
    seen = VisiblePoints(table.position[chosen], normal, None, pixels, count, uv)
    return seen, MaterialSample(drawn(0.1, 0.9), drawn(0.3, 0.9), drawn(0.0, 1.0))


CAMERA = torch.tensor([[-3.0, 2.5, 2.0]])


def test_shaded_is_what_reaches_the_surface_and_what_it_mirrors() -> None:
    """Under a sky of 1: albedo times what is open, and a reflection where the way is free."""
    table = table_of(floor_and_roof(0.3), cells=16)
    light = EnvironmentLight(16)
    light.base.data.fill_(1.0)
    seen, sample = points(table, 400)
    assert seen.uv is not None
    places = table.at(seen.uv, seen.position)
    seen = replace(seen, normal=places.fetch(table.normal))
    lit = replace(Lighting.of(light), shadows=Shadows(table, table.vectors(light)))
    below = seen.normal[:, 1] > 0.99
    x, _, z = seen.position.unbind(1)

    def shaded(lit: Lighting, kd: Tensor, ks: list[float]) -> Tensor:
        made = replace(sample, kd=kd, ks=torch.tensor([ks]).expand(len(kd), 3))
        with torch.no_grad():
            return lit.shade(seen, made, CAMERA)[0]

    black = torch.zeros_like(sample.kd)
    # The occlusion is known, so that of the material has no part.
    diffuse = shaded(lit, sample.kd, [0.7, 1.0, 0.0]) - shaded(lit, black, [0.0, 1.0, 0.0])
    expected = sample.kd * places.fetch(table.open[:, None])
    assert torch.allclose(diffuse[below], expected[below], atol=0.02)
    # Mirrored along a slope of some 40 degrees, which gains 0.36 on its way to the roof.
    mirror = shaded(lit, black + 1, [0.0, 0.1, 1.0])
    whole = shaded(Lighting.of(light), black + 1, [0.0, 0.1, 1.0])
    free, hidden = below & (x < -0.7), below & (x > 0.05) & (x < 0.4) & (z.abs() < 0.4)
    assert int(free.sum()) > 5 and int(hidden.sum()) > 5
    assert torch.allclose(mirror[free], whole[free], atol=0.01)
    assert float(mirror[hidden].max()) < 0.05


@pytest.mark.parametrize(
    ("backend", "device"), [("warp", "cpu"), pytest.param(None, "cuda", marks=CUDA)]
)
def test_backends_agree_on_colours_and_gradients(backend: str | None, device: str) -> None:
    def found(device: str, backend: str | None) -> list[Tensor]:
        table = table_of(floor_and_roof(0.5), device, cells=4)
        seen, sample = points(table, 40)
        light = smooth_light(2, 16).to(device)
        leaves = [one.clone().requires_grad_() for one in (seen.normal, sample.kd, sample.ks)]
        with use_backend(backend):
            lit = replace(Lighting.of(light), shadows=Shadows(table, table.vectors(light)))
            exact, made = replace(seen, normal=leaves[0]), replace(sample, kd=leaves[1])
            color, _ = lit.shade(exact, replace(made, ks=leaves[2]), CAMERA.to(device))
            weights = torch.arange(color.numel(), device=device).reshape(color.shape).cos()
            (color * weights).sum().backward()
        return [color.detach().cpu(), *(one.grad.cpu() for one in (*leaves, light.base))]  # type: ignore[union-attr]

    expected = found("cpu", "reference")
    for one, other in zip(found(device, backend), expected, strict=True):
        assert torch.allclose(one, other, atol=2e-5, rtol=1e-4)


def test_gradients_agree_with_differences() -> None:
    table = table_of(floor_and_roof(0.5), cells=4)
    table.free = table.free.double()
    seen, sample = points(table)
    light = smooth_light(3, 16)
    base, normal, kd, ks = (
        one.detach().double().requires_grad_()
        for one in (light.base[:, :1, :1], seen.normal, sample.kd, sample.ks)
    )
    camera = CAMERA.double()
    with torch.no_grad():
        known = prepare(light)
    mirrored = replace(
        known,
        specular=[one.double() for one in known.specular],
        packed=None,
        irradiance=known.irradiance.double(),
    )

    def shaded(base: Tensor, normal: Tensor, kd: Tensor, ks: Tensor) -> Tensor:
        texels = base.repeat_interleave(16, 1).repeat_interleave(16, 2)
        lit = EnvironmentLight(16).double()
        lit.__dict__["base"] = texels
        del lit._parameters["base"]
        shadows = Shadows(table, table.vectors(lit))
        exact = replace(seen, position=seen.position.double(), normal=normal)
        made = replace(sample, kd=kd, ks=ks, normal=sample.normal.double())
        color, bent = shadows.shade(exact, made, mirrored, camera, wants_normal=True)
        assert bent is not None
        return color

    # The roughness also turns a share of what is open, which has no gradient by design: fixed.
    rough = ks.detach().clone()

    def given_rough(*of: Tensor) -> Tensor:
        base, normal, kd, other = of
        return shaded(base, normal, kd, torch.cat([other[:, :1], rough[:, 1:2], other[:, 2:]], 1))

    assert torch.autograd.gradcheck(
        given_rough, (base, normal.detach(), kd, ks), atol=1e-6, fast_mode=True
    )

    def reached(base: Tensor, normal: Tensor) -> Tensor:
        lit = EnvironmentLight(16).double()
        lit.__dict__["base"] = base.repeat_interleave(16, 1).repeat_interleave(16, 2)
        del lit._parameters["base"]
        assert seen.uv is not None
        places: Places = table.at(seen.uv, seen.position)
        return irradiance(places.fetch(table.vectors(lit).flatten(1)).reshape(-1, 3, 3), normal)

    assert torch.autograd.gradcheck(reached, (base, normal), atol=1e-6, fast_mode=True)
