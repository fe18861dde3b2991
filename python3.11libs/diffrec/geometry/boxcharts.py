"""Texture charts by projection along the six axes: simple, quick and certain to end.

Neighbouring triangles that face the same axis form a chart and are projected along it. A chart
that covers itself is halved by depth until none does. There is no stretching beyond the slant of
a triangle, but on rough surfaces there are more seams than xatlas makes.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["box_charts", "covers_itself"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SMOOTHING = 3  # rounds of averaging the facing over neighbours: fewer, larger charts
_SLANT = 0.3  # smallest cosine between a triangle and its projection axis
_ROUNDS = 40  # of halving; what still covers itself then becomes single triangles

# Texture axes (u, height) of a projection along +x -x +y -y +z -z with cross(u, height) = axis,
# so that no chart is mirrored.
_AXES = np.repeat(np.eye(3), 2, axis=0) * np.array([1, -1] * 3)[:, None]
_U = np.array([[0, 1, 0], [0, 0, 1], [0, 0, 1], [1, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=float)
_V = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]], dtype=float)


def box_charts(positions: Floats, triangles: Ints, resolution: int) -> tuple[Floats, Ints]:
    """Texture coordinates [T, 2] and the triangles [F, 3] into them; charts are not packed.

    positions: [V, 3]; triangles: [F, 3]; resolution: of the texture in texels: no chart covers
    itself at that. Charts have the size of their projections, v upward, and lie anywhere.
    """
    a, b, c = (positions[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    normal = normal / np.where(length > 0, length, 1.0)
    neighbours = _neighbours(triangles)
    axis = _facing(normal, length, neighbours)
    height = np.einsum("fkc,fc->fk", positions[triangles], _V[axis])
    flat = np.stack([np.einsum("fkc,fc->fk", positions[triangles], _U[axis]), height], -1)
    depth = np.einsum("fc,fc->f", (a + b + c) / 3.0, _AXES[axis])
    chart = _without_overlap(flat, depth, axis, neighbours, resolution)

    keys = chart[:, None] * len(positions) + triangles
    _, first, shared = np.unique(keys, return_index=True, return_inverse=True)
    return flat.reshape(-1, 2)[first], shared.reshape(-1, 3).astype(np.int64)


def _neighbours(triangles: Ints) -> Ints:
    """Pairs [N, 2] of triangles that share an edge."""
    sides = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    keys = sides[:, 0] * (int(triangles.max()) + 1) + sides[:, 1]
    order = np.argsort(keys, kind="stable")
    same = keys[order][1:] == keys[order][:-1]
    return np.stack([order[:-1][same] // 3, order[1:][same] // 3], axis=1)


def _facing(normal: Floats, area: Floats, neighbours: Ints) -> Ints:
    """Projection axis [F], 0..5, of every triangle, smoothed where the slant allows it."""
    smooth = normal * area
    for _ in range(_SMOOTHING):
        summed = smooth.copy()
        np.add.at(summed, neighbours[:, 0], smooth[neighbours[:, 1]])
        np.add.at(summed, neighbours[:, 1], smooth[neighbours[:, 0]])
        smooth = summed
    axis: Ints = np.argmax(smooth @ _AXES.T, axis=1)
    slanted = np.einsum("fc,fc->f", normal, _AXES[axis]) < _SLANT
    axis[slanted] = np.argmax(normal[slanted] @ _AXES.T, axis=1)
    return axis


def _components(label: Ints, neighbours: Ints) -> Ints:
    """Connected components, numbered from 0, of triangles with equal labels."""
    joined = neighbours[label[neighbours[:, 0]] == label[neighbours[:, 1]]]
    root: Ints = np.arange(len(label))
    while True:
        low = np.minimum(root[joined[:, 0]], root[joined[:, 1]])
        before = root.copy()
        np.minimum.at(root, before[joined[:, 0]], low)
        np.minimum.at(root, before[joined[:, 1]], low)
        while not np.array_equal(root, root[root]):
            root = root[root]
        if np.array_equal(root, before):
            break
    return np.unique(root, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _without_overlap(
    flat: Floats, depth: Floats, axis: Ints, neighbours: Ints, resolution: int
) -> Ints:
    """Charts [F], halved by depth as long as one covers itself at the texture's resolution."""
    chart = _components(axis, neighbours)
    extent = np.ptp(flat.reshape(-1, 2), axis=0).max() or 1.0
    texels = (flat - flat.reshape(-1, 2).min(axis=0)) * (resolution / extent)
    # Twice the texture's resolution, because packing may enlarge a chart.
    texels *= 2.0
    for _ in range(_ROUNDS):
        folded = covers_itself(chart, texels)
        if not folded.any():
            return chart
        split = folded[chart]
        total = np.zeros(len(folded))
        np.add.at(total, chart, depth)
        middle = total / np.bincount(chart, minlength=len(folded))
        deep = split & (depth < middle[chart])
        chart = _components(chart * 2 + deep, neighbours)
    rest = covers_itself(chart, texels)[chart]
    chart = np.where(rest, len(chart) + np.arange(len(chart)), chart)
    return np.unique(chart, return_inverse=True)[1].reshape(-1).astype(np.int64)


def covers_itself(chart: Ints, texels: Floats) -> NDArray[np.bool_]:
    """Which charts [C] have a texel centre that two of their triangles cover."""
    order = np.argsort(chart, kind="stable")
    ends = np.cumsum(np.bincount(chart)).astype(np.int64)
    folded: NDArray[np.bool_] = _scan(order, ends, texels)
    return folded


@numba.njit(cache=True)
def _scan(order: Ints, ends: Ints, texels: Floats) -> NDArray[np.bool_]:
    folded = np.zeros(len(ends), dtype=np.bool_)
    begin = 0
    for chart in range(len(ends)):
        members = order[begin : ends[chart]]
        begin = ends[chart]
        if len(members) < 2:
            continue
        left, right, low, high = np.inf, -np.inf, np.inf, -np.inf
        for t in members:
            for k in range(3):
                left, right = min(left, texels[t, k, 0]), max(right, texels[t, k, 0])
                low, high = min(low, texels[t, k, 1]), max(high, texels[t, k, 1])
        column, row = int(np.floor(left)), int(np.floor(low))
        taken = np.zeros((int(high) - row + 2, int(right) - column + 2), dtype=np.bool_)
        for t in members:
            if folded[chart]:
                break
            ax, ay = texels[t, 0, 0], texels[t, 0, 1]
            bx, by = texels[t, 1, 0], texels[t, 1, 1]
            cx, cy = texels[t, 2, 0], texels[t, 2, 1]
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            if area <= 1e-9:
                continue
            for j in range(int(np.floor(min(ay, by, cy))), int(max(ay, by, cy)) + 1):
                for i in range(int(np.floor(min(ax, bx, cx))), int(max(ax, bx, cx)) + 1):
                    x, y = i + 0.5, j + 0.5
                    # Strictly inside, so that a centre on a shared edge counts for no one.
                    e = 1e-7 * area
                    if (
                        (bx - ax) * (y - ay) - (by - ay) * (x - ax) > e
                        and (cx - bx) * (y - by) - (cy - by) * (x - bx) > e
                        and (ax - cx) * (y - cy) - (ay - cy) * (x - cx) > e
                    ):
                        if taken[j - row, i - column]:
                            folded[chart] = True
                            break
                        taken[j - row, i - column] = True
                if folded[chart]:
                    break
    return folded
