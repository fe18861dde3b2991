# Kernels are in Warp's language: int(0) declares a variable that changes in a loop, annotations are
# not types, and vectors and arrays have operations that their Python stand-ins lack.
# ruff: noqa: UP018, RUF046
# mypy: disable-error-code="index, valid-type, no-untyped-def, misc, operator, arg-type"
"""Marching tetrahedra with NVIDIA Warp: cuts are flagged, counted by one running sum, written.

A flag's place in the running sum is the row of what it becomes, so everything stands in the order
of the grid, as in `diffrec.geometry.dmtet`, whose formulas these are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
import warp as wp
from torch import Tensor

from diffrec.ops.fixedlengths import FixedLengths
from diffrec.ops.warp import launch, start_warp

start_warp()
wp.set_module_options({"enable_backward": False})

_THREADS = 1 << 15


@dataclass(frozen=True)
class Cuts:
    """What a field cuts of a grid of T tetrahedra and E edges.

    `rows`: [2 T + E] int32, running sum of the flags of tetrahedra with one triangle, of those with
    two, and of edges that change sign; `ends`: [3] int32, the sum at the end of each kind.
    """

    rows: Tensor
    ends: Tensor

    def counts(self) -> tuple[int, int]:
        """Crossing edges and triangles; waits for CUDA."""
        singles, both, all_flags = self.ends.tolist()
        return all_flags - both, singles + 2 * (both - singles)


def find_cuts(tets: Tensor, edges: Tensor, sdf: Tensor) -> Cuts:
    """Flag and count. `tets`: [T, 4], `edges`: [E, 2]."""
    device = sdf.device
    tet_count, edge_count = tets.shape[0], edges.shape[0]
    flags = torch.empty(2 * tet_count + edge_count, dtype=torch.int32, device=device)
    inputs = [tets.contiguous(), edges.contiguous(), sdf.detach().contiguous(), flags]
    launch(_mark, max(tet_count, edge_count), inputs, device)
    rows = torch.cumsum(flags, 0, dtype=torch.int32)
    return Cuts(rows, rows.index_select(0, _ends(tet_count, edge_count, str(device))))


@lru_cache(maxsize=4)
def _ends(tets: int, edges: int, device: str) -> Tensor:
    return torch.tensor([tets - 1, 2 * tets - 1, 2 * tets + edges - 1], device=device)


def extract(
    grid: tuple[Tensor, Tensor, Tensor],
    tables: tuple[Tensor, Tensor],
    points: Tensor,
    offset: Tensor | None,
    reach: float,
    sdf: Tensor,
    cuts: Cuts,
    lengths: FixedLengths | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Positions [C, 3] of the crossings, triangles [F, 3] and the crossing edges [C].

    Without `lengths` waits for CUDA, for C and F.

    `grid`: tets, edges, tet_edges; `tables`: edges of one triangle [16, 3] and of two [16, 6] by
    case; grid vertices stand at `points` + tanh(`offset`) * `reach`, both [V, 3].
    """
    device = sdf.device
    tets, edges, tet_edges = grid
    if lengths is None:
        crossings, faces = cuts.counts()
        seen = torch.empty(0, dtype=torch.int32, device=device)
    else:
        crossings, faces, seen = lengths.sizes.crossings, lengths.sizes.triangles, lengths.seen
    positions = torch.empty((crossings, 3), dtype=torch.float32, device=device)
    crossing = torch.empty(crossings, dtype=torch.int64, device=device)
    triangles = torch.empty((faces, 3), dtype=torch.int64, device=device)
    inputs = [
        tets.contiguous(),
        edges.contiguous(),
        tet_edges.contiguous(),
        *tables,
        *_vertices(points, offset),
        reach,
        sdf.detach().contiguous(),
        cuts.rows,
        cuts.ends,
        positions,
        crossing,
        triangles,
        seen,
    ]
    launch(_write, max(tets.shape[0], edges.shape[0], crossings, faces), inputs, device)
    return positions, triangles, crossing


def extract_backward(
    edges: Tensor,
    crossing: Tensor,
    points: Tensor,
    offset: Tensor | None,
    reach: float,
    sdf: Tensor,
    grad: Tensor,
) -> tuple[Tensor, Tensor]:
    """Gradients [V, 3] for `offset`, or for `points` where there is none, and [V] for `sdf`."""
    count = sdf.shape[0]
    memory = torch.zeros(4 * count, dtype=torch.float32, device=sdf.device)
    for_vertices, for_sdf = memory[: 3 * count].view(count, 3), memory[3 * count :]
    inputs = [
        edges.contiguous(),
        crossing,
        *_vertices(points, offset),
        reach,
        sdf.detach().contiguous(),
        grad.contiguous(),
        for_vertices,
        for_sdf,
    ]
    launch(_write_backward, crossing.shape[0], inputs, sdf.device)
    return for_vertices, for_sdf


