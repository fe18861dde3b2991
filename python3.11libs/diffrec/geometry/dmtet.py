"""Deep marching tetrahedra (Shen et al. 2021): a surface from signed distances on a tet grid.

Sign convention: a POSITIVE value lies OUTSIDE the object (empty space), a negative one inside;
zero counts as outside. Triangles face outward, towards positive values. The surface is closed
and manifold wherever it stays off the boundary of the grid; where the object touches the
boundary it is cut open there.

On CUDA the surface is flagged, counted and written in a handful of kernels that wait once, for the
counts; see `diffrec.ops.warp_tetrahedra`.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from diffrec.geometry.mesh import EmptyMeshError, Mesh
from diffrec.geometry.tetrahedra import TET_EDGES, TetGrid, tetrahedral_grid
from diffrec.ops.backends import choose_backend
from diffrec.ops.room import Room, Sizes

__all__ = [
    "DMTetGeometry",
    "EmptyMeshError",
    "marching_tetrahedra",
    "sdf_regulariser",
    "sign_change_entropy",
]

EMPTY_SURFACE = (
    "Got empty training triangle mesh (surface extraction found no surface)",
    "check that the masks are white where the object is, and that the object fits into the box "
    "of side mesh_scale around the origin; a smaller learning_rate also keeps the distance "
    "field from collapsing",
)
"""Cause and cure."""

_BACKENDS = ("reference", "warp")


def marching_tetrahedra(
    grid: TetGrid,
    vertices: Tensor,
    sdf: Tensor,
    *,
    crossing: Tensor | None = None,
    backend: str | None = None,
) -> Mesh:
    """The zero level of `sdf` as a triangle mesh.

    vertices: [V, 3], the grid's vertices after deformation, world units; sdf: [V], positive
    outside; crossing: ids [C] of the sign-changing edges (`crossing_edges`) if already known.
    One mesh position per crossing edge, at the linear zero crossing; differentiable with respect
    to vertices and sdf. Raises EmptyMeshError if there is no crossing.
    """
    if choose_backend(sdf, backend, available=_BACKENDS) == "warp":
        return _extract(grid, vertices, None, 0.0, sdf)[0]
    if crossing is None:
        crossing = crossing_edges(grid, sdf)
    if crossing.numel() == 0:
        raise EmptyMeshError(*EMPTY_SURFACE)

    ends = grid.edges.index_select(0, crossing)
    a, b = ends[:, 0], ends[:, 1]
    value_a, value_b = sdf.index_select(0, a), sdf.index_select(0, b)
    # One end is negative and the other is not, so the difference is never zero.
    weight = (value_a / (value_a - value_b))[:, None]
    positions = torch.lerp(vertices.index_select(0, a), vertices.index_select(0, b), weight)

    number = torch.empty(len(grid.edges), dtype=torch.int64, device=sdf.device)
    number[crossing] = torch.arange(len(crossing), device=sdf.device)
    return Mesh(positions=positions, triangles=_triangles(grid, sdf, number))


def crossing_edges(grid: TetGrid, sdf: Tensor) -> Tensor:
    """Ids [C] of the edges whose ends have different signs."""
    inside = sdf.detach() < 0
    ends = inside.index_select(0, grid.edges.reshape(-1)).reshape(-1, 2)
    return torch.nonzero(ends[:, 0] != ends[:, 1]).reshape(-1)


def sdf_regulariser(
    grid: TetGrid,
    sdf: Tensor,
    *,
    crossing: Tensor | None = None,
    ends: Tensor | None = None,
    backend: str | None = None,
) -> Tensor:
    """Binary cross entropy over sign-changing edges, both ways, a scalar.

    Each end's value, read as the logit of being outside, is pulled towards the sign of the other
    end, which removes inner surfaces and floaters that no picture sees (nvdiffrec, CVPR 2022,
    equation 2). Zero when no edge changes sign. ends: where `crossing` has rows that are not
    needed, see `warp_tetrahedra.entropy`.
    """
    if crossing is None:
        crossing = crossing_edges(grid, sdf)
    if crossing.numel() == 0:
        return sdf.sum() * 0.0
    if choose_backend(sdf, backend, available=_BACKENDS) == "warp":
        value: Tensor = _Entropy.apply(  # type: ignore[no-untyped-call]
            sdf, grid.edges, crossing, ends
        )
        return value
    return sign_change_entropy(sdf[grid.edges.index_select(0, crossing)])


def sign_change_entropy(values: Tensor) -> Tensor:
    """The sum of both directions' binary cross entropies of sdf values [C, 2] at edge ends."""
    outside = (values.detach() >= 0).to(values.dtype)
    first = functional.binary_cross_entropy_with_logits(values[:, 0], outside[:, 1])
    second = functional.binary_cross_entropy_with_logits(values[:, 1], outside[:, 0])
    return first + second


