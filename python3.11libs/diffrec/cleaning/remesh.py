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

from diffrec.cleaning.closest import Surface, nearest
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

__all__ = ["remeshed"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

ROUNDS = 6
LONG, SHORT = 4 / 3, 4 / 5
"""Sides above and below these shares of the wanted length are split and collapsed."""
STRAIGHT = 0.5
"""A triangle that changes must face within 60 degrees of where it faced, by this cosine."""
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
    for _ in range(ROUNDS):
        faces, count = _split_long(wanted * LONG, faces, count, places, flat, opposite, at)
        _collapse_short(wanted * SHORT, wanted * LONG, faces, places, flat, opposite, at, fixed)
        _even_valences(faces, places, flat, opposite, at, fixed)
        _relax(
            count,
            places,
            flat,
            opposite,
            at,
            fixed,
            surface.corner,
            surface.facing,
            surface.boxes,
            wanted,
        )
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


@numba.njit(cache=True, inline="always")
def _squared(a: Floats, b: Floats) -> float:
    return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2


@numba.njit(cache=True)
def _normal(a: Floats, b: Floats, c: Floats) -> tuple[float, float, float]:
    """Along the side that a triangle faces, twice its area long."""
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    return uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx


@numba.njit(cache=True)
def _cosine(m: tuple[float, float, float], n: tuple[float, float, float]) -> float:
    """Of the angle between two; 1 where the first is nothing, -1 where the second is."""
    before = m[0] * m[0] + m[1] * m[1] + m[2] * m[2]
    after = n[0] * n[0] + n[1] * n[1] + n[2] * n[2]
    if before < 1e-200:
        return 1.0
    if after < 1e-200:
        return -1.0
    return (m[0] * n[0] + m[1] * n[1] + m[2] * n[2]) / np.sqrt(before * after)


@numba.njit(cache=True)
def _split_long(
    limit: float, faces: int, count: int, places: Floats, flat: Ints, opposite: Ints, at: Ints
) -> tuple[int, int]:
    room = len(flat) // 3 - 2
    for corner in range(3 * faces):
        across = opposite[corner]
        if across == -2 or across > corner or faces > room:
            continue
        a, b = flat[ahead(corner)], flat[back(corner)]
        if _squared(places[a], places[b]) <= limit * limit:
            continue
        for k in range(3):
            places[count, k] = 0.5 * (places[a, k] + places[b, k])
        faces = split(corner, count, faces, flat, opposite, at)
        count += 1
    return faces, count


@numba.njit(cache=True)
def _collapse_short(
    limit: float,
    most: float,
    faces: int,
    places: Floats,
    flat: Ints,
    opposite: Ints,
    at: Ints,
    fixed: Flags,
) -> None:
    of_a = np.empty(MOST_AROUND, dtype=np.int64)
    of_b = np.empty(MOST_AROUND, dtype=np.int64)
    middle = np.empty(3)
    for corner in range(3 * faces):
        if opposite[corner] == -2:
            continue
        a, b = flat[ahead(corner)], flat[back(corner)]
        if fixed[a] or fixed[b] or _squared(places[a], places[b]) >= limit * limit:
            continue
        n_a, n_b = ring(at[a], opposite, of_a), ring(at[b], opposite, of_b)
        if n_a == 0 or n_b == 0:
            continue
        if n_a < 0 or n_b < 0:
            # A border is not moved: what is inside joins it, or one of its vertices another.
            if n_b < 0 and (n_a > 0 or opposite[corner] >= 0):
                continue
            middle[:] = places[a]
        else:
            for k in range(3):
                middle[k] = 0.5 * (places[a, k] + places[b, k])
        if not _linked(corner, n_a, n_b, of_a, of_b, flat, opposite, at, fixed):
            continue
        n_a, n_b = abs(n_a), abs(n_b)
        if _folds(middle, a, b, n_a, of_a, places, flat, most) or _folds(
            middle, b, a, n_b, of_b, places, flat, most
        ):
            continue
        places[a] = middle
        collapse(corner, of_b, n_b, flat, opposite, at)


@numba.njit(cache=True)
def _linked(
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


@numba.njit(cache=True)
def _folds(
    place: Floats, v: int, other: int, count: int, around: Ints, places: Floats, flat: Ints, most: float
) -> bool:
    """Whether a triangle around v that does not have `other` turns, or grows, when v moves."""
    for k in range(count):
        p, q = flat[ahead(around[k])], flat[back(around[k])]
        if p == other or q == other:
            continue
        if _squared(place, places[p]) > most * most or _squared(place, places[q]) > most * most:
            return True
        before = _normal(places[v], places[p], places[q])
        if _cosine(before, _normal(place, places[p], places[q])) < STRAIGHT:
            return True
    return False


@numba.njit(cache=True)
def _even_valences(
    faces: int, places: Floats, flat: Ints, opposite: Ints, at: Ints, fixed: Flags
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
        if off == 0 and not _wider(places[v], places[w], places[a], places[b]):
            continue
        if _neighbours(at[v], w, opposite, flat, around):
            continue
        first = _normal(places[v], places[a], places[b])
        second = _normal(places[w], places[b], places[a])
        if _cosine(first, second) < STRAIGHT:
            continue
        both = (first[0] + second[0], first[1] + second[1], first[2] + second[2])
        if (
            _cosine(both, _normal(places[v], places[a], places[w])) < STRAIGHT
            or _cosine(both, _normal(places[w], places[b], places[v])) < STRAIGHT
        ):
            continue
        flip(corner, flat, opposite, at)


@numba.njit(cache=True)
def _wider(v: Floats, w: Floats, a: Floats, b: Floats) -> bool:
    """Whether the smallest angle grows when side a b of two triangles becomes v w."""
    now = min(_sine(v, a, b), _sine(w, b, a))
    return min(_sine(v, a, w), _sine(w, b, v)) > now + 1e-9


@numba.njit(cache=True)
def _sine(a: Floats, b: Floats, c: Floats) -> float:
    """Of a triangle's smallest angle."""
    n = _normal(a, b, c)
    x, y, z = _squared(a, b), _squared(b, c), _squared(c, a)
    longer = max(min(max(x, y), z), min(x, y)) * max(x, y, z)
    return np.sqrt((n[0] * n[0] + n[1] * n[1] + n[2] * n[2]) / max(longer, 1e-300))


@numba.njit(cache=True)
def _neighbours(start: int, other: int, opposite: Ints, flat: Ints, around: Ints) -> bool:
    """Whether a side joins a corner's vertex and another."""
    for k in range(abs(ring(start, opposite, around))):
        if flat[ahead(around[k])] == other or flat[back(around[k])] == other:
            return True
    return False


@numba.njit(cache=True)
def _relax(
    count: int,
    places: Floats,
    flat: Ints,
    opposite: Ints,
    at: Ints,
    fixed: Flags,
    corner: Floats,
    facing: Floats,
    boxes: Floats,
    reach: float,
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
        total = 0.0
        for k in range(n):
            p, q = flat[ahead(around[k])], flat[back(around[k])]
            normal = _normal(places[v], places[p], places[q])
            area = np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2)
            for j in range(3):
                side[j] += normal[j]
                wanted[j] += area * (places[v, j] + places[p, j] + places[q, j]) / 3.0
            total += area
        length = np.sqrt(side[0] ** 2 + side[1] ** 2 + side[2] ** 2)
        if total <= 0 or length <= 1e-6 * total:
            continue
        along = 0.0
        for j in range(3):
            side[j] /= length
            wanted[j] /= total
            along += side[j] * (places[v, j] - wanted[j])
        for j in range(3):
            wanted[j] += side[j] * along
        _, found, x, y, z = nearest(corner, facing, boxes, wanted, side, reach)
        if found >= 0:
            wanted[0], wanted[1], wanted[2] = x, y, z
        if not _folds(wanted, v, -1, n, around, places, flat, 1e100):
            places[v] = wanted
