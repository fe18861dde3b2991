"""The filtered chain of a cube map: exactness, conservation, gradients."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import Tensor

from diffrec.ops import cubefilter, cubemap
from diffrec.ops.average_pool import average_pool
from diffrec.ops.cubefilter import (
    CubeFilter,
    level_of_roughness,
    roughness_of_levels,
)
from diffrec.ops.cubemap.lobes import exact_rows, ggx_lobe
from diffrec.ops.sparse import Rows, SparseMap, _as_torch

CPU = torch.device("cpu")


def noise(size: int, *, power: float = 1.0) -> Tensor:
    """Random texels; of a high power, a few bright ones on black."""
    generator = torch.Generator().manual_seed(size)
    return torch.rand(6, size, size, 3, generator=generator) ** power * (power + 1)


@functools.cache
def wide_range(size: int) -> tuple[Tensor, list[Tensor], Tensor]:
    base = noise(size, power=40)
    levels, irradiance = CubeFilter.of(torch.empty(6, size, size, 3))(base)
    return base, levels, irradiance


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected).abs().sum() / expected.abs().sum())


def some_texels(size: int, count: int) -> tuple[Tensor, Tensor]:
    """Indices and directions; half of them at the borders of faces."""
    generator = torch.Generator().manual_seed(1)
    places = torch.arange(6 * size * size)
    row, column = places // size % size, places % size
    border = places[(row % (size - 1) == 0) | (column % (size - 1) == 0)]
    chosen = torch.cat(
        [p[torch.randperm(len(p), generator=generator)[: count // 2]] for p in (places, border)]
    )
    return chosen, cubemap.texel_directions(size, torch.float64).reshape(-1, 3)[chosen]


def test_roughness_of_levels_and_back() -> None:
    assert roughness_of_levels(6) == pytest.approx([0.08, 0.185, 0.29, 0.395, 0.5, 1.0])
    for count in (1, 2, 3, 6):
        roughness = torch.tensor(roughness_of_levels(count))
        torch.testing.assert_close(
            level_of_roughness(roughness, count), torch.arange(count).float()
        )


def test_levels_grow_with_roughness_and_stay_within_the_chain() -> None:
    roughness = torch.linspace(-0.5, 1.5, 500, dtype=torch.float64)
    level = level_of_roughness(roughness, 6)
    assert (level.diff() >= 0).all()
    assert (float(level[0]), float(level[-1])) == (0.0, 5.0)
    assert float(level.diff().max()) < 0.05  # no jump where the two ramps meet
    least = level_of_roughness(torch.tensor([0.0, 0.2]), 6, lowest=0.29)
    torch.testing.assert_close(least, torch.tensor([2.0, 2.0]))


def test_level_gradient() -> None:
    roughness = torch.tensor([0.1, 0.3, 0.45, 0.6, 0.99], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda r: level_of_roughness(r, 6), (roughness,))


@pytest.mark.parametrize("roughness", [0.08, 0.5, 1.0])
def test_the_lobe_is_ggx_about_the_half_vector(roughness: float) -> None:
    light = torch.tensor([0.1, 0.7, 1.3], dtype=torch.float64)
    alpha2 = roughness**4
    half = torch.cos(light / 2)
    expected = torch.cos(light) / (half**2 * (alpha2 - 1) + 1) ** 2
    torch.testing.assert_close(ggx_lobe(torch.cos(light), roughness), expected)
    assert float(ggx_lobe(torch.tensor(-0.1), roughness)) == 0


@pytest.mark.parametrize("roughness", [0.08, 0.4, 1.0, None])
def test_exact_rows_add_up_to_one(roughness: float | None) -> None:
    rows = dense_filter(4, 8, roughness)
    torch.testing.assert_close(rows.sum(1), torch.ones(96, dtype=torch.float64))
    assert (rows >= 0).all()


def test_irradiance_of_the_upper_half_is_the_cosine_law() -> None:
    """A sky of one above the horizon lights a surface with (1 + n . up) / 2."""
    directions = cubemap.texel_directions(64, torch.float64).reshape(-1, 3)
    sky = (directions[:, 1] > 0).double()
    normals = torch.nn.functional.normalize(
        torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)), dim=1
    )
    found = exact_rows(normals, 64, None) @ sky
    torch.testing.assert_close(found, (1 + normals[:, 1]) / 2, rtol=0, atol=2e-3)


@pytest.mark.parametrize("size", [16, 32, 128])
def test_a_constant_environment_stays_constant(size: int) -> None:
    levels, irradiance = CubeFilter.of(torch.empty(6, size, size, 3))(
        torch.full((6, size, size, 3), 0.7)
    )
    assert [level.shape[1] for level in levels] == [
        size // 2**k for k in range(len(roughness_of_levels(len(levels))))
    ]
    for level in (*levels, irradiance):
        torch.testing.assert_close(level, torch.full_like(level, 0.7), rtol=1e-5, atol=0)


def test_the_whole_chain_of_a_small_map_against_the_exact_one() -> None:
    base = noise(32)
    levels, irradiance = CubeFilter.of(torch.empty(6, 32, 32, 3))(base)
    texels = base.double().reshape(-1, 3)
    expected = [
        (dense_filter(size, 32, roughness) @ texels).reshape(6, size, size, 3)
        for size, roughness in zip((32, 16), roughness_of_levels(2), strict=True)
    ]
    # The first lobe is narrower than a texel: the exact one leaves all as it is.
    assert relative_error(levels[0], expected[0]) < 0.03
    assert relative_error(levels[1], expected[1]) < 0.001
    cosine = (dense_filter(16, 32, None) @ texels).reshape(6, 16, 16, 3)
    assert relative_error(irradiance, cosine) < 0.001


@pytest.mark.parametrize(
    ("size", "bounds"), [(64, (0.01, 0.005)), (256, (0.025, 0.01, 0.005, 0.002))]
)
def test_few_bright_texels_against_the_exact_filter(size: int, bounds: tuple[float, ...]) -> None:
    base, levels, irradiance = wide_range(size)
    roughness = roughness_of_levels(len(levels))
    for level, bound in enumerate(bounds, start=1):
        chosen, directions = some_texels(levels[level].shape[1], 24)
        rows = exact_rows(directions, size, roughness[level])
        expected = rows @ base.double().reshape(-1, 3)
        assert relative_error(levels[level].reshape(-1, 3)[chosen], expected) < bound
    chosen, directions = some_texels(16, 24)
    expected = exact_rows(directions, size, None) @ base.double().reshape(-1, 3)
    assert relative_error(irradiance.reshape(-1, 3)[chosen], expected) < 0.005


@pytest.mark.parametrize("size", [64, 256])
def test_filters_neither_add_nor_lose_light(size: int) -> None:
    base, levels, irradiance = wide_range(size)

    def power(cube: Tensor) -> Tensor:
        area = cubemap.solid_angles(cube.shape[1], torch.float64)[..., None]
        return (cube.double() * area).sum(dim=(0, 1, 2))

    for level in (*levels, irradiance):
        torch.testing.assert_close(power(level), power(base), rtol=2e-3, atol=0)


def test_the_backward_pass_is_the_transpose() -> None:
    """The filter is linear, so <g, F x> = <F' g, x> for any g and x."""
    generator = torch.Generator().manual_seed(5)
    base = noise(64).requires_grad_()
    levels, irradiance = CubeFilter.of(torch.empty(6, 64, 64, 3))(base)
    outputs = [*levels, irradiance]
    weights = [torch.randn(o.shape, generator=generator) for o in outputs]
    torch.autograd.backward(outputs, weights)
    assert base.grad is not None
    forward = sum(
        float((o.detach().double() * w).sum()) for o, w in zip(outputs, weights, strict=True)
    )
    backward = float((base.grad.double() * base.detach()).sum())
    scale = sum(float((o.detach() * w).abs().sum()) for o, w in zip(outputs, weights, strict=True))
    assert abs(forward - backward) < 1e-6 * scale


