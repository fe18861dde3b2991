from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffrec.geometry.dualcases import EDGES, case_table
from diffrec.geometry.flexicubes import FlexiCubesGeometry, cube_grid, flexicubes
from diffrec.geometry.mesh import EmptyMeshError, triangle_normals


def with_field(resolution: int, field: Any) -> FlexiCubesGeometry:
    geometry = FlexiCubesGeometry(resolution, 2.1)
    with torch.no_grad():
        geometry.sdf.copy_(field(geometry.grid_vertices))
    return geometry


def padded(inner: torch.Tensor) -> torch.Tensor:
    """A field [n, n, n] with empty space around it, flat."""
    return torch.nn.functional.pad(inner, (1,) * 6, value=1.0).reshape(-1)


def extract(sdf: torch.Tensor, *, subdivide: bool = False) -> Any:
    side = round(len(sdf) ** (1 / 3))
    weights = torch.zeros((side - 1) ** 3, 21)
    return flexicubes(side - 1, cube_grid(side - 1), sdf, weights, subdivide=subdivide).mesh


@pytest.mark.parametrize("training", [True, False])
def test_sphere_is_closed_and_accurate(measures: Any, sphere: Any, training: bool) -> None:
    geometry = with_field(32, sphere).train(training)
    mesh = geometry.mesh()
    measures.assert_closed_manifold(mesh)
    measures.assert_vertices_manifold(mesh)
    assert measures.euler(mesh) == 2
    assert measures.volume(mesh) == pytest.approx(4 / 3 * math.pi * 0.8**3, rel=0.01)
    # A dual vertex lies among crossings no farther apart than a cube's diagonal, the middle of
    # a quadrilateral among those of four cubes: the sagitta of such a chord bounds the error.
    chord = 2.1 / 32 * (3.0 if training else math.sqrt(3))
    sagitta = chord**2 / (8 * 0.8)
    assert (mesh.positions.norm(dim=1) - 0.8).abs().max() < sagitta
    facing = triangle_normals(mesh.positions, mesh.triangles)
    assert ((facing * mesh.positions[mesh.triangles].mean(1)).sum(1) > 0).all()


def test_torus_has_its_hole(measures: Any, torus: Any) -> None:
    mesh = with_field(40, torus).mesh()
    measures.assert_closed_manifold(mesh)
    assert measures.euler(mesh) == 0
    assert measures.volume(mesh) == pytest.approx(2 * math.pi**2 * 0.6 * 0.25**2, rel=0.03)


def test_every_case_gives_a_manifold(measures: Any) -> None:
    """All 256 cubes side by side, each with empty space around it."""
    bits = torch.arange(256)
    for k in range(0, 256, 64):
        inner = torch.ones(4 * 4, 4 * 4, 4 * 4)
        for slot, case in enumerate(bits[k : k + 64].tolist()):
            x, y, z = (4 * (slot >> s & 3) for s in (0, 2, 4))
            for c in range(8):
                place = (x + (c & 1), y + (c >> 1 & 1), z + (c >> 2 & 1))
                inner[place] = -1.0 if case >> c & 1 else 1.0
        mesh = extract(padded(inner))
        measures.assert_closed_manifold(mesh)
        measures.assert_vertices_manifold(mesh)
        assert measures.volume(mesh) > 0


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.3, 0.5, 0.7]))
def test_random_signs_give_a_manifold(seed: int, empty: float) -> None:
    random = torch.Generator().manual_seed(seed)
    inner = torch.rand(7, 7, 7, generator=random) - (1.0 - empty)
    # The checkerboard of alternating corners is the worst neighbourhood of ambiguous faces.
    odd = torch.arange(4)
    inner[:4, :4, :4] = ((odd[:, None, None] + odd[:, None] + odd) % 2).float() - 0.5
    mesh = extract(padded(inner), subdivide=seed % 2 == 0)
    t = mesh.triangles
    directed = torch.cat([t[:, [0, 1]], t[:, [1, 2]], t[:, [2, 0]]])
    forward = directed[:, 0] * len(mesh.positions) + directed[:, 1]
    backward = directed[:, 1] * len(mesh.positions) + directed[:, 0]
    assert len(torch.unique(forward)) == len(forward)
    assert torch.equal(forward.sort().values, backward.sort().values)


def test_ambiguous_faces_need_the_rules() -> None:
    """Some cases do join both segments of a face, and laying that face anew parts them."""
    table = case_table()
    rows = torch.arange(256) * 64
    found = 0
    for face in range(6):
        joined = rows[table.joined[rows, face]]
        found += len(joined)
        assert not table.joined[joined + (1 << face), face].any()
    assert found > 0


def test_patches_cover_exactly_the_cut_edges() -> None:
    table = case_table()
    for case, (edge, ends) in itertools.product(range(256), enumerate(EDGES)):
        cut = (case >> ends[0] & 1) != (case >> ends[1] & 1)
        assert ((table.patch[case * 64 : case * 64 + 64, edge] >= 0) == cut).all()
    sizes = torch.nn.functional.one_hot(table.patch + 1, 13).sum(1)[:, 1:]
    assert sizes[sizes > 0].min() >= 3


def test_gradients_agree_with_finite_differences() -> None:
    random = torch.Generator().manual_seed(1)
    inner = torch.rand(3, 3, 3, generator=random, dtype=torch.float64) - 0.5
    sdf = padded(torch.where(inner.abs() < 0.1, 0.2, inner)).requires_grad_()
    vertices = cube_grid(4).double()
    vertices = (vertices + 0.02 * torch.rand(vertices.shape, generator=random)).requires_grad_()
    weights = torch.randn(64, 21, generator=random, dtype=torch.float64).requires_grad_()

    def surface(v: torch.Tensor, s: torch.Tensor, w: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = flexicubes(4, v, s, w, subdivide=True)
        return found.mesh.positions, found.deviation

    assert torch.autograd.gradcheck(surface, (vertices, sdf, weights), fast_mode=True)


def test_every_parameter_is_trained(sphere: Any) -> None:
    geometry = with_field(12, sphere)
    mesh = geometry.mesh()
    (mesh.positions.square().sum() + geometry.regulariser(geometry.weight(0.0))).backward()
    for parameter in (geometry.sdf, geometry.offset, geometry.weights):
        assert parameter.grad is not None
        assert torch.isfinite(parameter.grad).all()
        assert parameter.grad.abs().sum() > 0


def test_deviation_vanishes_on_a_plane_through_the_middle() -> None:
    vertices = cube_grid(4)
    found = flexicubes(4, vertices, vertices[:, 0] - 0.125, torch.zeros(64, 21))
    assert found.deviation.item() == pytest.approx(0.0, abs=1e-6)
    tilted = flexicubes(4, vertices, vertices @ torch.tensor([1.0, 0.4, 0.2]), torch.zeros(64, 21))
    assert tilted.deviation.item() > 1e-3


def test_regulariser_after_backward_and_without_a_mesh(sphere: Any) -> None:
    geometry = with_field(12, sphere)
    first = geometry.regulariser(geometry.weight(0.5))
    first.backward()
    geometry.mesh()
    second = geometry.regulariser(geometry.weight(0.5))
    second.backward()
    assert second.item() == pytest.approx(first.item(), rel=1e-6)


def test_empty_surface_says_what_to_check() -> None:
    with pytest.raises(EmptyMeshError, match=r"^Got empty training triangle mesh"):
        with_field(4, lambda p: torch.ones(len(p))).mesh()
