"""What a change of triangles would do to a surface: whether it folds, strays or comes apart.

`places`: [V, 3]; `flat`: the triangles' vertices, [3 F]; corners, `opposite` and `at` as in
`diffrec.cleaning.halfedges`; `around`: corners around a vertex, as `ring` gives them; `old`: the
surface that is not to be left.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from diffrec.cleaning.closest import nearest
from diffrec.cleaning.halfedges import MOST_AROUND, ahead, back, ring

__all__ = [
    "STRAIGHT",
    "Old",
    "are_neighbours",
    "cosine",
    "count_edges",
    "folds",
    "is_far",
    "length_of",
    "linked",
    "normal_of",
    "normals_around",
    "project",
    "squared",
    "strays",
    "turns",
    "wider",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Old = tuple[Floats, Floats, Floats]
"""Corners, facing and boxes of a `diffrec.cleaning.closest.Surface`."""

STRAIGHT = 0.5
"""A triangle that changes must face within 60 degrees of where it faced, by this cosine."""
SHARP = 0.1
"""A side that bends by more than this cosine is an edge of the shape. A vertex between two of them
stays on them; where more meet or one ends it is as likely noise."""
ONWARD = 0.9
"""A border's vertex is a corner that stays unless the border goes on there, by this cosine."""


@numba.njit(cache=True)
def squared(a: Floats, b: Floats) -> float:
    return float((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2)


@numba.njit(cache=True)
def normal_of(a: Floats, b: Floats, c: Floats) -> tuple[float, float, float]:
    """Along the side that a triangle faces, twice its area long."""
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    return uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx


@numba.njit(cache=True)
def cosine(m: tuple[float, float, float], n: tuple[float, float, float]) -> float:
    """Of the angle between two; 1 where the first is nothing, -1 where the second is."""
    before = m[0] * m[0] + m[1] * m[1] + m[2] * m[2]
    after = n[0] * n[0] + n[1] * n[1] + n[2] * n[2]
    if before < 1e-200:
        return 1.0
    if after < 1e-200:
        return -1.0
    return float((m[0] * n[0] + m[1] * n[1] + m[2] * n[2]) / np.sqrt(before * after))


@numba.njit(cache=True)
def length_of(a: Floats) -> float:
    return float(np.sqrt(a[0] ** 2 + a[1] ** 2 + a[2] ** 2))


@numba.njit(cache=True)
def normals_around(
    v: int, count: int, around: Ints, places: Floats, flat: Ints, side: Floats
) -> float:
    """Add the normals around a vertex, twice the areas long, to `side`; the sum of their lengths.

    That is as long as the sum of the normals where they all agree.
    """
    total = 0.0
    for k in range(count):
        p, q = flat[ahead(around[k])], flat[back(around[k])]
        n = normal_of(places[v], places[p], places[q])
        side[0], side[1], side[2] = side[0] + n[0], side[1] + n[1], side[2] + n[2]
        total += np.sqrt(n[0] ** 2 + n[1] ** 2 + n[2] ** 2)
    return float(total)


@numba.njit(cache=True)
def project(point: Floats, side: Floats, old: Old, reach: float) -> bool:
    """Move a point to the old surface where that faces `side`; whether it is that near."""
    _, found, x, y, z = nearest(old[0], old[1], old[2], point, side, reach)
    point[0], point[1], point[2] = x, y, z
    return bool(found >= 0)


@numba.njit(cache=True)
def is_far(
    a: Floats,
    b: Floats,
    c: Floats,
    normal: tuple[float, float, float],
    old: Old,
    reach: float,
) -> bool:
    """Whether the old surface is not near a triangle's middle, facing as it does."""
    middle, side = np.empty(3), np.empty(3)
    for k in range(3):
        middle[k] = (a[k] + b[k] + c[k]) / 3.0
    side[0], side[1], side[2] = normal
    return bool(nearest(old[0], old[1], old[2], middle, side, reach)[1] < 0)


@numba.njit(cache=True)
def strays(
    place: Floats,
    v: int,
    other: int,
    count: int,
    around: Ints,
    places: Floats,
    flat: Ints,
    old: Old,
    reach: float,
) -> bool:
    """Whether a triangle around v that does not have `other` leaves the surface when v moves."""
    for k in range(count):
        p, q = flat[ahead(around[k])], flat[back(around[k])]
        if p == other or q == other:
            continue
        normal = normal_of(place, places[p], places[q])
        if is_far(place, places[p], places[q], normal, old, reach):
            return True
    return False


@numba.njit(cache=True)
def folds(
    place: Floats,
    v: int,
    other: int,
    count: int,
    around: Ints,
    places: Floats,
    flat: Ints,
    most: float,
) -> bool:
    """Whether a triangle around v that does not have `other` turns, or grows, when v moves."""
    for k in range(count):
        p, q = flat[ahead(around[k])], flat[back(around[k])]
        if p == other or q == other:
            continue
        if squared(place, places[p]) > most * most or squared(place, places[q]) > most * most:
            return True
        before = normal_of(places[v], places[p], places[q])
        if cosine(before, normal_of(place, places[p], places[q])) < STRAIGHT:
            return True
    return False


@numba.njit(cache=True)
def _sine(a: Floats, b: Floats, c: Floats) -> float:
    """Of a triangle's smallest angle."""
    n = normal_of(a, b, c)
    x, y, z = squared(a, b), squared(b, c), squared(c, a)
    longer = max(min(max(x, y), z), min(x, y)) * max(x, y, z)
    return float(np.sqrt((n[0] * n[0] + n[1] * n[1] + n[2] * n[2]) / max(longer, 1e-300)))


@numba.njit(cache=True)
def wider(v: Floats, w: Floats, a: Floats, b: Floats) -> bool:
    """Whether the smallest angle grows when side a b of two triangles becomes v w."""
    now = min(_sine(v, a, b), _sine(w, b, a))
    return bool(min(_sine(v, a, w), _sine(w, b, v)) > now + 1e-9)


@numba.njit(cache=True)
def _is_edge(corner: int, places: Floats, flat: Ints, opposite: Ints) -> bool:
    """Whether the side opposite a corner is an edge of the shape, or its border."""
    across = opposite[corner]
    if across < 0:
        return True
    a, b = places[flat[ahead(corner)]], places[flat[back(corner)]]
    first = normal_of(places[flat[corner]], a, b)
    return bool(cosine(first, normal_of(places[flat[across]], b, a)) < SHARP)


@numba.njit(cache=True)
def count_edges(faces: int, count: int, places: Floats, flat: Ints, opposite: Ints) -> Ints:
    """How many edges of the shape end at each vertex [V]."""
    found = np.zeros(count, dtype=np.int64)
    for corner in range(3 * faces):
        if 0 <= opposite[corner] < corner and _is_edge(corner, places, flat, opposite):
            found[flat[ahead(corner)]] += 1
            found[flat[back(corner)]] += 1
    return found


@numba.njit(cache=True)
def turns(v: int, count: int, around: Ints, places: Floats, flat: Ints, opposite: Ints) -> bool:
    """Whether the edge of the shape or the border on which a vertex lies turns there, or ends."""
    ends, found = np.empty(2, dtype=np.int64), 0
    for k in range(count):
        c = around[k]
        if _is_edge(ahead(c), places, flat, opposite):
            if found < 2:
                ends[found] = flat[back(c)]
            found += 1
        if opposite[back(c)] < 0:
            if found < 2:
                ends[found] = flat[ahead(c)]
            found += 1
    if found != 2:
        return True
    along, x, y = 0.0, 0.0, 0.0
    for k in range(3):
        p, q = places[v, k] - places[ends[0], k], places[ends[1], k] - places[v, k]
        along, x, y = along + p * q, x + p * p, y + q * q
    return bool(along < ONWARD * np.sqrt(x * y))


@numba.njit(cache=True)
def are_neighbours(start: int, other: int, opposite: Ints, flat: Ints, around: Ints) -> bool:
    """Whether a side joins a corner's vertex and another."""
    for k in range(abs(ring(start, opposite, around))):
        if flat[ahead(around[k])] == other or flat[back(around[k])] == other:
            return True
    return False


@numba.njit(cache=True)
def linked(
    corner: int,
    n_a: int,
    n_b: int,
    of_a: Ints,
    of_b: Ints,
    flat: Ints,
    opposite: Ints,
    at: Ints,
    fixed: Flags,
) -> bool:
    """Whether the surface stays one when the side opposite a corner vanishes."""
    wanted = 1 if opposite[corner] < 0 else 2
    if abs(n_a) + abs(n_b) > MOST_AROUND:
        return False
    shared = 0
    for i in range(abs(n_a)):
        for far in (flat[ahead(of_a[i])], flat[back(of_a[i])]):
            # On a border the last neighbour is the second of one triangle alone.
            if far == flat[back(of_a[i])] and opposite[ahead(of_a[i])] >= 0:
                continue
            for j in range(abs(n_b)):
                last = opposite[ahead(of_b[j])] < 0
                if far == flat[ahead(of_b[j])] or (last and far == flat[back(of_b[j])]):
                    shared += 1
    if shared != wanted:
        return False
    around = np.empty(MOST_AROUND, dtype=np.int64)
    for c in (corner, opposite[corner]):
        if c < 0:
            continue
        if fixed[flat[c]]:
            return False
        count = ring(at[flat[c]], opposite, around)
        # Three around a vertex would become two that cover each other.
        if count == 0 or (count > 0 and count < 4) or (count < 0 and count > -2):
            return False
    return True
