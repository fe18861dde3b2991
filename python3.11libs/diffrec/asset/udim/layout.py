"""Distributes the charts of a mesh over UDIM tiles, all at one scale.

A chart is moved, scaled and turned by quarters, no more: its texels are read where they were. One
that is larger than a tile at the scale to be reached is cut along its triangles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffrec.charting.ids import by_chart, chart_ids, signed_areas, split
from diffrec.charting.packing import Packed, pack_tiles

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

FILL = 0.6
"""Share of the tiles that charts can be expected to cover."""
GOOD = 0.9
"""Share of the scale to be reached that is good enough: no more charts are cut for the rest."""
LONGEST = (0.98, 0.5, 0.25)
"""Sides of the largest chart that are tried, at the scale to be reached, as shares of a tile's."""
WORTH = 1.05
"""How much finer the textures must become for charts to be cut once more."""
GRID = 1024
"""Charts of larger tiles are placed in steps of some texels, with as much more space between."""


@dataclass(frozen=True)
class Layout:
    """Charts in tiles.

    Attributes:
        uv: [T, 2], texture coordinates in the unit square of the own tile, v down.
        triangles: [F, 3] into them.
        tile: [F], of each triangle, from 0.
        chart: [F], from 0.
        before: [F], what the charts were before some were cut.
        source: [C, 2, 3], the affine map of each chart from its tile to the texture that it came
            from, both in texture coordinates.
        scale: texels of a tile over those of that texture, along a line on the surface.
        cuts: how many charts there are more than before.
    """

    uv: Doubles
    triangles: Ints
    tile: Ints
    chart: Ints
    before: Ints
    source: Doubles
    scale: float
    cuts: int


def laid_out(
    uv: Doubles, triangles: Ints, resolution: tuple[int, int], side: int, tiles: int
) -> Layout:
    """Charts over at most so many tiles, about sqrt(tiles) times as fine as in one.

    Args:
        uv: [T, 2], texture coordinates, each of one chart.
        triangles: [F, 3] into them.
        resolution: height and width of their texture.
        side: of a tile, in texels.
        tiles: how many there are.
    """
    size = np.array(resolution[::-1], dtype=np.float64)
    corner = uv * size
    before = chart_ids(triangles)
    area = max(float(np.abs(signed_areas(corner[triangles])).sum()), 1e-30)
    wanted = GOOD * min(np.sqrt(tiles) / float(size.max()), np.sqrt(FILL * tiles / area))
    # As many texels along a step as there must be for no more steps than GRID.
    grid = -(-side // -(-side // GRID))
    best: tuple[Packed, Doubles, Ints, Ints] | None = None
    for longest in LONGEST:
        cut = cut_down(corner[triangles], before, longest / wanted)
        points, indices = split(corner, triangles, cut)
        chart = chart_ids(indices)
        packed = pack_tiles(points[indices], chart, grid, tiles)
        if best is None or packed.scale > WORTH * best[0].scale:
            best = packed, points, indices, chart
        if best[0].scale >= wanted:
            break
    assert best is not None
    packed, points, indices, chart = best
    placed = np.empty_like(points)
    placed[indices] = packed.placed
    return Layout(
        uv=placed,
        triangles=indices,
        tile=packed.tile,
        chart=chart,
        before=before,
        source=_sources(packed, points[indices] / size, chart, size),
        scale=packed.scale * side,
        cuts=int(chart.max() - before.max()),
    )


def cut_down(flat: Doubles, chart: Ints, longest: float) -> Ints:
    """Charts [F], from 0, halved across their longer side until none is longer than `longest`.

    flat: [F, 3, 2], the corners of each triangle; chart: [F], from 0. A triangle stays whole.
    """
    centre = flat.mean(axis=1)
    while True:
        order, begins = by_chart(chart)
        low = np.minimum.reduceat(flat[order].min(axis=1), begins[:-1])
        high = np.maximum.reduceat(flat[order].max(axis=1), begins[:-1])
        first = np.minimum.reduceat(centre[order], begins[:-1])
        last = np.maximum.reduceat(centre[order], begins[:-1])
        every = np.arange(len(low))
        along = (high - low).argmax(axis=1)
        middle = 0.5 * (first + last)[every, along]
        large = (high - low).max(axis=1) > longest
        beyond = large[chart] & (centre[np.arange(len(chart)), along[chart]] > middle[chart])
        if not beyond.any():
            return chart
        chart = np.unique(2 * chart + beyond, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _sources(packed: Packed, uv: Doubles, chart: Ints, size: Doubles) -> Doubles:
    """[C, 2, 3]: from tiles to `uv` [F, 3, 2] of a texture of `size`, width and height."""
    count = int(chart.max()) + 1
    turn = np.zeros(count, dtype=np.int64)
    turn[chart] = packed.turns
    quarter = np.array([[[1, 0], [0, 1]], [[0, 1], [-1, 0]], [[-1, 0], [0, -1]], [[0, -1], [1, 0]]])
    back = quarter[turn] / (packed.scale * size[None, :, None])
    left = uv - np.einsum("fij,fkj->fki", back[chart], packed.placed)
    number = np.maximum(np.bincount(chart, minlength=count), 1)
    mean = [np.bincount(chart, left[..., k].mean(axis=1), minlength=count) / number for k in (0, 1)]
    return np.concatenate([back, np.stack(mean, axis=1)[:, :, None]], axis=2)
