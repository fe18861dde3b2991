"""Texture charts by projection of the smoothed surface along the six axes: quick, certain to end.

Neighbouring triangles that face the same axis form a chart and are projected along it. What makes
a reconstructed surface rough would also make it fall into thousands of charts: the facing and the
projection are those of a smoothed copy, small charts join larger ones around them where the slant
allows it, and borders are trimmed. A chart that covers itself is cut until none does. No triangle
is mirrored; `diffrec.charting.relaxation` evens out the stretch that the projection leaves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffrec.charting.ids import neighbours
from diffrec.charting.overlap import cut_apart

__all__ = ["box_charts"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROUNDED = 3  # rounds of averaging positions over neighbours
_SMOOTHING = 3  # rounds of averaging the facing over neighbours: fewer, larger charts
_SLANT = 0.3  # smallest cosine between a triangle and its projection axis
_SMALL = 64  # triangles of a chart that joins a larger one
_TRIMMED = 6  # rounds of trimming borders
_STEEP = 0.1  # smallest cosine for that

# Texture axes (u, height) of a projection along +x -x +y -y +z -z with cross(u, height) = axis,
# so that no chart is mirrored.
_AXES = np.repeat(np.eye(3), 2, axis=0) * np.array([1, -1] * 3)[:, None]
_U = np.array([[0, 1, 0], [0, 0, 1], [0, 0, 1], [1, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=float)
_V = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]], dtype=float)


def box_charts(positions: Floats, triangles: Ints, resolution: int) -> tuple[Floats, Ints]:
    """Texture coordinates [T, 2] and the triangles [F, 3] into them; charts are not packed.

    positions: [V, 3]; triangles: [F, 3]; resolution: of the texture in texels: no chart covers
    itself at that. Charts have about the size that they have on the surface, v upward, and lie
    anywhere.
    """
    corner = _rounded(positions, triangles)[triangles]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    normal = normal / np.where(length > 0, length, 1.0)
    sides = neighbours(triangles)
    axis = _joined(_facing(normal, length, sides), normal, sides)
    axis = _trimmed(axis, normal, sides)
    height = np.einsum("fkc,fc->fk", corner, _V[axis])
    flat = np.stack([np.einsum("fkc,fc->fk", corner, _U[axis]), height], -1)
    extent = np.ptp(flat.reshape(-1, 2), axis=0).max() or 1.0
    texels = (flat - flat.reshape(-1, 2).min(axis=0)) * (resolution / extent)
    chart = cut_apart(texels, _components(axis, sides), triangles)
    keys = chart[:, None] * len(positions) + triangles
    _, first, shared = np.unique(keys, return_index=True, return_inverse=True)
    return flat.reshape(-1, 2)[first], shared.reshape(-1, 3).astype(np.int64)


def _rounded(positions: Floats, triangles: Ints) -> Floats:
    """Positions [V, 3] moved halfway to the mean of their neighbours, some times."""
    sides = np.unique(
        np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0
    )
    begin, end = np.concatenate([sides, sides[:, ::-1]]).T
    count = np.bincount(begin, minlength=len(positions)).clip(1)
    for _ in range(_ROUNDED):
        mean = [
            np.bincount(begin, positions[end, k], minlength=len(positions)) / count
            for k in range(3)
        ]
        positions = 0.5 * positions + 0.5 * np.stack(mean, axis=1)
    return positions


def _facing(normal: Floats, area: Floats, sides: Ints) -> Ints:
    """Projection axis [F], 0..5, of every triangle, smoothed where the slant allows it."""
    smooth = normal * area
    for _ in range(_SMOOTHING):
        summed = smooth.copy()
        np.add.at(summed, sides[:, 0], smooth[sides[:, 1]])
        np.add.at(summed, sides[:, 1], smooth[sides[:, 0]])
        smooth = summed
    axis: Ints = np.argmax(smooth @ _AXES.T, axis=1)
    slanted = np.einsum("fc,fc->f", normal, _AXES[axis]) < _SLANT
    axis[slanted] = np.argmax(normal[slanted] @ _AXES.T, axis=1)
    return axis


def _joined(axis: Ints, normal: Floats, sides: Ints) -> Ints:
    """Axes [F] after small charts took that of larger ones around them, where all of one can."""
    steep = normal @ _AXES.T < _STEEP
    for _ in range(3):
        chart = _components(axis, sides)
        size = np.bincount(chart)
        possible = np.stack([np.bincount(chart, steep[:, k]) == 0 for k in range(6)], axis=1)
        met = np.concatenate([chart[sides], chart[sides[:, ::-1]]])
        met = met[(size[met[:, 0]] <= _SMALL) & (size[met[:, 0]] < size[met[:, 1]])]
        own = np.zeros(len(size), dtype=np.int64)
        own[chart] = axis
        shared = np.zeros((len(size), 6))
        np.add.at(shared, (met[:, 0], own[met[:, 1]]), 1.0)
        shared *= possible
        joins = shared.max(axis=1) > 0
        if not joins.any():
            break
        axis = np.where(joins, shared.argmax(axis=1), own)[chart]
    return axis


def _trimmed(axis: Ints, normal: Floats, sides: Ints) -> Ints:
    """Axes [F] after the teeth of borders, triangles mostly in another chart, joined that."""
    possible = normal @ _AXES.T >= _SLANT
    met = np.concatenate([sides, sides[:, ::-1]])
    for turn in range(_TRIMMED):
        shared = np.zeros((len(axis), 6))
        np.add.at(shared, (met[:, 0], axis[met[:, 1]]), 1.0)
        other = np.where(possible & (np.arange(6) != axis[:, None]), shared, 0.0)
        # Teeth of both sides at once would change places for ever.
        side = other.argmax(axis=1) > axis if turn % 2 else other.argmax(axis=1) < axis
        joins = side & (other.max(axis=1) > shared[np.arange(len(axis)), axis])
        axis = np.where(joins, other.argmax(axis=1), axis)
    return axis


def _components(label: Ints, sides: Ints) -> Ints:
    """Connected components, numbered from 0, of triangles with equal labels."""
    joined = sides[label[sides[:, 0]] == label[sides[:, 1]]]
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
