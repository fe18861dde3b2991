"""Which triangles make up a chart, and how large they are in it."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["by_chart", "chart_ids", "neighbours", "signed_areas", "split"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def chart_ids(texcoord_triangles: Ints) -> Ints:
    """The chart [F] of each triangle, from 0 in the order of their first triangles.

    Triangles that share a texture coordinate belong to one chart.
    """
    root: Ints = _roots(texcoord_triangles, int(texcoord_triangles.max()) + 1)
    _, first, inverse = np.unique(root, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    ids: Ints = rank[inverse.reshape(-1)]
    return ids


def by_chart(chart: Ints, count: int = 0) -> tuple[Ints, Ints]:
    """Triangle ids [F] sorted by chart, and where each chart begins among them, [C + 1].

    count: least number C of charts, when the last ones may be empty.
    """
    order = np.argsort(chart, kind="stable")
    sizes = np.bincount(chart, minlength=count)
    return order, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def neighbours(triangles: Ints) -> Ints:
    """Pairs [N, 2] of triangles that share a side."""
    sides = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    keys = sides[:, 0] * (int(triangles.max()) + 1) + sides[:, 1]
    order = np.argsort(keys, kind="stable")
    same = keys[order][1:] == keys[order][:-1]
    return np.stack([order[:-1][same] // 3, order[1:][same] // 3], axis=1)


def split(texcoords: Floats, indices: Ints, chart: Ints) -> tuple[Floats, Ints]:
    """Texture coordinates [T, 2] and triangles [F, 3] into them, none shared between charts [F]."""
    keys = chart[:, None] * len(texcoords) + indices
    _, first, shared = np.unique(keys, return_index=True, return_inverse=True)
    return texcoords[indices.reshape(-1)[first]], shared.reshape(-1, 3).astype(np.int64)


def signed_areas(flat: Floats) -> Floats:
    """Areas [F] of triangles [F, 3, 2], positive where they run counter-clockwise."""
    a, b = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    return np.asarray(0.5 * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]))


@numba.njit(cache=True)
def _roots(indices: Ints, count: int) -> Ints:
    """A representative texture coordinate [F] for each triangle's chart."""
    parent = np.arange(count)
    for f in range(len(indices)):
        a = indices[f, 0]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        for k in range(1, 3):
            b = indices[f, k]
            while parent[b] != b:
                parent[b] = parent[parent[b]]
                b = parent[b]
            if a < b:
                parent[b] = a
            else:
                parent[a] = b
                a = b
    found = np.empty(len(indices), dtype=np.int64)
    for f in range(len(indices)):
        a = indices[f, 0]
        while parent[a] != a:
            a = parent[a]
        found[f] = a
    return found
