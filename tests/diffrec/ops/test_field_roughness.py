"""The unevenness of a distance field about its surface."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from diffrec.ops.tetrahedra import roughness
from diffrec.ops.tetrahedra.grid import TetGrid, lattice
from diffrec.ops.tetrahedra.reference import crossing_edges

GRID = lattice(5)
DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


def degrees(grid: TetGrid) -> Tensor:
    return torch.bincount(grid.edges.reshape(-1), minlength=len(grid.vertices))


def of(sdf: Tensor, grid: TetGrid = GRID) -> Tensor:
    grid = grid.to(sdf.device)
    return roughness(grid, sdf, degrees(grid), crossing_edges(grid, sdf))


def plainly(sdf: Tensor) -> Tensor:
    """Vertex by vertex, as the sentence has it."""
    near, values, steps = set(), [], []
    beside: dict[int, list[int]] = {}
    for a, b in GRID.edges.tolist():
        beside.setdefault(a, []).append(b)
        beside.setdefault(b, []).append(a)
        if (sdf[a] < 0) != (sdf[b] < 0):
            near |= {a, b}
            steps.append((sdf[b] - sdf[a]).abs())
    unit = torch.stack(steps).mean().detach()
    for vertex in near:
        values.append(((sdf[beside[vertex]].mean() - sdf[vertex]) / unit) ** 2)
    return torch.stack(values).mean()


def noise(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(GRID.vertices), generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("device", DEVICES)
def test_it_is_what_it_says_with_its_gradient(device: str) -> None:
    for seed in range(3):
        exact = noise(seed).requires_grad_(True)
        expected = plainly(exact)
        expected.backward()
        sdf = exact.detach().float().to(device).requires_grad_(True)
        found = of(sdf)
        found.backward()
        torch.testing.assert_close(found.cpu().double(), expected.detach(), rtol=1e-5, atol=0)
        assert sdf.grad is not None and exact.grad is not None
        torch.testing.assert_close(sdf.grad.cpu().double(), exact.grad, rtol=1e-3, atol=1e-6)


@given(st.floats(1e-3, 1e3), st.tuples(*[st.floats(-1, 1)] * 3), st.floats(-0.2, 0.2))
def test_a_plane_is_even_whatever_its_scale(
    scale: float, normal: tuple[float, float, float], shift: float
) -> None:
    way = torch.tensor(normal, dtype=torch.float64)
    if float(way.norm()) < 0.1:
        return
    sdf = scale * (GRID.vertices.double() @ (way / way.norm()) + shift)
    border = (GRID.vertices.abs() > 0.49).any(1)
    inner = ~border[GRID.edges].any(1)
    grid = TetGrid(GRID.vertices, GRID.tets, GRID.edges[inner], GRID.tet_edges)
    crossing = crossing_edges(grid, sdf)
    count = degrees(grid)
    whole = count == degrees(GRID)  # vertices all of whose neighbours are there
    if not bool(whole[grid.edges[crossing].reshape(-1)].all()):
        return
    assert float(roughness(grid, sdf, count.clamp_min(1), crossing)) < 1e-12


def test_a_pit_is_uneven_and_a_field_of_one_sign_is_nothing() -> None:
    sdf = GRID.vertices[:, 0].double() + 0.03
    with_pit = sdf.clone()
    with_pit[int((sdf.abs() + GRID.vertices[:, 1:].abs().sum(1)).argmin())] += 0.5
    assert float(of(with_pit)) > 1.5 * float(of(sdf))
    assert float(of(torch.ones_like(sdf))) == 0
