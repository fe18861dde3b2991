"""The cube map's filters on Warp, against those of a CPU."""

from __future__ import annotations

import pytest
import torch

from diffrec.ops import cubemap, neighbours, sparse
from diffrec.ops.backends import use_backend
from diffrec.ops.cubefilter import CubeFilter
from diffrec.ops.sparse.numba import transpose
from diffrec.shading.light import EnvironmentLight
from diffrec.shading.split_sum import prepare

CPU = torch.device("cpu")


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_levels_irradiance_and_gradient(size: int) -> None:
    generator = torch.Generator().manual_seed(size)
    base = torch.rand(6, size, size, 3, generator=generator)
    results = []
    for filter_ in (CubeFilter(size, CPU), use_backend("warp")(CubeFilter)(size, CPU)):
        leaf = base.clone().requires_grad_()
        levels, irradiance = filter_(leaf)
        generator.manual_seed(1)
        total = (irradiance * torch.randn(irradiance.shape, generator=generator)).sum()
        for level in levels:
            total = total + (level * torch.randn(level.shape, generator=generator)).sum()
        total.backward()
        results.append([*levels, irradiance, leaf.grad])
    for one, other in zip(*results, strict=True):
        assert one is not None and other is not None and one.shape == other.shape
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_packed_levels_are_the_levels() -> None:
    filter_ = use_backend("warp")(CubeFilter)(32, CPU)
    packed, levels, _irradiance = filter_.packed(torch.rand(6, 32, 32, 3))
    assert packed is not None
    torch.testing.assert_close(packed, torch.cat([level.reshape(-1, 3) for level in levels]))
    assert prepare(EnvironmentLight(32)).packed is None, "a CPU has no use for it"


@pytest.mark.parametrize("size", [8, 32])
def test_neighbours_and_transposes_without_numba(size: int) -> None:
    directions = cubemap.texel_directions(size).reshape(-1, 3)
    reach = 6
    table = cubemap.neighbour_table(size, reach)
    nearest = float(torch.cos(torch.tensor(2.0 / size)))
    expected = neighbours.within(directions, table, reach, nearest)
    found = neighbours.reference.within(directions, table, reach, nearest)
    assert len(expected[1]) == len(found[1])
    assert torch.equal(expected[0], found[0]) and torch.equal(expected[1], found[1])
    value = torch.rand(len(found[1]))
    for one, other in zip(
        transpose(*found, value, len(directions)),
        sparse.reference.transpose(*found, value, len(directions)),
        strict=True,
    ):
        assert torch.equal(one, other)
