from __future__ import annotations

import pytest
import torch

from diffrec.ops.tetrahedra.grid import TET_EDGES, TetGrid, tetrahedral_grid

FACES = ((1, 2, 3), (0, 3, 2), (0, 1, 3), (0, 2, 1))


def volumes(grid: TetGrid) -> torch.Tensor:
    a, b, c, d = (grid.vertices[grid.tets[:, k]].double() for k in range(4))
    return ((b - a) * torch.linalg.cross(c - a, d - a)).sum(1) / 6


@pytest.mark.parametrize("resolution", [1, 2, 3, 5, 8, 17, 32, 64])
def test_fills_the_cube_with_positive_tetrahedra(resolution: int) -> None:
    grid = tetrahedral_grid(resolution)
    volume = volumes(grid)
    assert volume.min() > 0
    assert volume.sum().item() == pytest.approx(1.0, abs=1e-6)
    assert grid.vertices.amin() == -0.5
    assert grid.vertices.amax() == 0.5


@pytest.mark.parametrize("resolution", [5, 10])
def test_neighbours_share_whole_faces(resolution: int) -> None:
    grid = tetrahedral_grid(resolution)
    faces = torch.cat([grid.tets[:, list(face)] for face in FACES])
    _, count = torch.unique(faces.sort(1).values, dim=0, return_counts=True)
    cells = round(resolution * 0.4)
    assert count.max() == 2
    assert (count == 1).sum() == 12 * cells * cells  # two triangles per boundary square
    # Each inner face is seen once from either side.
    turn = faces.argmin(1, keepdim=True)
    turned = torch.gather(faces, 1, (turn + torch.arange(3)) % 3)
    assert len(torch.unique(turned, dim=0)) == len(turned)


def test_edges_are_unique_and_belong_to_their_tetrahedra() -> None:
    grid = tetrahedral_grid(10)
    assert (grid.edges[:, 0] < grid.edges[:, 1]).all()
    assert len(torch.unique(grid.edges, dim=0)) == len(grid.edges)
    expected = grid.tets[:, torch.tensor(TET_EDGES)].sort(-1).values
    assert torch.equal(grid.edges[grid.tet_edges], expected)


def test_counts_match_what_configurations_expect() -> None:
    grid = tetrahedral_grid(64)
    assert len(grid.vertices) == 37_259
    assert len(grid.tets) == 210_912


def test_impossible_resolution_is_named() -> None:
    with pytest.raises(ValueError, match="dmtet_grid must be at least 1"):
        tetrahedral_grid(0)