def entropy(
    edges: Tensor, crossing: Tensor, sdf: Tensor, ends: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The regulariser of `crossing` edges [C], a scalar, and its gradient [V] for `sdf`.

    `ends`: those of the `Cuts` of edges with rows that are not needed.
    """
    device = sdf.device
    threads = min(_THREADS, crossing.shape[0])
    sums = torch.empty(threads, dtype=torch.float32, device=device)
    gradient = torch.zeros(sdf.shape[0], dtype=torch.float32, device=device)
    counts = crossing.new_empty(0, dtype=torch.int32) if ends is None else ends
    inputs = [edges.contiguous(), crossing, sdf.detach().contiguous(), counts, threads]
    inputs += [sums, gradient]
    launch(_entropy, threads, inputs, device)
    return sums.sum(), gradient


def _vertices(points: Tensor, offset: Tensor | None) -> list[Tensor]:
    moved = points.new_empty((0, 3)) if offset is None else offset.detach().contiguous()
    return [points.detach().contiguous(), moved]


@wp.func
def _case(tets: wp.array2d(dtype=wp.int64), sdf: wp.array(dtype=wp.float32), tet: int) -> int:
    """Bit k set: corner k inside."""
    result = int(0)
    for k in range(4):
        if sdf[int(tets[tet, k])] < 0.0:
            result += 1 << k
    return result


@wp.func
def _corners_inside(case: int) -> int:
    return (case & 1) + ((case >> 1) & 1) + ((case >> 2) & 1) + ((case >> 3) & 1)


@wp.kernel
def _mark(
    tets: wp.array2d(dtype=wp.int64),
    edges: wp.array2d(dtype=wp.int64),
    sdf: wp.array(dtype=wp.float32),
    flags: wp.array(dtype=wp.int32),
):
    i = wp.tid()
    count = tets.shape[0]
    if i < count:
        inside = _corners_inside(_case(tets, sdf, i))
        flags[i] = wp.where(inside == 1 or inside == 3, 1, 0)
        flags[count + i] = wp.where(inside == 2, 1, 0)
    if i < edges.shape[0]:
        first = sdf[int(edges[i, 0])] < 0.0
        second = sdf[int(edges[i, 1])] < 0.0
        flags[2 * count + i] = wp.where(first != second, 1, 0)


@wp.func
def _vertex(
    points: wp.array2d(dtype=wp.float32),
    offset: wp.array2d(dtype=wp.float32),
    reach: float,
    row: int,
) -> wp.vec3:
    p = wp.vec3(points[row, 0], points[row, 1], points[row, 2])
    if offset.shape[0] > 0:
        for k in range(3):
            p[k] = p[k] + wp.tanh(offset[row, k]) * reach
    return p


@wp.func
def _write_triangle(
    tet: int,
    case: int,
    first: int,
    row: int,
    table: wp.array2d(dtype=wp.int64),
    tet_edges: wp.array2d(dtype=wp.int64),
    rows: wp.array(dtype=wp.int32),
    first_row: int,
    first_edge: int,
    positions: int,
    triangles: wp.array2d(dtype=wp.int64),
):
    """The triangle across three crossing edges; one without area where a corner has no row."""
    if row < triangles.shape[0]:
        v = wp.vec3i(0, 0, 0)
        for k in range(3):
            edge = int(tet_edges[tet, int(table[case, first + k])])
            v[k] = rows[first_row + edge] - first_edge
        if wp.max(v[0], wp.max(v[1], v[2])) >= positions:
            v = wp.vec3i(0, 0, 0)
        for k in range(3):
            triangles[row, k] = wp.int64(v[k])


@wp.kernel
def _write(
    tets: wp.array2d(dtype=wp.int64),
    edges: wp.array2d(dtype=wp.int64),
    tet_edges: wp.array2d(dtype=wp.int64),
    of_one: wp.array2d(dtype=wp.int64),
    of_two: wp.array2d(dtype=wp.int64),
    points: wp.array2d(dtype=wp.float32),
    offset: wp.array2d(dtype=wp.float32),
    reach: float,
    sdf: wp.array(dtype=wp.float32),
    rows: wp.array(dtype=wp.int32),
    ends: wp.array(dtype=wp.int32),
    positions: wp.array2d(dtype=wp.float32),
    crossing: wp.array(dtype=wp.int64),
    triangles: wp.array2d(dtype=wp.int64),
    seen: wp.array(dtype=wp.int32),
):
    i = wp.tid()
    count = tets.shape[0]
    singles = ends[0]
    first_edge = ends[1] + 1  # the running sum at the first crossing edge
    crossings = ends[2] - ends[1]
    faces = 2 * ends[1] - singles
    if i >= crossings and i < positions.shape[0]:
        crossing[i] = wp.int64(-1)
        for k in range(3):
            positions[i, k] = 0.0
    if i >= faces and i < triangles.shape[0]:
        for k in range(3):
            triangles[i, k] = wp.int64(0)
    if i == 0 and seen.shape[0] > 0:
        wp.atomic_max(seen, 1, crossings)
        wp.atomic_max(seen, 2, faces)
        wp.atomic_min(seen, 3, crossings)
    if i < count:
        case = _case(tets, sdf, i)
        inside = _corners_inside(case)
        if inside == 1 or inside == 3:
            _write_triangle(
                i, case, 0, rows[i] - 1, of_one, tet_edges, rows, 2 * count, first_edge,
                positions.shape[0], triangles,
            )  # fmt: skip
        if inside == 2:
            row = singles + 2 * (rows[count + i] - singles - 1)
            for half in range(2):
                _write_triangle(
                    i, case, 3 * half, row + half, of_two, tet_edges, rows, 2 * count, first_edge,
                    positions.shape[0], triangles,
                )  # fmt: skip
    if i < edges.shape[0]:
        a = int(edges[i, 0])
        b = int(edges[i, 1])
        if (sdf[a] < 0.0) != (sdf[b] < 0.0):
            row = rows[2 * count + i] - first_edge
            if row >= positions.shape[0]:
                return
            crossing[row] = wp.int64(i)
            # One end is negative and the other is not, so the difference is never zero.
            weight = sdf[a] / (sdf[a] - sdf[b])
            start = _vertex(points, offset, reach, a)
            end = _vertex(points, offset, reach, b)
            p = start + weight * (end - start)
            if weight >= 0.5:
                p = end - (1.0 - weight) * (end - start)
            for k in range(3):
                positions[row, k] = p[k]


@wp.func
def _add_to_vertex(
    total: wp.array2d(dtype=wp.float32),
    offset: wp.array2d(dtype=wp.float32),
    reach: float,
    row: int,
    gradient: wp.vec3,
):
    for k in range(3):
        g = gradient[k]
        if offset.shape[0] > 0:
            t = wp.tanh(offset[row, k])
            g = g * reach * (1.0 - t * t)
        wp.atomic_add(total, row, k, g)


@wp.kernel
def _write_backward(
    edges: wp.array2d(dtype=wp.int64),
    crossing: wp.array(dtype=wp.int64),
    points: wp.array2d(dtype=wp.float32),
    offset: wp.array2d(dtype=wp.float32),
    reach: float,
    sdf: wp.array(dtype=wp.float32),
    grad: wp.array2d(dtype=wp.float32),
    for_vertices: wp.array2d(dtype=wp.float32),
    for_sdf: wp.array(dtype=wp.float32),
):
    i = wp.tid()
    edge = int(crossing[i])
    if edge < 0:
        return
    a = int(edges[edge, 0])
    b = int(edges[edge, 1])
    apart = sdf[a] - sdf[b]
    weight = sdf[a] / apart
    g = wp.vec3(grad[i, 0], grad[i, 1], grad[i, 2])
    _add_to_vertex(for_vertices, offset, reach, a, (1.0 - weight) * g)
    _add_to_vertex(for_vertices, offset, reach, b, weight * g)
    along = _vertex(points, offset, reach, b) - _vertex(points, offset, reach, a)
    # d weight / d sdf[a] = (1 - weight) / apart, d weight / d sdf[b] = weight / apart
    for_weight = wp.dot(g, along) / apart
    wp.atomic_add(for_sdf, a, (1.0 - weight) * for_weight)
    wp.atomic_add(for_sdf, b, weight * for_weight)


@wp.func
def _softplus(x: float) -> float:
    """log(1 + e^x), exact for large |x| to float32."""
    return float(wp.max(x, 0.0) + wp.log(1.0 + wp.exp(-wp.abs(x))))


@wp.func
def _sigmoid(x: float) -> float:
    return float(1.0 / (1.0 + wp.exp(-x)))


@wp.kernel
def _entropy(
    edges: wp.array2d(dtype=wp.int64),
    crossing: wp.array(dtype=wp.int64),
    sdf: wp.array(dtype=wp.float32),
    ends: wp.array(dtype=wp.int32),
    threads: int,
    sums: wp.array(dtype=wp.float32),
    gradient: wp.array(dtype=wp.float32),
):
    thread = wp.tid()
    count = crossing.shape[0]
    if ends.shape[0] > 0:
        count = wp.min(count, ends[2] - ends[1])
    scale = 1.0 / float(wp.max(count, 1))
    total = wp.float64(0.0)
    i = int(thread)
    while i < count:
        for k in range(2):
            one = int(edges[int(crossing[i]), k])
            other = int(edges[int(crossing[i]), 1 - k])
            x = sdf[one]
            outside = wp.where(sdf[other] >= 0.0, 1.0, 0.0)
            total += wp.float64(_softplus(x) - x * outside)
            wp.atomic_add(gradient, one, (_sigmoid(x) - outside) * scale)
        i += threads
    sums[thread] = float(total * wp.float64(scale))
