"""Which triangles make up a chart, and how large they are in it."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["by_chart", "chart_ids", "signed_areas"]

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


def by_chart(chart: Ints) -> tuple[Ints, Ints]:
    """Triangle ids [F] sorted by chart, and where each chart begins among them, [C + 1]."""
    order = np.argsort(chart, kind="stable")
    return order, np.concatenate([[0], np.cumsum(np.bincount(chart))]).astype(np.int64)


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