class DMTetGeometry(nn.Module):
    """Signed distance and offset per vertex of a tetrahedral grid of side mesh_scale.

    Parameters: sdf [V], uniform random in [-0.1, 0.9] at the start; offset [V, 3], zero at the
    start. A vertex stands at grid * mesh_scale + tanh(offset) * reach, world units, where reach
    is 1 / resolution by default, less than half the shortest edge for a mesh_scale from 1.

    resolution: `dmtet_grid`; mesh_scale: side of the box in world units; sdf_weight: weight of
    the regulariser at the start (`sdf_regularizer`); seed: of the random start.
    """

    grid_vertices: Tensor
    _tets: Tensor
    _edges: Tensor
    _tet_edges: Tensor

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
        self.reach = 1.0 / resolution if reach is None else reach
        for name, tensor in (
            ("grid_vertices", grid.vertices * mesh_scale),
            ("_tets", grid.tets),
            ("_edges", grid.edges),
            ("_tet_edges", grid.tet_edges),
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

    def mesh(self, room: Room | None = None) -> Mesh:
        """The present surface, facing outward, without normals or texture coordinates.

        `room` (CUDA only): lists of a fixed length, see `diffrec.ops.room`. Raises EmptyMeshError
        if the field has one sign everywhere; with `room` it is for the caller to notice.
        """
        if choose_backend(self.sdf, available=_BACKENDS) == "warp":
            mesh, crossing, ends = _extract(
                self.grid, self.grid_vertices, self.offset, self.reach, self.sdf, room
            )
            self._crossing = (self.sdf._version, crossing, ends)
            return mesh
        crossing = crossing_edges(self.grid, self.sdf)
        self._crossing = (self.sdf._version, crossing, None)
        return marching_tetrahedra(self.grid, self.vertices(), self.sdf, crossing=crossing)

    def most(self) -> Sizes:
        """The longest lists that a mesh can have."""
        return Sizes(0, len(self._edges), 2 * len(self._tets))

    def weight(self, t: float) -> float:
        """Of the regulariser at progress t in [0, 1]: falls linearly from sdf_weight to 0.01 over
        the first quarter."""
        return regulariser_weight(self.sdf_weight, t)

    def regulariser(self, weight: Tensor | float) -> Tensor:
        """`sdf_regulariser` of the present field times a weight."""
        known = self._crossing
        # The edges found by mesh() serve again as long as no optimiser has stepped since.
        if known is None or known[0] != self.sdf._version:
            return weight * sdf_regulariser(self.grid, self.sdf)
        _, crossing, ends = known
        return weight * sdf_regulariser(self.grid, self.sdf, crossing=crossing, ends=ends)

    def box(self) -> tuple[Tensor, Tensor]:
        """Lower and upper corner [3] of everything the surface can reach, world units."""
        half = self.grid_vertices.new_full((3,), 0.5 * self.mesh_scale + self.reach)
        return -half, half


def regulariser_weight(start: float, t: float) -> float:
    """From `start` at t = 0 linearly to 0.01 at t = 0.25, then constant."""
    return start - (start - 0.01) * min(1.0, max(0.0, 4.0 * t))


def _extract(
    grid: TetGrid,
    points: Tensor,
    offset: Tensor | None,
    reach: float,
    sdf: Tensor,
    room: Room | None = None,
) -> tuple[Mesh, Tensor, Tensor]:
    """The surface, its crossing edges [C] and the ends of their `Cuts`, by kernels; see
    `warp_tetrahedra.extract`."""
    cuts = _kernels().find_cuts(grid.tets, grid.edges, sdf)
    positions, triangles, crossing = _Extract.apply(  # type: ignore[no-untyped-call]
        points, offset, sdf, reach, grid, cuts, room
    )
    if crossing.shape[0] == 0:
        raise EmptyMeshError(*EMPTY_SURFACE)
    return Mesh(positions=positions, triangles=triangles), crossing, cuts.ends


class _Extract(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        points: Tensor,
        offset: Tensor | None,
        sdf: Tensor,
        reach: float,
        grid: TetGrid,
        cuts: Any,
        room: Room | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        single, double, _ = _tables(str(sdf.device))
        positions, triangles, crossing = _kernels().extract(
            (grid.tets, grid.edges, grid.tet_edges),
            (single, double),
            points,
            offset,
            reach,
            sdf,
            cuts,
            room,
        )
        ctx.mark_non_differentiable(triangles, crossing)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(grid.edges, crossing, points, offset, sdf)
        ctx.reach = reach
        return positions, triangles, crossing

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor | None, *_: Any) -> tuple[Tensor | None, ...]:
        if grad is None:
            return (None,) * 7
        edges, crossing, points, offset, sdf = ctx.saved_tensors
        for_vertices, for_sdf = _kernels().extract_backward(
            edges, crossing, points, offset, ctx.reach, sdf, grad
        )
        if offset is None:
            return for_vertices, None, for_sdf, None, None, None, None
        return None, for_vertices, for_sdf, None, None, None, None


class _Entropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, sdf: Tensor, edges: Tensor, crossing: Tensor, ends: Tensor | None
    ) -> Tensor:
        value, gradient = _kernels().entropy(edges, crossing, sdf, ends)
        ctx.save_for_backward(gradient)
        result: Tensor = value
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad, None, None, None


