from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from diffrec.geometry.dmtet import DMTetGeometry, EmptyMeshError, marching_tetrahedra
from diffrec.geometry.mesh import triangle_normals
from diffrec.ops.tetrahedra import sdf_regulariser
from diffrec.ops.tetrahedra.grid import TetGrid, tetrahedral_grid


def with_field(resolution: int, field: Any) -> DMTetGeometry:
    geometry = DMTetGeometry(resolution, 2.1)
    with torch.no_grad():
        geometry.sdf.copy_(field(geometry.grid_vertices))
    return geometry


def test_sphere_is_closed_and_accurate(measures: Any, sphere: Any) -> None:
    mesh = with_field(64, sphere).mesh()
    measures.assert_closed_manifold(mesh)
    measures.assert_vertices_manifold(mesh)
    assert measures.euler(mesh) == 2
    assert measures.volume(mesh) == pytest.approx(4 / 3 * math.pi * 0.8**3, rel=0.01)
    facing = triangle_normals(mesh.positions, mesh.triangles)
    centre = mesh.positions[mesh.triangles].mean(1)
    assert ((facing * centre).sum(1) > 0).all()


def test_torus_has_its_hole(measures: Any, torus: Any) -> None:
    mesh = with_field(48, torus).mesh()
    measures.assert_closed_manifold(mesh)
    assert measures.euler(mesh) == 0
    assert measures.volume(mesh) == pytest.approx(2 * math.pi**2 * 0.6 * 0.25**2, rel=0.03)


@pytest.mark.parametrize("seed", range(4))
def test_any_signs_give_a_manifold_off_the_boundary(measures: Any, seed: int) -> None:
    geometry = DMTetGeometry(20, seed=seed)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        sdf = torch.rand(len(geometry.sdf), generator=random) - 0.5
        edge = geometry.grid_vertices.abs().amax(1) > 1.0499
        geometry.sdf.copy_(torch.where(edge, torch.ones_like(sdf), sdf))
        geometry.offset.normal_(generator=random)
    mesh = geometry.mesh()
    measures.assert_closed_manifold(mesh)
    measures.assert_vertices_manifold(mesh)
    assert measures.volume(mesh) > 0


def test_zero_counts_as_outside(measures: Any) -> None:
    grid = tetrahedral_grid(5)
    sdf = torch.zeros(len(grid.vertices))
    sdf[grid.vertices.norm(dim=1).argmin()] = -1.0
    mesh = marching_tetrahedra(grid, grid.vertices, sdf)
    measures.assert_closed_manifold(mesh)
    assert torch.isfinite(mesh.positions).all()


def test_gradients_agree_with_finite_differences() -> None:
    grid = tetrahedral_grid(5)
    random = torch.Generator().manual_seed(3)
    vertices = grid.vertices.double().requires_grad_()
    sdf = torch.rand(len(grid.vertices), generator=random, dtype=torch.float64) - 0.4
    sdf = torch.where(sdf.abs() < 0.05, 0.1, sdf).requires_grad_()

    def positions(v: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        return marching_tetrahedra(grid, v, s).positions

    assert torch.autograd.gradcheck(positions, (vertices, sdf))
    assert torch.autograd.gradcheck(lambda s: sdf_regulariser(grid, s), (sdf,))


def test_regulariser_of_one_edge() -> None:
    grid = TetGrid(torch.zeros(2, 3), torch.zeros(0, 4), torch.tensor([[0, 1]]), torch.zeros(0, 6))
    value = sdf_regulariser(grid, torch.tensor([-0.5, 0.25]))
    # The negative end should be positive and the other way round.
    expected = math.log1p(math.exp(0.5)) + math.log1p(math.exp(0.25))
    assert value.item() == pytest.approx(expected, rel=1e-6)
    assert sdf_regulariser(grid, torch.tensor([0.5, 0.25])).item() == 0


def test_regulariser_weight_falls_over_the_first_quarter() -> None:
    geometry = DMTetGeometry(8, sdf_weight=0.2)
    plain = sdf_regulariser(geometry.grid, geometry.sdf).item()
    for t, weight in ((0.0, 0.2), (0.125, 0.105), (0.25, 0.01), (1.0, 0.01)):
        assert geometry.regulariser(geometry.weight(t)).item() == pytest.approx(
            weight * plain, rel=1e-5
        )


def test_regulariser_follows_the_field_after_a_step() -> None:
    geometry = DMTetGeometry(8)
    geometry.mesh()
    optimiser = torch.optim.SGD([geometry.sdf], lr=1.0)
    geometry.sdf.grad = torch.ones_like(geometry.sdf)  # everything becomes inside, nearly
    optimiser.step()
    expected = 0.2 * sdf_regulariser(geometry.grid, geometry.sdf)
    assert torch.equal(geometry.regulariser(geometry.weight(0.0)), expected)


def test_same_seed_same_start() -> None:
    assert torch.equal(DMTetGeometry(16, seed=5).sdf, DMTetGeometry(16, seed=5).sdf)
    assert not torch.equal(DMTetGeometry(16, seed=5).sdf, DMTetGeometry(16, seed=6).sdf)
    sdf = DMTetGeometry(32).sdf
    assert sdf.min() >= -0.1
    assert sdf.max() <= 0.9


def test_reach_keeps_tetrahedra_upright() -> None:
    geometry = DMTetGeometry(16)
    with torch.no_grad():
        geometry.offset.copy_(torch.randn(geometry.offset.shape) * 10)
    tets = geometry.grid.tets
    a, b, c, d = (geometry.vertices()[tets[:, k]] for k in range(4))
    volume = ((b - a) * torch.linalg.cross(c - a, d - a)).sum(1)
    assert (volume > 0).float().mean() > 0.95
    low, high = geometry.box()
    assert (geometry.vertices() >= low).all()
    assert (geometry.vertices() <= high).all()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_empty_surface_says_what_to_check(sign: float) -> None:
    geometry = with_field(8, lambda p: torch.full((len(p),), sign))
    with pytest.raises(EmptyMeshError, match=r"^Got empty training triangle mesh") as caught:
        geometry.mesh()
    assert "mask" in str(caught.value)
    assert "mesh_scale" in str(caught.value)
