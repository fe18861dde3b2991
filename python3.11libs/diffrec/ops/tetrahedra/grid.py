"""Tetrahedral grids of the cube [-0.5, 0.5]^3, computed instead of shipped.

The tiling is the body-centred cubic lattice: the corners and the centres of n^3 cubic cells.
Around every face shared by two cells, the two centres and each of the four sides of the face
span one tetrahedron; a face on the boundary of the cube carries two halves of a pyramid. All
inner tetrahedra are congruent and well shaped (dihedral angles 60 and 90 degrees), as used for
isosurface stuffing (Labelle and Shewchuk 2007).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["TET_EDGES", "TetGrid", "tetrahedral_grid"]

#: The six edges of a tetrahedron as pairs of its corners, in the order of TetGrid.tet_edges.
TET_EDGES = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))

# Cells along a side per unit of `dmtet_grid`. With 0.4 the grids 32, 64 and 128 have about
# 4.9 k, 37 k and 273 k vertices, the counts that existing configurations were tuned for.
_CELLS_PER_UNIT = 0.4


@dataclass(frozen=True)
class TetGrid:
    """A conforming tetrahedral tiling with its unique edges.

    vertices: [V, 3] float32 in [-0.5, 0.5]; tets: [T, 4] int64, positively oriented
    (dot(b - a, cross(c - a, d - a)) > 0); edges: [E, 2] int64, first < second;
    tet_edges: [T, 6] int64 into edges, in the order of TET_EDGES.
    """

    vertices: Tensor
    tets: Tensor
    edges: Tensor
    tet_edges: Tensor

    def to(self, device: torch.device | str) -> TetGrid:
        """The same grid with every tensor on `device`."""
        return TetGrid(
            **{field.name: getattr(self, field.name).to(device) for field in fields(self)}
        )


def tetrahedral_grid(resolution: int, *, device: torch.device | str = "cpu") -> TetGrid:
    """The grid for a configuration's `dmtet_grid`, any integer from 1.

    Resolution 64 gives 37,259 vertices and 210,912 tetrahedra, 128 gives 273,259 and 1,591,812.
    Raises ValueError for a resolution below 1.
    """
    if resolution < 1:
        raise ValueError(f"dmtet_grid must be at least 1, not {resolution}")
    return lattice(max(1, round(_CELLS_PER_UNIT * resolution)), device=device)


def lattice(cells: int, *, device: torch.device | str = "cpu") -> TetGrid:
    """The body-centred lattice of cells^3 cubes: (n+1)^3 + n^3 vertices, 12 n^3 tetrahedra."""
    vertices = _vertices(cells)
    tets = np.concatenate([_tets_along(axis, cells) for axis in range(3)])
    tets = _orient(vertices, tets)
    edges, tet_edges = _unique_edges(tets, len(vertices))
    grid = TetGrid(
        vertices=torch.from_numpy(vertices.astype(np.float32)),
        tets=torch.from_numpy(tets),
        edges=torch.from_numpy(edges),
        tet_edges=torch.from_numpy(tet_edges),
    )
    return grid.to(device)


def _vertices(n: int) -> NDArray[np.float64]:
    """Corners first (index (i (n+1) + j) (n+1) + k), then centres (index (i n + j) n + k)."""
    corners = np.stack(np.meshgrid(*[np.arange(n + 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
    centres = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1).reshape(-1, 3) + 0.5
    stacked: NDArray[np.float64] = np.concatenate([corners.astype(np.float64), centres])
    return stacked / n - 0.5


def _tets_along(axis: int, n: int) -> NDArray[np.int64]:
    """Tetrahedra [*, 4] around every cell face perpendicular to `axis`."""
    corner_stride = np.array([(n + 1) ** 2, n + 1, 1], dtype=np.int64)
    centre_stride = np.array([n * n, n, 1], dtype=np.int64)
    first, second = (axis + 1) % 3, (axis + 2) % 3

    sizes = [n, n, n]
    sizes[axis] = n + 1
    base = np.stack(np.meshgrid(*[np.arange(s) for s in sizes], indexing="ij"), -1).reshape(-1, 3)
    origin = base @ corner_stride
    ring = np.stack(
        [
            origin,
            origin + corner_stride[first],
            origin + corner_stride[first] + corner_stride[second],
            origin + corner_stride[second],
        ],
        1,
    )
    above = (n + 1) ** 3 + base @ centre_stride
    below = above - centre_stride[axis]

    inner = (base[:, axis] > 0) & (base[:, axis] < n)
    parts = [
        np.stack([below[inner], above[inner], ring[inner, k], ring[inner, (k + 1) % 4]], 1)
        for k in range(4)
    ]
    for border, centre in ((base[:, axis] == 0, above), (base[:, axis] == n, below)):
        apex, face = centre[border], ring[border]
        # Alternating diagonals keep the boundary free of a preferred direction.
        turn = ((base[border].sum(1) % 2) == 1)[:, None]
        face = np.where(turn, np.roll(face, -1, axis=1), face)
        parts.append(np.stack([apex, face[:, 0], face[:, 1], face[:, 2]], 1))
        parts.append(np.stack([apex, face[:, 0], face[:, 2], face[:, 3]], 1))
    return np.concatenate(parts)


def _orient(vertices: NDArray[np.float64], tets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Swap two corners of every tetrahedron of negative volume."""
    columns = np.ascontiguousarray(vertices.T)
    a = columns[:, tets[:, 0]]
    (bx, by, bz), (cx, cy, cz), (dx, dy, dz) = (columns[:, tets[:, k]] - a for k in (1, 2, 3))
    volume = bx * (cy * dz - cz * dy) + by * (cz * dx - cx * dz) + bz * (cx * dy - cy * dx)
    flipped = tets[:, [0, 1, 3, 2]]
    return np.where((volume < 0)[:, None], flipped, tets)


def _unique_edges(
    tets: NDArray[np.int64], vertex_count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Unique edges [E, 2] and the edge ids [T, 6] of every tetrahedron."""
    keys = np.empty((len(tets), 6), dtype=np.int64)
    for column, (begin, end) in enumerate(TET_EDGES):
        a, b = tets[:, begin], tets[:, end]
        keys[:, column] = np.minimum(a, b) * vertex_count + np.maximum(a, b)
    # As np.unique does, but with a sort that makes use of the order that is there already.
    order = np.argsort(keys.reshape(-1), kind="stable")
    ordered = keys.reshape(-1)[order]
    first = np.append(True, ordered[1:] != ordered[:-1])
    unique = ordered[first]
    number = keys  # in its place
    number.reshape(-1)[order] = np.cumsum(first) - 1
    edges = np.stack([unique // vertex_count, unique % vertex_count], 1)
    return edges, number
