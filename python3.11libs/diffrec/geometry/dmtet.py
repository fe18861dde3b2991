"""Deep marching tetrahedra (Shen et al. 2021): a surface from signed distances on a tet grid.

Sign convention: a POSITIVE value lies OUTSIDE the object (empty space), a negative one inside;
zero counts as outside. Triangles face outward, towards positive values. The surface is closed
and manifold wherever it stays off the boundary of the grid; where the object touches the
boundary it is cut open there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffrec.geometry.mesh import EmptyMeshError, Mesh
from diffrec.ops.fixedlengths import FixedLengths, Sizes
from diffrec.ops.tetrahedra import Surface, extract, reference, roughness, sdf_regulariser
from diffrec.ops.tetrahedra.grid import TetGrid, tetrahedral_grid

__all__ = ["DMTetGeometry", "EmptyMeshError", "marching_tetrahedra"]

EMPTY_SURFACE = (
    "Got empty training triangle mesh (surface extraction found no surface)",
    "check that the masks are white where the object is, and that the object fits into the box "
    "of side mesh_scale around the origin; a smaller learning_rate also keeps the distance "
    "field from collapsing",
)
"""Cause and cure."""


def marching_tetrahedra(
    grid: TetGrid, vertices: Tensor, sdf: Tensor, *, crossing: Tensor | None = None
) -> Mesh:
    """The zero level of `sdf` as a triangle mesh.

    vertices: [V, 3], the grid's vertices after deformation, world units; the rest as for
    `ops.tetrahedra.extract`. Raises EmptyMeshError if there is no crossing.
    """
    return _as_mesh(extract(grid, vertices, sdf, crossing=crossing))


def _as_mesh(surface: Surface) -> Mesh:
    if surface.crossing.shape[0] == 0:
        raise EmptyMeshError(*EMPTY_SURFACE)
    return Mesh(positions=surface.positions, triangles=surface.triangles)


class DMTetGeometry(nn.Module):
    """Signed distance and offset per vertex of a tetrahedral grid of side mesh_scale.

    Parameters: sdf [V], uniform random in [-0.1, 0.9] at the start; offset [V, 3], zero at the
    start. A vertex stands at grid * mesh_scale + tanh(offset) * reach, world units, where reach
    is 1 / resolution by default, less than half the shortest edge for a mesh_scale from 1.

    resolution: `dmtet_grid`; mesh_scale: side of the box in world units; sdf_weight: weight of
    the regulariser at the start (`sdf_regularizer`); seed: of the random start. `smoothness`, an
    attribute: weight of the field's roughness (`sdf_smoothness`).
    """

    grid_vertices: Tensor
    _tets: Tensor
    _edges: Tensor
    _tet_edges: Tensor
    _degrees: Tensor

    def __init__(
        self,
        resolution: int = 64,
        mesh_scale: float = 2.1,
        *,
        sdf_weight: float = 0.2,
        reach: float | None = None,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        grid = tetrahedral_grid(resolution)
        self.resolution = resolution
        self.mesh_scale = mesh_scale
        self.sdf_weight = sdf_weight
        self.smoothness = 0.0
        self.reach = 1.0 / resolution if reach is None else reach
        for name, tensor in (
            ("grid_vertices", grid.vertices * mesh_scale),
            ("_tets", grid.tets),
            ("_edges", grid.edges),
            ("_tet_edges", grid.tet_edges),
            ("_degrees", torch.bincount(grid.edges.reshape(-1), minlength=len(grid.vertices))),
        ):
            self.register_buffer(name, tensor, persistent=False)
        random = torch.Generator().manual_seed(seed)
        count = len(grid.vertices)
        self.sdf = nn.Parameter(torch.rand(count, generator=random) - 0.1)
        self.offset = nn.Parameter(torch.zeros(count, 3))
        self._crossing: tuple[int, Tensor, Tensor | None] | None = None
        self.to(device)

    @property
    def grid(self) -> TetGrid:
        """The grid, its vertices scaled to world units and not deformed."""
        return TetGrid(self.grid_vertices, self._tets, self._edges, self._tet_edges)

    def vertices(self) -> Tensor:
        """Deformed grid vertices [V, 3], world units."""
        return self.grid_vertices + torch.tanh(self.offset) * self.reach

    def mesh(self, lengths: FixedLengths | None = None) -> Mesh:
        """The present surface, facing outward, without normals or texture coordinates.

        `lengths` (CUDA only): lists of a fixed length, see `diffrec.ops.fixedlengths`. Raises
        EmptyMeshError if the field has one sign everywhere; with `lengths` it is for the caller to
        notice.
        """
        surface = extract(
            self.grid, self.grid_vertices, self.sdf, self.offset, self.reach, lengths=lengths
        )
        self._crossing = (self.sdf._version, surface.crossing, surface.ends)
        return _as_mesh(surface)

    def most(self) -> Sizes:
        """The longest lists that a mesh can have."""
        return Sizes(0, len(self._edges), 2 * len(self._tets))

    def weight(self, t: float) -> float:
        """Of the regulariser at progress t in [0, 1]: falls linearly from sdf_weight to 0.01 over
        the first quarter."""
        return regulariser_weight(self.sdf_weight, t)

    def regulariser(self, weight: Tensor | float) -> Tensor:
        """`sdf_regulariser` of the present field times a weight, and its roughness."""
        known = self._crossing
        grid = self.grid
        # The edges found by mesh() serve again as long as no optimiser has stepped since.
        if known is None or known[0] != self.sdf._version:
            crossing, ends = reference.crossing_edges(grid, self.sdf), None
        else:
            _, crossing, ends = known
        term = weight * sdf_regulariser(grid, self.sdf, crossing=crossing, ends=ends)
        if self.smoothness:
            term = term + self.smoothness * roughness(grid, self.sdf, self._degrees, crossing)
        return term

    def box(self) -> tuple[Tensor, Tensor]:
        """Lower and upper corner [3] of everything the surface can reach, world units."""
        half = self.grid_vertices.new_full((3,), 0.5 * self.mesh_scale + self.reach)
        return -half, half


def regulariser_weight(start: float, t: float) -> float:
    """From `start` at t = 0 linearly to 0.01 at t = 0.25, then constant."""
    return start - (start - 0.01) * min(1.0, max(0.0, 4.0 * t))
