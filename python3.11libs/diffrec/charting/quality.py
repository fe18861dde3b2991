"""How good texture coordinates are: stretch, use of the texture, space between charts.

The stretch is that of Sander, Snyder, Gortler, Hoppe, Texture Mapping Progressive Meshes (2001),
section 3: for the affine map of a triangle from texture to surface with singular values g and G,
L2 = sqrt((g^2 + G^2) / 2) and over the mesh sqrt(sum(L2^2 A) / sum(A)) with A the area on the
surface. It is normalised by the mean texel density, so that 1 is the best possible.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from diffrec.charting.ids import chart_ids, signed_areas

__all__ = ["ChartQuality", "measure_charts", "triangle_stretch"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SLIVER = 5e-7  # a triangle's area relative to its longest side squared: below it has no shape
_SPECK = 1e-5  # a triangle's area relative to the mean: below, float32 coordinates have no shape
_SEARCHED = 6  # texels: `gap` is not looked for farther


@dataclass(frozen=True)
class ChartQuality:
    """Figures of one set of texture coordinates at one texture resolution.

    charts: how many; stretch: L2 of the mesh, 1 is the best; stretch_99: L2 that 99% of the area
    stay below; stretch_max: of the worst triangle; seams: length of the charts' borders over the
    square root of the surface's area; coverage: share of texel centres inside a triangle;
    overlapping: texel centres inside several; gap: least number of untouched texels between two
    charts, at most 6; flipped: triangles that are mirrored in the texture; lost: triangles without
    area in the texture, which count for no stretch. Slivers and specks of the surface count for
    none of the figures of triangles.
    """

    charts: int
    stretch: float
    stretch_99: float
    stretch_max: float
    seams: float
    coverage: float
    overlapping: int
    gap: int
    flipped: int
    lost: int


def measure_charts(
    positions: Floats, triangles: Ints, texcoords: Floats, texcoord_triangles: Ints, texels: int
) -> ChartQuality:
    """Measures texture coordinates [T, 2], origin top left, on a texture of texels x texels.

    positions: [V, 3]; triangles, texcoord_triangles: [F, 3].
    """
    corner = positions[triangles]
    flat = texcoords[texcoord_triangles] * [1.0, -1.0]
    chart = chart_ids(texcoord_triangles)
    level, area = triangle_stretch(corner, flat)
    shaped = area > 0
    signed = signed_areas(flat)[shaped]
    level, area = level[shaped], area[shaped]
    lost = int((~np.isfinite(level)).sum())
    area, level = area[np.isfinite(level)], level[np.isfinite(level)]
    level = level * np.sqrt(np.abs(signed).sum() / max(float(area.sum()), 1e-30))
    order = np.argsort(level)
    below = np.cumsum(area[order]) <= 0.99 * area.sum()
    shown = texcoords[texcoord_triangles] * texels
    count, owner = _covered(shown, texels), _touched(shown, chart, texels)
    return ChartQuality(
        charts=int(chart.max()) + 1,
        stretch=float(np.sqrt((level**2 * area).sum() / max(float(area.sum()), 1e-30))),
        stretch_99=float(level[order][below].max(initial=0.0)),
        stretch_max=float(level.max(initial=0.0)),
        seams=_seams(positions, triangles, texcoord_triangles),
        coverage=float((count > 0).mean()),
        overlapping=int((count > 1).sum()),
        gap=int(_gap(owner, _SEARCHED)),
        flipped=int((signed < 0).sum()),
        lost=lost,
    )


def triangle_stretch(corner: Floats, flat: Floats) -> tuple[Floats, Floats]:
    """L2 stretch [F] of each triangle, and its area on the surface [F].

    corner: [F, 3, 3] on the surface; flat: [F, 3, 2] in the texture. The stretch is in surface
    units per texture unit; infinite without area in the texture. A triangle that is
    a sliver or a speck on the surface gets 0 for both.
    """
    e1, e2 = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    area = 0.5 * np.linalg.norm(np.cross(e1, e2), axis=1)
    longest = np.maximum(
        np.maximum((e1**2).sum(1), (e2**2).sum(1)), ((corner[:, 2] - corner[:, 1]) ** 2).sum(1)
    )
    shaped = (area > _SLIVER * longest) & (area > _SPECK * area.mean())
    doubled = 2.0 * signed_areas(flat)
    whole = doubled != 0
    safe = np.where(whole, doubled, 1.0)[:, None]
    f1, f2 = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    along_u = (e1 * f2[:, 1:] - e2 * f1[:, 1:]) / safe
    along_v = (e2 * f1[:, :1] - e1 * f2[:, :1]) / safe
    level = np.sqrt(0.5 * ((along_u**2).sum(1) + (along_v**2).sum(1)))
    level = np.where(whole, level, np.inf)
    return np.where(shaped, level, 0.0), np.where(shaped, area, 0.0)


def _seams(positions: Floats, triangles: Ints, texcoord_triangles: Ints) -> float:
    """Length of sides across which texture coordinates jump, each side of a seam counted."""
    count = len(positions)
    begin, end = triangles.reshape(-1), triangles[:, [1, 2, 0]].reshape(-1)
    side = np.minimum(begin, end) * count + np.maximum(begin, end)
    swap = begin > end
    first, second = texcoord_triangles.reshape(-1), texcoord_triangles[:, [1, 2, 0]].reshape(-1)
    keys = np.stack([side, np.where(swap, second, first), np.where(swap, first, second)], 1)
    _, inverse, times = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    lone = times[inverse.reshape(-1)] == 1
    length = np.linalg.norm(positions[begin] - positions[end], axis=1)
    corner = positions[triangles]
    area = np.linalg.norm(
        np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1
    )
    return float(length[lone].sum() / np.sqrt(max(0.5 * float(area.sum()), 1e-30)))


@numba.njit(cache=True)
def _covered(corner: Floats, texels: int) -> Ints:
    """How many triangles [F, 3, 2] (in texels) hold each texel centre strictly inside."""
    count = np.zeros((texels, texels), dtype=np.int64)
    for f in range(len(corner)):
        ax, ay = corner[f, 0, 0], corner[f, 0, 1]
        bx, by = corner[f, 1, 0], corner[f, 1, 1]
        cx, cy = corner[f, 2, 0], corner[f, 2, 1]
        turn = 1.0 if (bx - ax) * (cy - ay) - (by - ay) * (cx - ax) > 0 else -1.0
        for j in range(max(int(min(ay, by, cy)), 0), min(int(max(ay, by, cy)) + 1, texels)):
            for i in range(max(int(min(ax, bx, cx)), 0), min(int(max(ax, bx, cx)) + 1, texels)):
                x, y = i + 0.5, j + 0.5
                ab = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) * turn
                bc = ((cx - bx) * (y - by) - (cy - by) * (x - bx)) * turn
                ca = ((ax - cx) * (y - cy) - (ay - cy) * (x - cx)) * turn
                if ab > 1e-3 and bc > 1e-3 and ca > 1e-3:
                    count[j, i] += 1
    return count


@numba.njit(cache=True)
def _touched(corner: Floats, chart: Ints, texels: int) -> Ints:
    """The chart that touches each texel's square, -1 where none does, -2 where several do."""
    owner = np.full((texels, texels), -1, dtype=np.int64)
    for f in range(len(corner)):
        x, y = corner[f, :, 0], corner[f, :, 1]
        turn = (x[1] - x[0]) * (y[2] - y[0]) - (y[1] - y[0]) * (x[2] - x[0])
        bottom, top = int(max(y.min() + 1e-6, 0.0)), min(int(np.ceil(y.max() - 1e-6)), texels)
        left, right = int(max(x.min() + 1e-6, 0.0)), min(int(np.ceil(x.max() - 1e-6)), texels)
        for j in range(bottom, top):
            for i in range(left, right):
                near = True
                for k in range(3):
                    n = (k + 1) % 3
                    ex, ey = x[n] - x[k], y[n] - y[k]
                    if turn < 0:
                        ex, ey = -ex, -ey
                    # The corner of the square that lies farthest to the inner side.
                    far = ex * (j + (ex > 0) - y[k]) - ey * (i + (ey < 0) - x[k])
                    near &= far > 1e-6
                if near:
                    if owner[j, i] == -1:
                        owner[j, i] = chart[f]
                    elif owner[j, i] != chart[f]:
                        owner[j, i] = -2
    return owner


@numba.njit(cache=True)
def _gap(owner: Ints, most: int) -> int:
    """Least number of untouched texels between two charts along an axis or a diagonal step."""
    height, width = owner.shape
    least = most
    for j in range(height):
        for i in range(width):
            here = owner[j, i]
            if here == -1:
                continue
            if here == -2:
                return 0
            for dj in range(0, least + 1):
                for di in range(-least, least + 1):
                    if j + dj < height and 0 <= i + di < width:
                        there = owner[j + dj, i + di]
                        if there != -1 and there != here:
                            least = min(least, max(dj, abs(di)) - 1)
    return least
