"""Even triangles on the same surface: Botsch and Kobbelt, A Remeshing Approach to Multiresolution
Modeling (2004), section 4, with a closest point of the old surface in place of the tangent plane.

A round splits long sides, collapses short ones, flips for six triangles around a vertex, and moves
vertices within their tangent planes and back onto the old surface. Borders and vertices where
surfaces touch stay where they are. The same mesh always gives the same result.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from diffrec.cleaning.closest import Surface
from diffrec.cleaning.halfedges import (
    MOST_AROUND,
    ahead,
    back,
    collapse,
    flip,
    opposites,
    ring,
    split,
)
from diffrec.cleaning.judging import (
    STRAIGHT,
    Old,
    are_neighbours,
    cosine,
    count_edges,
    folds,
    is_far,
    length_of,
    linked,
    normal_of,
    normals_around,
    project,
    squared,
    strays,
    turns,
    wider,
)

__all__ = ["remeshed"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

ROUNDS = 6
LONG, SHORT = 4 / 3, 4 / 5
"""Sides above and below these shares of the wanted length are split and collapsed."""
NEAR = 0.12
"""The middles of triangles that change stay within this share of the wanted length of the old
surface, on the side of it that they face."""
BENT = 0.94
"""Where triangles lie flatter than this cosine that is not looked at."""
_ROOM = 3  # times the triangles that come in; what would need more is not split


def remeshed(positions: Floats, triangles: Ints, length: float = 0.0) -> tuple[Floats, Ints]:
    """The surface with even triangles: positions [V, 3] and triangles [F, 3].

    positions: [V, 3]; triangles: [F, 3]; length: wanted of a side; 0 for one that leaves about as
    many triangles as there are.
    """
    if len(triangles) < 4:
        return positions, triangles
    corner = positions[triangles]
    area = 0.5 * np.linalg.norm(
        np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1
    )
    # An even triangle of side s has an area of sqrt(3) / 4 s^2.
    wanted = length or float(np.sqrt(area.sum() / len(triangles) * 4 / np.sqrt(3)))
    if not wanted > 0:
        return positions, triangles
    faces, count = len(triangles), len(positions)
    most = _ROOM * faces + 64
    flat = np.full(3 * most, -1, dtype=np.int64)
    flat[: 3 * faces] = triangles.reshape(-1)
    opposite = np.full(3 * most, -2, dtype=np.int64)
    opposite[: 3 * faces] = opposites(triangles, count)
    places = np.zeros((count + most, 3))
    places[:count] = positions
    at = np.full(count + most, -1, dtype=np.int64)
    at[flat[: 3 * faces]] = np.arange(3 * faces)
    fixed = np.zeros(count + most, dtype=np.bool_)
    fixed[:count] = _touching(flat[: 3 * faces], opposite, at[:count])
    surface = Surface.of(positions, triangles)
    old = (surface.corner, surface.facing, surface.boxes)
    for _ in range(ROUNDS):
        faces, count = _split_long(wanted, faces, count, places, flat, opposite, at, old)
        sharp = count_edges(faces, count, places, flat, opposite) == 2
        _collapse_short(wanted, faces, places, flat, opposite, at, fixed, sharp, old)
        _even_valences(wanted, faces, places, flat, opposite, at, fixed, old)
        kept = fixed[:count] | (count_edges(faces, count, places, flat, opposite) == 2)
        _relax(wanted, count, places, flat, opposite, at, kept, old)
    kept = flat[: 3 * faces].reshape(-1, 3)[opposite[: 3 * faces : 3] != -2]
    used, shared = np.unique(kept, return_inverse=True)
    return places[used], shared.reshape(-1, 3).astype(np.int64)


def _touching(flat: Ints, opposite: Ints, at: Ints) -> Flags:
    """Vertices [V] whose triangles are not one fan, or too many."""
    found: Flags = _fans(np.bincount(flat, minlength=len(at)), opposite, at)
    return found


@numba.njit(cache=True)
def _fans(owned: Ints, opposite: Ints, at: Ints) -> Flags:
    around = np.empty(MOST_AROUND, dtype=np.int64)
    found = np.zeros(len(at), dtype=np.bool_)
    for v in range(len(at)):
        if at[v] >= 0:
            found[v] = abs(ring(at[v], opposite, around)) != owned[v]
    return found


@numba.njit(cache=True)
def _split_long(
    wanted: float,
    faces: int,
    count: int,
    places: Floats,
    flat: Ints,
    opposite: Ints,
    at: Ints,
    old: Old,
) -> tuple[int, int]:
    limit = wanted * LONG
    room = len(flat) // 3 - 2
    side = np.empty(3)
    for corner in range(3 * faces):
        across = opposite[corner]
        if across == -2 or across > corner or faces > room:
            continue
        a, b = flat[ahead(corner)], flat[back(corner)]
        if squared(places[a], places[b]) <= limit * limit:
            continue
        for k in range(3):
            places[count, k] = 0.5 * (places[a, k] + places[b, k])
        if across >= 0:
            m = normal_of(places[flat[corner]], places[a], places[b])
            n = normal_of(places[flat[across]], places[b], places[a])
            side[0], side[1], side[2] = m[0] + n[0], m[1] + n[1], m[2] + n[2]
            project(places[count], side, old, 2 * NEAR * wanted)
        faces = split(corner, count, faces, flat, opposite, at)
        count += 1
    return faces, count


@numba.njit(cache=True)
def _collapse_short(
    wanted: float,
    faces: int,
    places: Floats,
    flat: Ints,
    opposite: Ints,
    at: Ints,
    fixed: Flags,
    sharp: Flags,
    old: Old,
) -> None:
    limit = wanted * SHORT
    of_a = np.empty(MOST_AROUND, dtype=np.int64)
    of_b = np.empty(MOST_AROUND, dtype=np.int64)
    middle, side = np.empty(3), np.empty(3)
    for corner in range(3 * faces):
        if opposite[corner] == -2:
            continue
        a, b = flat[ahead(corner)], flat[back(corner)]
        if fixed[a] or fixed[b] or squared(places[a], places[b]) >= limit * limit:
            continue
        n_a, n_b = ring(at[a], opposite, of_a), ring(at[b], opposite, of_b)
        if n_a == 0 or n_b == 0:
            continue
        if n_a < 0 or n_b < 0:
            # A border is not moved: what is inside joins it, or one of its vertices another.
            if n_b < 0 and (
                n_a > 0 or opposite[corner] >= 0 or turns(b, -n_b, of_b, places, flat, opposite)
            ):
                continue
            middle[:] = places[a]
        elif sharp[b]:
            if not sharp[a] or turns(b, n_b, of_b, places, flat, opposite):
                continue
            middle[:] = places[a]
        elif sharp[a]:
            middle[:] = places[a]
        else:
            for k in range(3):
                middle[k] = 0.5 * (places[a, k] + places[b, k])
        if not linked(corner, n_a, n_b, of_a, of_b, flat, opposite, at, fixed):
            continue
        inside = n_a > 0 and n_b > 0 and not sharp[a]
        n_a, n_b = abs(n_a), abs(n_b)
        side[:] = 0.0
        total = normals_around(a, n_a, of_a, places, flat, side)
        total += normals_around(b, n_b, of_b, places, flat, side)
        if inside and not project(middle, side, old, wanted):
            continue
        if folds(middle, a, b, n_a, of_a, places, flat, wanted * LONG) or folds(
            middle, b, a, n_b, of_b, places, flat, wanted * LONG
        ):
            continue
        if length_of(side) < BENT * total and (
            strays(middle, a, b, n_a, of_a, places, flat, old, wanted * NEAR)
            or strays(middle, b, a, n_b, of_b, places, flat, old, wanted * NEAR)
        ):
            continue
        places[a] = middle
        collapse(corner, of_b, n_b, flat, opposite, at)


@numba.njit(cache=True)
def _even_valences(
    wanted: float,
    faces: int,
    places: Floats,
    flat: Ints,
    opposite: Ints,
    at: Ints,
    fixed: Flags,
    old: Old,
) -> None:
    around = np.empty(MOST_AROUND, dtype=np.int64)
    for corner in range(3 * faces):
        across = opposite[corner]
        if across < 0 or across > corner:
            continue
        v, w = flat[corner], flat[across]
        a, b = flat[ahead(corner)], flat[back(corner)]
        if v == w or fixed[v] or fixed[w] or fixed[a] or fixed[b]:
            continue
        off = 0
        possible = True
        for vertex, change in ((a, -1), (b, -1), (v, 1), (w, 1)):
            count = ring(at[vertex], opposite, around)
            if count == 0 or abs(count) + change >= MOST_AROUND:
                possible = False
            # On a border there are three triangles where four sides meet.
            over = count - 6 if count > 0 else -count - 3
            if over + change + (6 if count > 0 else 3) < (3 if count > 0 else 1):
                possible = False
            off += abs(over + change) - abs(over)
        if not possible or off > 0:
            continue
        if off == 0 and not wider(places[v], places[w], places[a], places[b]):
            continue
        if are_neighbours(at[v], w, opposite, flat, around):
            continue
        first = normal_of(places[v], places[a], places[b])
        second = normal_of(places[w], places[b], places[a])
        if cosine(first, second) < STRAIGHT:
            continue
        both = (first[0] + second[0], first[1] + second[1], first[2] + second[2])
        third = normal_of(places[v], places[a], places[w])
        fourth = normal_of(places[w], places[b], places[v])
        if cosine(both, third) < STRAIGHT or cosine(both, fourth) < STRAIGHT:
            continue
        if cosine(first, second) < BENT and (
            is_far(places[v], places[a], places[w], third, old, wanted * NEAR)
            or is_far(places[w], places[b], places[v], fourth, old, wanted * NEAR)
        ):
            continue
        flip(corner, flat, opposite, at)


@numba.njit(cache=True)
def _relax(
    length: float,
    count: int,
    places: Floats,
    flat: Ints,
    opposite: Ints,
    at: Ints,
    fixed: Flags,
    old: Old,
) -> None:
    """Move vertices to the middle of their neighbours, within the surface."""
    around = np.empty(MOST_AROUND, dtype=np.int64)
    wanted, side = np.empty(3), np.empty(3)
    for v in range(count):
        if at[v] < 0 or fixed[v] or opposite[at[v]] == -2:
            continue
        n = ring(at[v], opposite, around)
        if n <= 0:
            continue
        side[:] = 0.0
        wanted[:] = 0.0
        total = normals_around(v, n, around, places, flat, side)
        summed = length_of(side)
        if total <= 0 or summed <= 1e-6 * total:
            continue
        for k in range(n):
            p, q = flat[ahead(around[k])], flat[back(around[k])]
            area = length_of(normal_of(places[v], places[p], places[q])) / total
            for j in range(3):
                wanted[j] += area * (places[v, j] + places[p, j] + places[q, j]) / 3.0
        along = 0.0
        for j in range(3):
            side[j] /= summed
            along += side[j] * (places[v, j] - wanted[j])
        for j in range(3):
            wanted[j] += side[j] * along
        if not project(wanted, side, old, length):
            continue
        if folds(wanted, v, -1, n, around, places, flat, 1e100):
            continue
        if summed < BENT * total and strays(
            wanted, v, -1, n, around, places, flat, old, length * NEAR
        ):
            continue
        places[v] = wanted
