from __future__ import annotations

import pytest
import torch

from diffrec.geometry.mesh import (
    Mesh,
    bounding_box,
    tangent_topology,
    triangle_normals,
    unit_box,
    vertex_normals,
)


def quad(*, mirrored: bool = False) -> Mesh:
    """A square in the xy plane that faces +z, u along +x, v down along -y."""
    positions = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3]])
    u = 1 - positions[:, 0] if mirrored else positions[:, 0]
    texcoords = torch.stack([u, 1 - positions[:, 1]], 1)
    return Mesh(positions, triangles, texcoords, triangles)


def test_normals_face_where_triangles_run_counter_clockwise() -> None:
    mesh = quad().with_normals()
    assert mesh.normals is not None
    assert torch.equal(mesh.normals, torch.tensor([[0.0, 0, 1]]).expand(4, 3))


def test_normals_are_weighted_by_area() -> None:
    positions = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 3]])
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3]])
    found = vertex_normals(positions, triangles)[0]
    expected = torch.tensor([3.0, 0.0, 1.0]) / 10**0.5  # areas 3/2 and 1/2
    assert torch.allclose(found, expected)
    assert torch.allclose(
        triangle_normals(positions, triangles).norm(dim=1) / 2, expected.new_tensor([0.5, 1.5])
    )


def test_normals_without_area_are_finite_in_value_and_gradient() -> None:
    positions = torch.zeros(4, 3, requires_grad=True)
    normals = vertex_normals(positions, torch.tensor([[0, 1, 2]]))
    normals.sum().backward()
    assert torch.equal(normals.detach(), torch.tensor([[0.0, 0, 1]]).expand(4, 3))
    assert positions.grad is not None
    assert torch.isfinite(positions.grad).all()


def test_normal_gradients_agree_with_finite_differences() -> None:
    random = torch.Generator().manual_seed(0)
    positions = torch.rand(6, 3, generator=random, dtype=torch.float64, requires_grad=True)
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3], [3, 4, 5], [1, 4, 2]])
    assert torch.autograd.gradcheck(lambda p: vertex_normals(p, triangles), (positions,))


@pytest.mark.parametrize("mirrored", [False, True])
def test_tangents_follow_u(mirrored: bool) -> None:
    mesh = quad(mirrored=mirrored).with_normals().with_tangents()
    assert mesh.tangents is not None
    sign = -1.0 if mirrored else 1.0
    assert torch.allclose(mesh.tangents, torch.tensor([[sign, 0, 0]]).expand(4, 3))


def test_texture_height_is_normal_cross_tangent() -> None:
    mesh = quad().with_normals().with_tangents()
    assert mesh.normals is not None
    assert mesh.tangents is not None
    up = torch.linalg.cross(mesh.normals, mesh.tangents)
    assert torch.allclose(up, torch.tensor([[0.0, 1, 0]]).expand(4, 3))


def test_tangents_do_not_mix_across_a_seam() -> None:
    positions = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3]])
    first = torch.tensor([[0.0, 1], [0.4, 1], [0.4, 0.6]])  # u along x
    second = torch.tensor([[0.6, 0.6], [1.0, 0.2], [0.6, 0.2]])
    second = torch.stack([second[:, 1], 1 - second[:, 0]], 1)  # turned by a quarter
    mesh = Mesh(positions, triangles, torch.cat([first, second]), torch.arange(6).reshape(2, 3))
    mesh = mesh.with_normals().with_tangents()
    assert mesh.tangents is not None
    assert mesh.tangent_triangles is not None
    per_corner = mesh.tangents[mesh.tangent_triangles]
    assert torch.allclose(per_corner[0], torch.tensor([[1.0, 0, 0]]).expand(3, 3), atol=1e-6)
    assert torch.allclose(per_corner[1].abs(), torch.tensor([[0.0, 1, 0]]).expand(3, 3), atol=1e-6)


def test_tangents_of_a_collapsed_chart_are_perpendicular() -> None:
    mesh = quad()
    assert mesh.texcoords is not None
    collapsed = Mesh(mesh.positions, mesh.triangles, mesh.texcoords * 0, mesh.triangles)
    found = collapsed.with_normals().with_tangents()
    assert found.tangents is not None
    assert found.normals is not None
    assert torch.allclose(found.tangents.norm(dim=1), torch.ones(4))
    assert (found.tangents * found.normals).sum(1).abs().max() < 1e-6


def test_tangent_topology_shares_what_is_the_same() -> None:
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3]])
    shared = tangent_topology(triangles, triangles)
    assert shared.max() == 3
    split = tangent_topology(triangles, torch.arange(6).reshape(2, 3))
    assert split.max() == 5


def test_tangents_ask_for_what_is_missing() -> None:
    mesh = quad()
    with pytest.raises(ValueError, match="need normals"):
        mesh.with_tangents()
    with pytest.raises(ValueError, match="need texture coordinates"):
        Mesh(mesh.positions, mesh.triangles).with_normals().with_tangents()


def test_unit_box_keeps_proportions() -> None:
    mesh = unit_box(Mesh(torch.tensor([[1.0, 2, 3], [5, 4, 3]]), torch.zeros(0, 3)))
    low, high = bounding_box(mesh.positions)
    assert torch.allclose(low, torch.tensor([-1.0, -0.5, 0.0]))
    assert torch.allclose(high, torch.tensor([1.0, 0.5, 0.0]))


def test_moving_drops_what_belongs_to_the_old_shape() -> None:
    mesh = quad().with_normals().with_tangents()
    moved = mesh.with_positions(mesh.positions * 2)
    assert moved.normals is None
    assert moved.tangents is None
    assert moved.texcoords is mesh.texcoords
    assert mesh.to("cpu").tangents is not None