def test_the_same_filter_every_time() -> None:
    base = noise(64)
    first, second = (CubeFilter(64, CPU)(base) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first[0], second[0], strict=True))
    assert CubeFilter.of(torch.empty(6, 64, 64, 3)) is CubeFilter.of(torch.empty(6, 64, 64, 3))


@pytest.mark.parametrize("size", [8, 16])
def test_neighbourhoods_against_all_pairs(size: int) -> None:
    blur = cubefilter._gaussian(size, CPU)
    directions = cubemap.texel_directions(size).reshape(-1, 3)
    nearest = torch.cos(torch.tensor(2.6 * 0.9 * torch.pi / 2 / size))
    cosine = directions @ directions.T
    found = torch.zeros_like(cosine, dtype=torch.bool)
    row = torch.repeat_interleave(torch.arange(len(directions)), blur.start.diff())
    found[row, blur.column.long()] = True
    assert len(row) == int(found.sum())  # every texel once
    clear = (cosine - nearest).abs() > 1e-6
    assert torch.equal(found[clear], (cosine >= nearest)[clear])
    total = torch.zeros(len(directions)).index_add(0, row, blur.value)
    torch.testing.assert_close(total, torch.ones_like(total))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sparse_products_are_those_of_the_dense_matrix(channels: int) -> None:
    generator = torch.Generator().manual_seed(2)
    column = torch.randint(0, 9, (30,), generator=generator).int()  # some twice in a row
    start = torch.tensor([0, 4, 4, 11, 20, 30])
    value = torch.randn(30, generator=generator)
    rows = Rows(start, column, value, 9)
    row = torch.repeat_interleave(torch.arange(5), start.diff())
    dense = torch.zeros(5, 9).index_put((row, column.long()), value, accumulate=True)
    torch.testing.assert_close(_as_torch(rows, CPU).to_dense(), dense)
    torch.testing.assert_close(_as_torch(rows.transposed(), CPU).to_dense(), dense.T)
    texels = torch.randn(9, channels, generator=generator, requires_grad=True)
    weight = torch.randn(5, channels, generator=generator)
    result = SparseMap(rows, CPU)(texels)
    torch.testing.assert_close(result, dense @ texels)
    (gradient,) = torch.autograd.grad(result, texels, weight)
    torch.testing.assert_close(gradient, dense.T @ weight)


def test_pooling_is_the_mean_with_its_gradient() -> None:
    cube = noise(8).requires_grad_()
    pooled = average_pool(cube)
    expected = cube.reshape(6, 4, 2, 4, 2, 3).mean(dim=(2, 4))
    torch.testing.assert_close(pooled, expected)
    weight = noise(4)
    (found,) = torch.autograd.grad(pooled, cube, weight, retain_graph=True)
    (wanted,) = torch.autograd.grad(expected, cube, weight)
    torch.testing.assert_close(found, wanted)
    double = noise(4).double().requires_grad_()
    assert torch.autograd.gradcheck(average_pool, (double,))


def dense_filter(size_out: int, size_in: int, roughness: float | None) -> torch.Tensor:
    """The exact filter of a whole cube map, [6 Ro^2, 6 Ri^2]."""
    directions = cubemap.texel_directions(size_out, torch.float64).reshape(-1, 3)
    return exact_rows(directions, size_in, roughness)
