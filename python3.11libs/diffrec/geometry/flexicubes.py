"""FlexiCubes (Shen et al. 2023): dual marching cubes with learned weights per cube.

Sign convention as in `diffrec.geometry.dmtet`: positive is outside, zero counts as outside,
triangles face outward. The surface is closed off the boundary of the grid and always 2-manifold
there. Where the object touches the boundary it is cut open.

The paper resolves the ambiguous faces of two cube cases by a special rule; here any face is laid
the other way round if both cubes at it would join its two segments into one patch each, which is
what makes an edge with four triangles. Laying a face anew splits these patches and never joins
the segments of another face, so a single sweep leaves no such edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from diffrec.geometry.dmtet import EMPTY_SURFACE, regulariser_weight
from diffrec.geometry.dualcases import EDGES, CaseTable, case_table
from diffrec.geometry.mesh import EmptyMeshError, Mesh
from diffrec.ops.fixedlengths import FixedLengths
from diffrec.ops.tetrahedra.reference import sign_change_entropy

__all__ = ["FlexiCubesGeometry", "FlexiSurface", "cube_grid", "flexicubes"]

# Weight of the deviation regulariser in the paper's reconstructions from pictures.
_DEVIATION_WEIGHT = 0.5


@dataclass(frozen=True)
class FlexiSurface:
    """A surface and its regulariser.

    deviation: scalar, world units: mean absolute deviation of the distances between a dual
    vertex and the edge crossings around it (the paper's L_dev), averaged over dual vertices.
    """

    mesh: Mesh
    deviation: Tensor


def cube_grid(cells: int) -> Tensor:
    """Corners [(n+1)^3, 3] of n^3 cubes filling [-0.5, 0.5]^3; the index runs fastest along z."""
    line = torch.arange(cells + 1, dtype=torch.float32) / cells - 0.5
    return torch.stack(torch.meshgrid(line, line, line, indexing="ij"), -1).reshape(-1, 3)


def flexicubes(
    cells: int,
    vertices: Tensor,
    sdf: Tensor,
    weights: Tensor,
    *,
    subdivide: bool = False,
) -> FlexiSurface:
    """The zero level of `sdf` on a grid of cells^3 cubes.

    vertices: [(n+1)^3, 3] world units, deformed (`cube_grid` gives the order); sdf: [(n+1)^3],
    positive outside; weights: [n^3, 21] of the cubes, any real numbers (`positive` makes them
    the paper's): 8 alpha, of the corners along the edges; 12 beta, of the edge crossings in the
    dual vertex, edges as in `dualcases.EDGES`; gamma, how a quadrilateral is cut.
    subdivide: cut each quadrilateral into four triangles about a weighted middle, which makes
    gamma differentiable (training), instead of two along the heavier diagonal.
    Differentiable with respect to all tensors. Raises EmptyMeshError if nothing is crossed.
    """
    table, layout = case_table(str(sdf.device)), _layout(cells, str(sdf.device))
    case = _cases(cells, sdf)
    cubes = torch.nonzero((case != 0) & (case != 255)).reshape(-1)
    if cubes.numel() == 0:
        raise EmptyMeshError(*EMPTY_SURFACE)
    compact = torch.full((cells**3,), -1, dtype=torch.int64, device=sdf.device)
    compact[cubes] = torch.arange(len(cubes), device=sdf.device)
    case = case.index_select(0, cubes).long()
    row = case * 64 + _rules(cells, cubes, compact, case, table)

    patch = table.patch.index_select(0, row)  # [S, 12]
    patches = table.patches.index_select(0, row)
    first_dual = torch.cumsum(patches, 0) - patches
    dual_of_edge = torch.where(patch >= 0, patch + first_dual[:, None], -1)

    # Only the cubes at the surface need weights: a few in a hundred.
    chosen = positive(weights.index_select(0, cubes))
    alpha, beta, gamma = chosen[:, :8], chosen[:, 8:20], chosen[:, 20]

    # Every (cube, cut edge) has its own crossing, because alpha belongs to the cube.
    cut = torch.nonzero(patch.reshape(-1) >= 0).reshape(-1)
    owner, edge = torch.div(cut, 12, rounding_mode="floor"), cut % 12
    dual = dual_of_edge.reshape(-1).index_select(0, cut)
    crossing = _crossings(cells, layout, vertices, sdf, alpha, cubes, owner, edge)
    weight = beta.reshape(-1).index_select(0, cut)[:, None]
    count = int(patches.sum())
    total = weight.new_zeros((count, 1)).index_add(0, dual, weight)
    points = crossing.new_zeros((count, 3)).index_add(0, dual, crossing * weight) / total

    deviation = _deviation(points, crossing, dual)
    owner_of_dual = torch.repeat_interleave(patches)
    quads = _quads(cells, layout, cubes, compact, case, dual_of_edge)
    if quads.numel() == 0:
        raise EmptyMeshError(*EMPTY_SURFACE)
    corner_owner = owner_of_dual.index_select(0, quads.reshape(-1))
    corner_gamma = gamma.index_select(0, corner_owner).reshape(-1, 4)
    cutter = _subdivided if subdivide else _halved
    return FlexiSurface(cutter(points, quads, corner_gamma), deviation)


def positive(weights: Tensor) -> Tensor:
    """Raw weights squeezed into (0.01, 1.99), 1 at 0."""
    return torch.tanh(weights) * 0.99 + 1.0


@dataclass(frozen=True)
class _Layout:
    """Index arithmetic of the grid: corner offsets [8], ends [12, 2], neighbours of an edge."""

    corner: Tensor
    ends: Tensor
    around: Tensor  # [3, 4, 3] cube offsets around the edge along an axis, counter-clockwise
    local: Tensor  # [3, 4] that edge's number in each of these cubes


@lru_cache(maxsize=8)
def _layout(cells: int, device: str) -> _Layout:
    stride = ((cells + 1) ** 2, cells + 1, 1)
    corner = [sum((c >> k & 1) * stride[k] for k in range(3)) for c in range(8)]
    around, local = [], []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        cubes, numbers = [], []
        for du, dv in ((0, 0), (-1, 0), (-1, -1), (0, -1)):
            offset = [0, 0, 0]
            offset[u], offset[v] = du, dv
            low = (-du << u) | (-dv << v)
            cubes.append(offset)
            numbers.append(EDGES.index((low, low | 1 << axis)))
        around.append(cubes)
        local.append(numbers)
    return _Layout(*(torch.tensor(x, device=device) for x in (corner, EDGES, around, local)))


def _cases(cells: int, sdf: Tensor) -> Tensor:
    """Sign case [n^3] uint8 of every cube."""
    inside = (sdf.detach() < 0).to(torch.uint8).reshape(cells + 1, cells + 1, cells + 1)
    case = torch.zeros((cells, cells, cells), dtype=torch.uint8, device=sdf.device)
    for corner in range(8):
        x, y, z = (corner >> k & 1 for k in range(3))
        case |= inside[x : x + cells, y : y + cells, z : z + cells] << corner
    return case.reshape(-1)


def _position(cells: int, cubes: Tensor) -> Tensor:
    """Cell coordinates [S, 3] of cube indices [S]."""
    square = cells * cells
    x = torch.div(cubes, square, rounding_mode="floor")
    y = torch.div(cubes, cells, rounding_mode="floor") % cells
    return torch.stack([x, y, cubes % cells], 1)


def _rules(cells: int, cubes: Tensor, compact: Tensor, case: Tensor, table: CaseTable) -> Tensor:
    """Rule bits [S] that leave no face joined on both sides.

    Faces are visited in six groups (axis, parity), so that no cube has two faces in a group.
    """
    rules = torch.zeros_like(case)
    joined = table.joined.index_select(0, case * 64)
    place = _position(cells, cubes)
    for axis in range(3):
        upper = 2 * axis + 1
        below = torch.nonzero(joined[:, upper] & (place[:, axis] < cells - 1)).reshape(-1)
        above = compact[cubes[below] + cells ** (2 - axis)]
        for parity in range(2):
            group = place[below, axis] % 2 == parity
            low, high = below[group], above[group]
            both = (
                table.joined[case[low] * 64 + rules[low], upper]
                & table.joined[case[high] * 64 + rules[high], upper - 1]
            )
            rules[low[both]] |= 1 << upper
            rules[high[both]] |= 1 << (upper - 1)
    return rules


def _crossings(
    cells: int,
    layout: _Layout,
    vertices: Tensor,
    sdf: Tensor,
    alpha: Tensor,
    cubes: Tensor,
    owner: Tensor,
    edge: Tensor,
) -> Tensor:
    """Zero crossings [C, 3] of cut edges, with sdf weighed by the cube's alpha.

    cubes: [S] surface cubes, alpha: [S, 8]; owner: [C] into cubes and edge: [C] of each crossing.
    """
    x, y, z = _position(cells, cubes).unbind(1)
    base = ((x * (cells + 1) + y) * (cells + 1) + z).index_select(0, owner)
    ends = layout.ends.index_select(0, edge)
    values, places = [], []
    for k in range(2):
        corner = base + layout.corner.index_select(0, ends[:, k])
        weight = alpha.reshape(-1).index_select(0, owner * 8 + ends[:, k])
        values.append(sdf.index_select(0, corner) * weight)
        places.append(vertices.index_select(0, corner))
    return torch.lerp(places[0], places[1], (values[0] / (values[0] - values[1]))[:, None])


def _deviation(points: Tensor, crossing: Tensor, dual: Tensor) -> Tensor:
    """Mean absolute deviation of the distances around each dual vertex, averaged."""
    apart = (crossing - points.index_select(0, dual)).square().sum(1)
    distance = (apart + 1e-16).sqrt()
    share = 1.0 / torch.bincount(dual, minlength=len(points)).to(distance.dtype)
    zero = distance.new_zeros(len(points))
    mean = zero.index_add(0, dual, distance) * share
    spread = (distance - mean.index_select(0, dual)).abs()
    return (zero.index_add(0, dual, spread) * share).mean()


def _quads(
    cells: int,
    layout: _Layout,
    cubes: Tensor,
    compact: Tensor,
    case: Tensor,
    dual_of_edge: Tensor,
) -> Tensor:
    """Dual vertices [Q, 4] around every cut grid edge that has all four cubes, facing outward."""
    place = _position(cells, cubes)
    quads = []
    for axis in range(3):
        others = [k for k in range(3) if k != axis]
        # The edge at the lowest corner of a cube names a grid edge; on the lower boundary of the
        # grid cubes are missing around it.
        edge = 4 * axis
        here = (dual_of_edge[:, edge] >= 0) & (place[:, others] > 0).all(1)
        own = torch.nonzero(here).reshape(-1)
        stride = torch.tensor([cells * cells, cells, 1], device=cubes.device)
        offset = (layout.around[axis] * stride).sum(1)
        around = compact[cubes[own][:, None] + offset]
        quad = torch.gather(
            dual_of_edge.reshape(-1), 0, (around * 12 + layout.local[axis]).reshape(-1)
        ).reshape(-1, 4)
        rising = (case[own] & 1) == 1  # inside at the lower end: outward is along the axis
        quads.append(torch.where(rising[:, None], quad, quad.flip(1)))
    return torch.cat(quads)


def _halved(points: Tensor, quads: Tensor, gamma: Tensor) -> Mesh:
    """Two triangles per quadrilateral, along the diagonal of the larger product of gammas."""
    first = gamma[:, 0] * gamma[:, 2] > gamma[:, 1] * gamma[:, 3]
    along = quads[:, [0, 1, 2, 0, 2, 3]]
    across = quads[:, [0, 1, 3, 1, 2, 3]]
    return Mesh(points, torch.where(first[:, None], along, across).reshape(-1, 3))


def _subdivided(points: Tensor, quads: Tensor, gamma: Tensor) -> Mesh:
    """Four triangles about the weighted mean of the diagonals' middles."""
    corner = points.index_select(0, quads.reshape(-1)).reshape(-1, 4, 3)
    first = (gamma[:, 0] * gamma[:, 2])[:, None]
    second = (gamma[:, 1] * gamma[:, 3])[:, None]
    middle = first * (corner[:, 0] + corner[:, 2]) + second * (corner[:, 1] + corner[:, 3])
    middle = middle * 0.5 / (first + second)
    number = torch.arange(len(quads), device=quads.device) + len(points)
    triangles = [torch.stack([quads[:, k], quads[:, (k + 1) % 4], number], 1) for k in range(4)]
    return Mesh(torch.cat([points, middle]), torch.cat(triangles))


class FlexiCubesGeometry(nn.Module):
    """Signed distance and offset per grid corner and 21 weights per cube, side mesh_scale.

    Same interface as `DMTetGeometry`. Parameters: sdf [(n+1)^3], uniform random in [-0.1, 0.9];
    offset [(n+1)^3, 3]; weights [n^3, 21] (8 alpha, 12 beta, 1 gamma before activation); the
    last two zero at the start. A corner moves by less than half a cube.

    resolution: cubes along a side (`dmtet_grid`); mesh_scale: side of the box in world units;
    sdf_weight: weight of the sign regulariser at the start; seed: of the random start.
    """

    grid_vertices: Tensor

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
        if resolution < 1:
            raise ValueError(f"dmtet_grid must be at least 1, not {resolution}")
        self.resolution = resolution
        self.mesh_scale = mesh_scale
        self.sdf_weight = sdf_weight
        self.reach = 0.49 * mesh_scale / resolution if reach is None else reach
        self.register_buffer("grid_vertices", cube_grid(resolution) * mesh_scale, persistent=False)
        random = torch.Generator().manual_seed(seed)
        count = len(self.grid_vertices)
        self.sdf = nn.Parameter(torch.rand(count, generator=random) - 0.1)
        self.offset = nn.Parameter(torch.zeros(count, 3))
        self.weights = nn.Parameter(torch.zeros(resolution**3, 21))
        self._deviation: tuple[tuple[int, ...], Tensor] | None = None
        self.to(device)

    def vertices(self) -> Tensor:
        """Deformed grid corners [(n+1)^3, 3], world units."""
        return self.grid_vertices + torch.tanh(self.offset) * self.reach

    def mesh(self, lengths: FixedLengths | None = None) -> Mesh:
        """The present surface, facing outward, without normals or texture coordinates.

        `lengths` has to be None: the lists have the lengths that they need.

        Quadrilaterals are cut in four while gradients are recorded, in two under no_grad and
        in eval mode. Raises EmptyMeshError if the field has one sign everywhere.
        """
        surface = flexicubes(
            self.resolution,
            self.vertices(),
            self.sdf,
            self.weights,
            subdivide=self.training and torch.is_grad_enabled(),
        )
        self._deviation = (self._state(), surface.deviation)
        return surface.mesh

    def weight(self, t: float) -> float:
        """Of the sign regulariser at progress t in [0, 1], as DMTet's."""
        return regulariser_weight(self.sdf_weight, t)

    def regulariser(self, weight: Tensor | float) -> Tensor:
        """Sign regulariser (as DMTet's) times a weight, plus 0.5 L_dev."""
        known, self._deviation = self._deviation, None
        if known is None or known[0] != self._state():
            self.mesh()
            known, self._deviation = self._deviation, None
        assert known is not None
        signs = sign_change_entropy(self._sign_changes())
        return weight * signs + _DEVIATION_WEIGHT * known[1]

    def _state(self) -> tuple[int, ...]:
        """Changes with every optimiser step and with the recording of gradients."""
        parameters = (self.sdf, self.offset, self.weights)
        return (*(p._version for p in parameters), int(torch.is_grad_enabled()))

    def _sign_changes(self) -> Tensor:
        """Sdf values [C, 2] at the ends of the sign-changing grid edges."""
        side = self.resolution + 1
        inside = (self.sdf.detach() < 0).reshape(side, side, side)
        index = torch.arange(side**3, device=self.sdf.device).reshape(side, side, side)
        starts = []
        for axis in range(3):
            low, high = inside.narrow(axis, 0, side - 1), inside.narrow(axis, 1, side - 1)
            start = index.narrow(axis, 0, side - 1)[low != high]
            starts.append(torch.stack([start, start + side ** (2 - axis)], 1))
        return self.sdf[torch.cat(starts)]

    def box(self) -> tuple[Tensor, Tensor]:
        """Lower and upper corner [3] of everything the surface can reach, world units."""
        half = self.grid_vertices.new_full((3,), 0.5 * self.mesh_scale + self.reach)
        return -half, half