def _kernels() -> Any:
    from diffrec.ops import warp_tetrahedra

    return warp_tetrahedra


def _triangles(grid: TetGrid, sdf: Tensor, number: Tensor) -> Tensor:
    """Triangles [F, 3] of all tetrahedra; number: [E] mesh position of each crossing edge."""
    single, double, count = _tables(str(sdf.device))
    inside = (sdf.detach() < 0).to(torch.uint8)
    corner = inside.index_select(0, grid.tets.reshape(-1)).reshape(-1, 4)
    case = corner[:, 0] + corner[:, 1] * 2 + corner[:, 2] * 4 + corner[:, 3] * 8
    active = torch.nonzero((case != 0) & (case != 15)).reshape(-1)
    case = case.index_select(0, active).long()
    edges = number[grid.tet_edges.index_select(0, active)]

    two = count[case] == 2
    ones, twos = torch.nonzero(~two).reshape(-1), torch.nonzero(two).reshape(-1)
    of_one = torch.gather(edges[ones], 1, single[case[ones]])
    of_two = torch.gather(edges[twos], 1, double[case[twos]])
    return torch.cat([of_one, of_two.reshape(-1, 3)])


@lru_cache(maxsize=8)
def _tables(device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Edges cut by each of the 16 sign cases (bit k set: corner k inside).

    Returns single [16, 3], double [16, 6] (two triangles) and the triangle count [16]. Built on
    a tetrahedron of positive volume: the outline of the cut is wound so that it faces the
    corners outside.
    """
    corner = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=np.float64)
    single = np.zeros((16, 3), dtype=np.int64)
    double = np.zeros((16, 6), dtype=np.int64)
    count = np.zeros(16, dtype=np.int64)
    for case in range(1, 15):
        inside = np.array([bool(case >> k & 1) for k in range(4)])
        cut = [e for e, (a, b) in enumerate(TET_EDGES) if inside[a] != inside[b]]
        middle = {e: corner[list(TET_EDGES[e])].mean(0) for e in cut}
        outward = corner[~inside].mean(0) - corner[inside].mean(0)
        outline = _outline(cut, middle, outward)
        if len(outline) == 3:
            single[case], count[case] = outline, 1
        else:
            p, q, r, s = outline
            double[case], count[case] = (p, q, r, p, r, s), 2
    return (
        torch.from_numpy(single).to(device),
        torch.from_numpy(double).to(device),
        torch.from_numpy(count).to(device),
    )


def _outline(
    cut: list[int], middle: dict[int, NDArray[np.float64]], outward: NDArray[np.float64]
) -> tuple[int, ...]:
    """The cut edges in the order around the cut polygon, counter-clockwise seen from outside."""
    for rest in itertools.permutations(cut[1:]):
        order = (cut[0], *rest)
        # Neighbours on the outline share a face: together their edges have three corners.
        neighbours = zip(order, order[1:] + order[:1], strict=True)
        if any(len({*TET_EDGES[a], *TET_EDGES[b]}) != 3 for a, b in neighbours):
            continue
        p, q, r = (middle[e] for e in order[:3])
        if np.dot(np.cross(q - p, r - p), outward) > 0:
            return order
    raise AssertionError("every cut of a tetrahedron is a triangle or a quadrilateral")
