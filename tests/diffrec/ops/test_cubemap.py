"""Geometry of cube maps."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from diffrec.ops import cubemap

AXES = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])


def test_faces_are_in_opengl_s_order() -> None:
    face, s, t = cubemap.project(AXES)
    assert face.tolist() == [0, 1, 2, 3, 4, 5]
    assert not s.any()
    assert not t.any()


@pytest.mark.parametrize(
    ("face", "right", "down"),
    [
        (0, (0, 0, -1), (0, -1, 0)),
        (1, (0, 0, 1), (0, -1, 0)),
        (2, (1, 0, 0), (0, 0, 1)),
        (3, (1, 0, 0), (0, 0, -1)),
        (4, (1, 0, 0), (0, -1, 0)),
        (5, (-1, 0, 0), (0, -1, 0)),
    ],
)
def test_s_runs_right_and_t_down(
    face: int, right: tuple[float, ...], down: tuple[float, ...]
) -> None:
    direction = AXES[face] + 0.5 * torch.tensor(right) + 0.25 * torch.tensor(down)
    found, s, t = cubemap.project(direction[None])
    assert (int(found), float(s), float(t)) == (face, 0.5, 0.25)


@pytest.mark.parametrize("size", [1, 2, 7, 16])
def test_a_texel_s_direction_lies_in_that_texel(size: int) -> None:
    directions = cubemap.texel_directions(size).reshape(-1, 3)
    torch.testing.assert_close(directions.norm(dim=1), torch.ones(6 * size * size))
    assert torch.equal(cubemap.nearest_texel(directions, size), torch.arange(6 * size * size))


@pytest.mark.parametrize("size", [1, 2, 16, 63])
def test_solid_angles_cover_the_sphere(size: int) -> None:
    areas = cubemap.solid_angles(size, torch.float64)
    assert float(areas.sum()) * 6 == pytest.approx(4 * math.pi, rel=1e-12)
    torch.testing.assert_close(areas, areas.flip(0))
    torch.testing.assert_close(areas, areas.T)


def test_projection_is_the_inverse_of_face_vectors() -> None:
    generator = torch.Generator().manual_seed(0)
    face = torch.randint(0, 6, (500,), generator=generator)
    s, t = torch.rand(2, 500, generator=generator, dtype=torch.float64) * 1.98 - 0.99
    found = cubemap.project(cubemap.face_vectors(face, s, t) * 3)
    assert torch.equal(found[0], face)
    torch.testing.assert_close(found[1], s)
    torch.testing.assert_close(found[2], t)


@pytest.mark.parametrize("size", [2, 8, 33])
def test_a_border_continues_into_the_neighbour_s_first_row(size: int) -> None:
    table = cubemap.neighbour_table(size, 1)
    own = torch.arange(6 * size * size).reshape(6, size, size)
    assert torch.equal(table[:, 1:-1, 1:-1], own)
    directions = cubemap.texel_directions(size).reshape(-1, 3)
    edges = (
        (table[:, 0, 1:-1], own[:, 0]),
        (table[:, -1, 1:-1], own[:, -1]),
        (table[:, 1:-1, 0], own[:, :, 0]),
        (table[:, 1:-1, -1], own[:, :, -1]),
    )
    for border, inner in edges:
        assert not torch.equal(border // size**2, inner // size**2)
        # Texels that meet at an edge are reflections of each other in it.
        a, b = directions[border], directions[inner]
        torch.testing.assert_close(a.abs().sort(-1).values, b.abs().sort(-1).values)
        assert float((a - b).norm(dim=-1).max()) < 2.1 / size


@pytest.mark.parametrize("size", [2, 16])
def test_bilinear_weights_add_up_and_stay_near(size: int) -> None:
    generator = torch.Generator().manual_seed(2)
    directions = functional.normalize(torch.randn(2000, 3, generator=generator), dim=1)
    index, weight = cubemap.bilinear(directions, size)
    assert index.min() >= 0
    assert index.max() < 6 * size * size
    assert weight.min() >= -1e-5
    torch.testing.assert_close(weight.sum(1), torch.ones(2000))
    texels = cubemap.texel_directions(size).reshape(-1, 3)[index]
    assert float((texels - directions[:, None]).norm(dim=-1).max()) < 3.5 / size


def test_bilinear_finds_smooth_functions_again() -> None:
    """Across edges too: the error falls with the square of the texel, but for the corners."""
    generator = torch.Generator().manual_seed(3)
    directions = functional.normalize(torch.randn(5000, 3, generator=generator), dim=1).double()
    errors = []
    for size in (16, 32):
        texels = cubemap.texel_directions(size, torch.float64).reshape(-1, 3)
        index, weight = cubemap.bilinear(directions, size)
        found = (torch.sin(texels @ torch.tensor([1.0, 2, 3]).double())[index] * weight).sum(1)
        expected = torch.sin(directions @ torch.tensor([1.0, 2, 3]).double())
        errors.append(float((found - expected).abs().mean()))
    assert errors[1] < errors[0] / 3
    assert errors[0] < 0.006
