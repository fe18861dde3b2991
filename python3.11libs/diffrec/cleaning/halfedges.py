"""Triangles that know their neighbours, and the three changes that keep a surface a surface.

A corner is 3 * triangle + place in it, and stands for the side opposite it as well. `opposite`
holds for each corner the corner across that side, -1 on a border, -2 in a triangle that was taken
out. Sides of more than two triangles are borders of all of them.
Splitting, collapsing and flipping follow Hoppe et al., Mesh Optimization (1993), with the link
condition of Dey, Edelsbrunner, Guha and Nekhayev (1999).
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["ahead", "back", "collapse", "flip", "opposites", "ring", "split"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_AROUND = 64
"""Triangles around a vertex; one with more is left as it is."""


def opposites(triangles: Ints, count: int) -> Ints:
    """The corner across the side opposite each corner, [3 F]; count: of the vertices."""
    begin = triangles[:, [1, 2, 0]].reshape(-1)
    end = triangles[:, [2, 0, 1]].reshape(-1)
    keys = np.minimum(begin, end) * count + np.maximum(begin, end)
    order = np.argsort(keys, kind="stable")
    ranked = keys[order]
    same = np.concatenate([[False], ranked[1:] == ranked[:-1], [False]])
    # Two of a kind, running against each other, with no third before or after them.
    alone = same[1:-1] & ~same[:-2] & ~same[2:]
    first, second = order[:-1][alone], order[1:][alone]
    against = begin[first] == end[second]
    first, second = first[against], second[against]
    found = np.full(len(keys), -1, dtype=np.int64)
    found[first], found[second] = second, first
    return found


@numba.njit(cache=True, inline="always")
def ahead(corner: int) -> int:
    """The next corner of the same triangle."""
    return corner + 1 if corner % 3 < 2 else corner - 2


@numba.njit(cache=True, inline="always")
def back(corner: int) -> int:
    """The corner before it."""
    return corner - 1 if corner % 3 > 0 else corner + 2


@numba.njit(cache=True)
def ring(start: int, opposite: Ints, corners: Ints) -> int:
    """The corners around a corner's vertex, into `corners`; how many.

    Negative (all but one) where the vertex lies on a border. 0 where there are too many.
    """
    count, corner = 0, start
    while True:
        if count == len(corners):
            return 0
        corners[count] = corner
        count += 1
        across = opposite[ahead(corner)]
        if across < 0:
            break
        corner = ahead(across)
        if corner == start:
            return count
    corner = start
    while True:
        across = opposite[back(corner)]
        if across < 0:
            return -count
        corner = back(across)
        if corner == start or count == len(corners):
            return 0
        corners[count] = corner
        count += 1


@numba.njit(cache=True)
def _join(a: int, b: int, opposite: Ints) -> None:
    if a >= 0:
        opposite[a] = b
    if b >= 0:
        opposite[b] = a


@numba.njit(cache=True)
def split(corner: int, vertex: int, faces: int, triangles: Ints, opposite: Ints, at: Ints) -> int:
    """Put a new vertex on the side opposite a corner; how many triangles there are then.

    `triangles`, flat, and `opposite` have room for two more than `faces`; `at`: a corner of each
    vertex.
    """
    n, p = ahead(corner), back(corner)
    a, b, v = triangles[n], triangles[p], triangles[corner]
    o = opposite[corner]
    d = 3 * faces
    beyond = opposite[n]
    triangles[p] = vertex
    triangles[d], triangles[d + 1], triangles[d + 2] = v, vertex, b
    opposite[d] = -1
    _join(d + 2, n, opposite)
    opposite[d + 1] = -1
    _join(d + 1, beyond, opposite)
    at[vertex], at[a], at[b], at[v] = p, n, d + 2, corner
    faces += 1
    if o < 0:
        opposite[corner] = -1
        return faces
    on, op = ahead(o), back(o)
    w = triangles[o]
    e = 3 * faces
    beyond = opposite[on]
    triangles[op] = vertex
    triangles[e], triangles[e + 1], triangles[e + 2] = w, vertex, a
    _join(o, d, opposite)
    _join(e, corner, opposite)
    _join(e + 2, on, opposite)
    opposite[e + 1] = -1
    _join(e + 1, beyond, opposite)
    at[w] = o
    return faces + 1


@numba.njit(cache=True)
def flip(corner: int, triangles: Ints, opposite: Ints, at: Ints) -> None:
    """Turn the side opposite a corner, which two triangles share, to join their other vertices."""
    n, p, o = ahead(corner), back(corner), opposite[corner]
    on, op = ahead(o), back(o)
    v, a, b, w = triangles[corner], triangles[n], triangles[p], triangles[o]
    across_n, across_on = opposite[n], opposite[on]
    triangles[p], triangles[op] = w, v
    opposite[corner], opposite[o] = -1, -1
    _join(corner, across_on, opposite)
    _join(o, across_n, opposite)
    _join(n, on, opposite)
    at[v], at[a], at[b], at[w] = corner, n, on, o


@numba.njit(cache=True)
def collapse(
    corner: int, around: Ints, count: int, triangles: Ints, opposite: Ints, at: Ints
) -> None:
    """Let the side opposite a corner vanish: its second end becomes its first.

    `around`: the corners of the second end, `count` of them.
    """
    n, p, o = ahead(corner), back(corner), opposite[corner]
    a, v = triangles[n], triangles[corner]
    for k in range(count):
        triangles[around[k]] = a
    left, right = opposite[n], opposite[p]
    _unite(left, right, opposite)
    # Of the two sides that became one, at least one has a triangle.
    if right >= 0:
        at[a], at[v] = ahead(right), back(right)
    else:
        at[a], at[v] = back(left), ahead(left)
    for k in (corner, n, p):
        opposite[k] = -2
    if o >= 0:
        on, op, w = ahead(o), back(o), triangles[o]
        left, right = opposite[on], opposite[op]
        _unite(left, right, opposite)
        at[w] = ahead(left) if left >= 0 else back(right)
        for k in (o, on, op):
            opposite[k] = -2


@numba.njit(cache=True)
def _unite(a: int, b: int, opposite: Ints) -> None:
    """Two sides become one: that of their outer triangles."""
    if a >= 0:
        opposite[a] = b
    if b >= 0:
        opposite[b] = a
