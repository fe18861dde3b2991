"""Marching tetrahedra in plain PyTorch, any device and dtype."""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from diffrec.ops.tetrahedra.grid import TET_EDGES, TetGrid


def surface(
    grid: TetGrid, vertices: Tensor, sdf: Tensor, crossing: Tensor
) -> tuple[Tensor, Tensor]:
    """Positions [C, 3], differentiable by autograd, and triangles [F, 3]."""
    if crossing.numel() == 0:
        return vertices.new_empty((0, 3)), crossing.new_empty((0, 3))
    ends = grid.edges.index_select(0, crossing)
    a, b = ends[:, 0], ends[:, 1]
    value_a, value_b = sdf.index_select(0, a), sdf.index_select(0, b)
    # One end is negative and the other is not, so the difference is never zero.
    weight = (value_a / (value_a - value_b))[:, None]
    positions = torch.lerp(vertices.index_select(0, a), vertices.index_select(0, b), weight)

    number = torch.empty(len(grid.edges), dtype=torch.int64, device=sdf.device)
    number[crossing] = torch.arange(len(crossing), device=sdf.device)
    return positions, _triangles(grid, sdf, number)


def crossing_edges(grid: TetGrid, sdf: Tensor) -> Tensor:
    """Ids [C] of the edges whose ends have different signs."""
    inside = sdf.detach() < 0
    ends = inside.index_select(0, grid.edges.reshape(-1)).reshape(-1, 2)
    return torch.nonzero(ends[:, 0] != ends[:, 1]).reshape(-1)


def sign_change_entropy(values: Tensor) -> Tensor:
    """The sum of both directions' binary cross entropies of sdf values [C, 2] at edge ends."""
    outside = (values.detach() >= 0).to(values.dtype)
    first = functional.binary_cross_entropy_with_logits(values[:, 0], outside[:, 1])
    second = functional.binary_cross_entropy_with_logits(values[:, 1], outside[:, 0])
    return first + second


def _triangles(grid: TetGrid, sdf: Tensor, number: Tensor) -> Tensor:
    """Triangles [F, 3] of all tetrahedra; number: [E] mesh position of each crossing edge."""
    single, double, count = tables(str(sdf.device))
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
def tables(device: str) -> tuple[Tensor, Tensor, Tensor]:
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
