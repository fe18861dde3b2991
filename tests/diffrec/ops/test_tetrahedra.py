"""Marching tetrahedra: the kernels against the plain formulas, row by row."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from diffrec.geometry.dmtet import DMTetGeometry, EmptyMeshError, marching_tetrahedra
from diffrec.ops.backends import use_backend
from diffrec.ops.tetrahedra import sdf_regulariser
from diffrec.ops.tetrahedra.grid import TetGrid, tetrahedral_grid
from diffrec.ops.tetrahedra.reference import crossing_edges

DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


def field(grid: TetGrid, kind: str) -> tuple[Tensor, Tensor]:
    """(deformed vertices [V, 3], sdf [V]): any signs, a torus, or one corner alone."""
    generator = torch.Generator().manual_seed(7)
    vertices = grid.vertices + torch.randn(grid.vertices.shape, generator=generator) * 0.005
    if kind == "noise":
        sdf = torch.randn(len(vertices), generator=generator)
        sdf[::7] = 0.0
    elif kind == "torus":
        sdf = torch.hypot(torch.hypot(vertices[:, 0], vertices[:, 1]) - 0.3, vertices[:, 2]) - 0.1
    else:
        sdf = torch.ones(len(vertices))
        sdf[len(vertices) // 2] = -0.5
    return vertices, sdf


def close(found: Tensor, expected: Tensor) -> None:
    scale = float(expected.abs().max())
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", ["noise", "torus", "corner"])
def test_the_same_surface_in_the_same_order(kind: str, device: str) -> None:
    grid = tetrahedral_grid(16)
    vertices, sdf = field(grid, kind)
    results = []
    for where, backend in (("cpu", "reference"), (device, "warp")):
        v, s = (x.to(where).requires_grad_(True) for x in (vertices, sdf))
        mesh = use_backend(backend)(marching_tetrahedra)(grid.to(where), v, s)
        weight = torch.randn(mesh.positions.shape, generator=torch.Generator().manual_seed(1))
        gradients = torch.autograd.grad((mesh.positions * weight.to(where)).sum(), (v, s))
        results.append((mesh, gradients))
    (expected, of_expected), (found, of_found) = results
    assert torch.equal(found.triangles.cpu(), expected.triangles)
    assert len(found.triangles) > 0
    close(found.positions.detach(), expected.positions.detach())
    for gradient, wanted in zip(of_found, of_expected, strict=True):
        close(gradient, wanted)


@pytest.mark.parametrize("device", DEVICES)
def test_the_regulariser_agrees(device: str) -> None:
    grid = tetrahedral_grid(16)
    _, sdf = field(grid, "noise")
    exact = sdf.double().requires_grad_(True)
    expected = sdf_regulariser(grid, exact)
    (3 * expected).backward()
    sdf = sdf.to(device).requires_grad_(True)
    value = use_backend("warp")(sdf_regulariser)(grid.to(device), sdf)
    (3 * value).backward()
    assert float(value.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert sdf.grad is not None and exact.grad is not None
    close(sdf.grad, exact.grad.float())


def test_a_geometry_on_kernels_is_that_of_the_formulas() -> None:
    geometry = DMTetGeometry(16, seed=3)
    with torch.no_grad():
        geometry.offset.normal_(generator=torch.Generator().manual_seed(4))
    results = []
    for backend in ("reference", "warp"):
        with use_backend(backend):
            mesh = geometry.mesh()
            regulariser = geometry.regulariser(geometry.weight(0.1))
        known = geometry._crossing
        assert known is not None
        assert torch.equal(known[1], crossing_edges(geometry.grid, geometry.sdf))
        weight = torch.randn(mesh.positions.shape, generator=torch.Generator().manual_seed(1))
        loss = (mesh.positions * weight).sum() + regulariser
        gradients = torch.autograd.grad(loss, (geometry.offset, geometry.sdf))
        results.append((mesh.triangles, [loss.detach(), *gradients]))
    (triangles, wanted), (found_triangles, found) = results
    assert torch.equal(found_triangles, triangles)
    for value, expected in zip(found, wanted, strict=True):
        close(value, expected)


def test_a_field_of_one_sign_has_no_surface() -> None:
    grid = tetrahedral_grid(5)
    with pytest.raises(EmptyMeshError, match="Got empty training triangle mesh"):
        use_backend("warp")(marching_tetrahedra)(
            grid, grid.vertices, torch.ones(len(grid.vertices))
        )


def test_float64_takes_the_formulas() -> None:
    grid = tetrahedral_grid(5)
    vertices, sdf = (x.double() for x in field(grid, "noise"))
    assert (
        use_backend("warp")(marching_tetrahedra)(grid, vertices, sdf).positions.dtype == sdf.dtype
    )
