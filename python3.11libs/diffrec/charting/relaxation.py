"""Evens out the stretch of charts that are laid out without mirrored triangles.

Vertex after vertex is moved by a step of Newton's method that lowers the symmetric Dirichlet energy
of the triangles around it, area * (|J|^2 + |J^-1|^2) with J from surface to texture (Schreiner et
al., Inter-surface mapping, 2004); one vertex at a time as in Hormann and Greiner, MIPS, 2000. The
energy is infinite for a triangle without area, so none is ever mirrored.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from diffrec.charting.ids import by_chart, chart_ids, signed_areas, split
from diffrec.charting.overlap import cut_apart
from diffrec.charting.quality import triangle_stretch

__all__ = ["relaxed"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SWEEPS = (50, 30, 20)  # rounds over all vertices; charts are cut between
_LITTLE = 1e-3  # weight of triangles without a shape on the surface
_EMPTY = 1e-9  # a triangle's area in the texture relative to the mean: below it is not looked at


def relaxed(
    corner: Floats, texcoords: Floats, indices: Ints, density: float
) -> tuple[Floats, Ints]:
    """Texture coordinates [T, 2] and triangles [F, 3] into them, with less stretch.

    corner: [F, 3, 3] on the surface, in the unit of the texcoords; texcoords: [T, 2], v upward,
    each of one chart; indices: [F, 3] into them; density: texels per unit, at which no chart covers
    itself afterwards: charts that would are cut. Vertices of mirrored or empty triangles stay
    where they are.
    """
    for sweeps in _SWEEPS:
        rings = _Rings(corner, texcoords, indices)
        texcoords = rings.swept(texcoords, sweeps)
        cut = cut_apart(texcoords[indices] * density, chart_ids(indices), indices)
        texcoords, indices = split(texcoords, indices, cut)
    return texcoords, indices


class _Rings:
    """What a vertex's step needs of the triangles around it."""

    def __init__(self, corner: Floats, texcoords: Floats, indices: Ints) -> None:
        number = chart_ids(indices)
        flat = texcoords[indices]
        size = signed_areas(flat)
        area = triangle_stretch(corner, flat)[1]
        # What has no shape on the surface keeps the one that it has in the chart, at little cost.
        shaped = area > 0
        own = np.where(shaped[:, None, None], corner, np.pad(flat, ((0, 0), (0, 0), (0, 1))))
        area = np.where(shaped, area, _LITTLE * np.abs(size))
        whole = size > _EMPTY * np.abs(size).mean()
        chart_of = np.full(len(texcoords), -1, dtype=np.int64)
        chart_of[indices[whole]] = number[whole, None]
        chart_of[indices[~whole]] = -1
        self.members = np.flatnonzero(chart_of >= 0)
        self.members = self.members[np.argsort(chart_of[self.members], kind="stable")]
        self.chart = chart_of[self.members]
        self.area, self.indices = area[whole], indices[whole]
        self.slope = _slopes(own[whole])
        self.around, first = by_chart(self.indices.reshape(-1))
        self.first = np.full(len(texcoords) + 1, first[-1])
        self.first[: len(first)] = first

    def swept(self, texcoords: Floats, sweeps: int) -> Floats:
        """Texture coordinates [T, 2] after some steps of every vertex."""
        begins = np.searchsorted(self.chart, np.arange(int(self.chart.max(initial=-1)) + 2))
        moved = texcoords.copy()
        _relax(
            moved,
            self.members,
            begins,
            self.around,
            self.first,
            self.indices,
            self.slope,
            self.area,
            sweeps,
        )
        return moved


def _slopes(corner: Floats) -> Floats:
    """Gradients [F, 3, 2] of the corners' hat functions in the triangle's own plane."""
    e1, e2 = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    length = np.linalg.norm(e1, axis=1)
    x = (e1 * e2).sum(1) / length
    y = np.linalg.norm(np.cross(e1, e2), axis=1) / length
    slope = np.zeros((len(corner), 3, 2))
    slope[:, 1] = np.stack([1.0 / length, -x / (length * y)], 1)
    slope[:, 2] = np.stack([np.zeros_like(x), 1.0 / y], 1)
    slope[:, 0] = -slope[:, 1] - slope[:, 2]
    return slope


@numba.njit(cache=True, parallel=True)
def _relax(
    uv: Floats,
    members: Ints,
    begins: Ints,
    around: Ints,
    first: Ints,
    indices: Ints,
    slope: Floats,
    area: Floats,
    sweeps: int,
) -> None:
    # Charts share nothing, so that the order in which cores take them makes no difference.
    for c in numba.prange(len(begins) - 1):
        for _ in range(sweeps):
            most = 0.0
            for n in range(begins[c], begins[c + 1]):
                v = members[n]
                most = max(
                    most, _step(uv, v, around[first[v] : first[v + 1]], indices, slope, area)
                )
            if most < 1e-6:
                break


@numba.njit(cache=True)
def _jacobian(
    uv: Floats, f: int, indices: Ints, slope: Floats
) -> tuple[float, float, float, float]:
    """The four numbers of the map from a triangle's own plane to the texture, row by row."""
    a, b, c = indices[f, 0], indices[f, 1], indices[f, 2]
    return (
        uv[a, 0] * slope[f, 0, 0] + uv[b, 0] * slope[f, 1, 0] + uv[c, 0] * slope[f, 2, 0],
        uv[a, 0] * slope[f, 0, 1] + uv[b, 0] * slope[f, 1, 1] + uv[c, 0] * slope[f, 2, 1],
        uv[a, 1] * slope[f, 0, 0] + uv[b, 1] * slope[f, 1, 0] + uv[c, 1] * slope[f, 2, 0],
        uv[a, 1] * slope[f, 0, 1] + uv[b, 1] * slope[f, 1, 1] + uv[c, 1] * slope[f, 2, 1],
    )


@numba.njit(cache=True)
def _energy(uv: Floats, ring: Ints, indices: Ints, slope: Floats, area: Floats) -> float:
    total = 0.0
    for corner in ring:
        f = corner // 3
        j00, j01, j10, j11 = _jacobian(uv, f, indices, slope)
        det = j00 * j11 - j01 * j10
        if det <= 0.0:
            return np.inf
        square = j00 * j00 + j01 * j01 + j10 * j10 + j11 * j11
        total += area[f] * square * (1.0 + 1.0 / (det * det))
    return total


@numba.njit(cache=True)
def _step(uv: Floats, v: int, ring: Ints, indices: Ints, slope: Floats, area: Floats) -> float:
    """Moves one vertex; by which part of its surroundings' energy that was lowered."""
    total, gx, gy, hxx, hxy, hyy, mean = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for corner in ring:
        f, k = corner // 3, corner % 3
        j00, j01, j10, j11 = _jacobian(uv, f, indices, slope)
        det = j00 * j11 - j01 * j10
        square = j00 * j00 + j01 * j01 + j10 * j10 + j11 * j11
        inverse = 1.0 / det
        over = inverse * inverse
        s0, s1 = slope[f, k, 0], slope[f, k, 1]
        # Gradients of |J|^2, which is quadratic in the vertex, and of det J, which is linear.
        qx, qy = 2.0 * (j00 * s0 + j01 * s1), 2.0 * (j10 * s0 + j11 * s1)
        dx, dy = j11 * s0 - j10 * s1, j00 * s1 - j01 * s0
        weight = area[f]
        total += weight * square * (1.0 + over)
        pull = 2.0 * square * over * inverse
        gx += weight * ((1.0 + over) * qx - pull * dx)
        gy += weight * ((1.0 + over) * qy - pull * dy)
        even = weight * (1.0 + over) * 2.0 * (s0 * s0 + s1 * s1)
        mean += even
        bend, mixed = weight * 6.0 * square * over * over, weight * 2.0 * over * inverse
        hxx += even + bend * dx * dx - mixed * 2.0 * qx * dx
        hyy += even + bend * dy * dy - mixed * 2.0 * qy * dy
        hxy += bend * dx * dy - mixed * (qx * dy + qy * dx)
    determinant = hxx * hyy - hxy * hxy
    if hxx > 0.0 and determinant > 1e-9 * mean * mean:
        sx, sy = -(hyy * gx - hxy * gy) / determinant, -(hxx * gy - hxy * gx) / determinant
    else:
        sx, sy = -gx / mean, -gy / mean
    x, y = uv[v, 0], uv[v, 1]
    share = 1.0
    for _ in range(8):
        uv[v, 0], uv[v, 1] = x + share * sx, y + share * sy
        now = _energy(uv, ring, indices, slope, area)
        if now < total:
            return float((total - now) / total)
        share *= 0.4
    uv[v, 0], uv[v, 1] = x, y
    return 0.0
