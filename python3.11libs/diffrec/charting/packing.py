"""Packs charts of any shape into a square texture, or several, by their texels.

Charts are drawn conservatively into bit masks: a texel counts as soon as a triangle touches it.
From the largest to the smallest, each takes the first place, row by row, where it and the space
around it are free, turned by quarters where that helps. The largest common scale at which all
have a place is searched. Charts keep their proportions and are never mirrored. Several textures
are packed as one strip, across whose joints no chart lies.
"""

from __future__ import annotations

import itertools
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from diffrec.charting.ids import by_chart, signed_areas

__all__ = ["Packed", "pack_charts", "pack_tiles", "upright"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]

_GAP = 2  # free texels between charts: bilinear filtering at both borders, one mip level
_BORDER = _GAP // 2  # free texels at the texture's border: half the space is kept there as well
_OUTSIDE = _GAP - _BORDER  # around the texture, for space that belongs to no chart
_ANGLES = 32  # tried within a quarter turn
_PRECISION = 0.005  # of the scale
_OVER = 1.3  # times the texture's height, to see how much of it a scale would need
_ATTEMPTS = 8
_FILL = 0.72  # of the texture, expected
_FEW = 300  # charts
_COARSE = 40  # rows of a chart for each row between the places that are tried for it
_CLASSES = 48  # of sizes, each a quarter larger than the one before


@dataclass(frozen=True)
class Packed:
    """Charts in squares of the size of one.

    `placed`: [F, 3, 2], the corners of each triangle in the unit square of its own tile; `tile`:
    [F], which tile, from 0; `turns`: [F], by how many quarters, counter-clockwise where the second
    coordinate points upward; `scale`: how many units of the square one unit of `flat` became.
    """

    placed: Floats
    tile: Ints
    turns: Ints
    scale: float


def pack_charts(flat: Floats, chart: Ints, texels: int) -> Floats:
    """Places charts in the unit square without overlap: texture coordinates [F, 3, 2], v upward.

    flat: [F, 3, 2] the corners of each triangle in its chart's plane, in one unit for all charts;
    chart: [F] from 0; texels: of the texture's side. Between charts stay two free texels; where
    there are too many charts for that, a finer grid is used in place of the texture's.
    """
    return pack_tiles(flat, chart, texels, 1).placed


def pack_tiles(flat: Floats, chart: Ints, texels: int, tiles: int) -> Packed:
    """Places charts in some squares at one scale, each chart within one of them.

    flat, chart, texels: as of `pack_charts`; tiles: how many squares there are. The first ones are
    filled first.
    """
    count = int(chart.max()) + 1
    order, begins = by_chart(chart)
    corner = np.ascontiguousarray(flat[order])
    side = texels
    # Room for a texel of every chart and its space.
    while tiles * side * side < 2 * count * (1 + _GAP) ** 2:
        side *= 2
    low = np.minimum.reduceat(corner.min(axis=1), begins[:-1])
    size = np.maximum.reduceat(corner.max(axis=1), begins[:-1]) - low
    corner -= low[chart[order]][:, None, :]
    area = max(float(np.abs(signed_areas(corner)).sum()), 1e-30)
    with ThreadPoolExecutor(thread_name_prefix="packing") as pool:
        scale, place = _search(
            corner, begins, size, _first_scale(size, area, side, tiles), side, tiles, pool
        )
    corner = np.asarray(_placed(corner * scale, begins, size * scale, place)) / side
    result = np.empty_like(corner)
    result[order] = corner
    return Packed(result, place[chart, 3], place[chart, 2], scale / side)


def _first_scale(size: Floats, area: float, side: int, tiles: int) -> float:
    """The scale at which charts and half of the space along their outlines fill most of the tiles.

    size: [C, 2]; area: of all charts.
    """
    outline = float(size.sum()) * _GAP * 0.5
    fill = _FILL * float(side * side) * tiles
    scale = 2.0 * fill / max(np.sqrt(outline**2 + 4.0 * area * fill) + outline, 1e-30)
    return float(min(scale, (side - 4) / max(float(size.max()), 1e-30)))


def _search(
    corner: Floats, begins: Ints, size: Floats, scale: float, side: int, tiles: int, pool: Executor
) -> tuple[float, Ints]:
    """The largest scale found at which all charts fit, and their places [C, 4].

    The orders of packing are tried side by side in `pool`.
    """
    low, high = 0.0, np.inf
    best = np.zeros((len(size), 4), dtype=np.int64)
    attempts = 0
    orders = _orders(size)
    height = tiles * _room(side) - 2 * _OUTSIDE

    def tried(order: Ints, scale: float) -> tuple[float, Ints]:
        found: tuple[float, Ints] = _attempt(corner, begins, size, order, scale, side, tiles)
        return found

    while low == 0.0 or (attempts < _ATTEMPTS and high - low > 1.5 * _PRECISION * high):
        used, place = min(
            pool.map(tried, orders, itertools.repeat(scale)), key=lambda found: float(found[0])
        )
        attempts += 1
        if used <= height:
            low, best = scale, place
        else:
            high = scale
        # Charts of another scale would fill about as much of the height.
        scale *= np.sqrt(height / used) if used < np.inf else 0.8
        if low > 0.0:
            scale = max(scale, low * (1.0 + _PRECISION))
        scale = min(scale, high * (1.0 - _PRECISION))
        if attempts >= _ATTEMPTS:
            scale *= 0.8
    return low, best


@numba.njit(cache=True)
def _room(side: int) -> int:
    """The side of a square that the texels of a texture and the space beside them fill."""
    return side + 2 * _OUTSIDE


def _orders(size: Floats) -> list[Ints]:
    """Orders of packing to choose from; of charts of equal size the first comes first.

    Which one is best depends on the charts: where there are few of them it is worth looking.
    """
    keys = [size[:, 0] + size[:, 1]]
    if len(size) < _FEW:
        keys += [size.max(axis=1), size.min(axis=1)]
    return [np.argsort(-key, kind="stable").astype(np.int64) for key in keys]


def upright(flat: Floats, chart: Ints) -> Floats:
    """The charts turned so that the box around each is small, long side horizontal."""
    order, begins = by_chart(chart)
    corner = np.ascontiguousarray(flat[order])
    _turn(corner, begins, _ANGLES)
    result = np.empty_like(corner)
    result[order] = corner
    return result


@numba.njit(cache=True)
def _turn(corner: Floats, begins: Ints, angles: int) -> None:
    for c in range(len(begins) - 1):
        part = corner[begins[c] : begins[c + 1]]
        least, chosen, tall = np.inf, 0.0, False
        for n in range(angles):
            angle = 0.5 * np.pi * n / angles
            cos, sin = np.cos(angle), np.sin(angle)
            left, right, bottom, top = np.inf, -np.inf, np.inf, -np.inf
            for f in range(len(part)):
                for k in range(3):
                    x = part[f, k, 0] * cos - part[f, k, 1] * sin
                    y = part[f, k, 0] * sin + part[f, k, 1] * cos
                    left, right = min(left, x), max(right, x)
                    bottom, top = min(bottom, y), max(top, y)
            if (right - left) * (top - bottom) < least:
                least, chosen = (right - left) * (top - bottom), angle
                tall = top - bottom > right - left
        if tall:
            chosen += 0.5 * np.pi
        cos, sin = np.cos(chosen), np.sin(chosen)
        for f in range(len(part)):
            for k in range(3):
                x, y = part[f, k, 0], part[f, k, 1]
                part[f, k, 0], part[f, k, 1] = x * cos - y * sin, x * sin + y * cos


@numba.njit(cache=True)
def _placed(corner: Floats, begins: Ints, size: Floats, place: Ints) -> Floats:
    for c in range(len(size)):
        for f in range(begins[c], begins[c + 1]):
            for k in range(3):
                x, y = corner[f, k, 0], corner[f, k, 1]
                for _ in range(place[c, 2]):
                    # A quarter turn within a box of whole texels.
                    x, y = -y, x
                if place[c, 2] == 1 or place[c, 2] == 2:
                    x += np.ceil(size[c, 1 if place[c, 2] == 1 else 0])
                if place[c, 2] == 2 or place[c, 2] == 3:
                    y += np.ceil(size[c, 1 if place[c, 2] == 2 else 0])
                corner[f, k, 0], corner[f, k, 1] = x + place[c, 0], y + place[c, 1]
    return corner


@numba.njit(cache=True)
def _draw(part: Floats, scale: float, mask: NDArray[np.bool_]) -> None:
    """Marks the texels that triangles touch, `_GAP` texels inside of the mask's border."""
    mask[:] = False
    for f in range(len(part)):
        x0, y0 = part[f, 0, 0] * scale, part[f, 0, 1] * scale
        x1, y1 = part[f, 1, 0] * scale, part[f, 1, 1] * scale
        x2, y2 = part[f, 2, 0] * scale, part[f, 2, 1] * scale
        if (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0) < 0:
            x1, y1, x2, y2 = x2, y2, x1, y1
        # Edge functions as a x + b y + c, at the corner of a texel that lies farthest inside.
        a01, b01, a12, b12, a20, b20 = y0 - y1, x1 - x0, y1 - y2, x2 - x1, y2 - y0, x0 - x2
        c01 = max(a01, 0.0) + max(b01, 0.0) - a01 * x0 - b01 * y0
        c12 = max(a12, 0.0) + max(b12, 0.0) - a12 * x1 - b12 * y1
        c20 = max(a20, 0.0) + max(b20, 0.0) - a20 * x2 - b20 * y2
        right = min(int(max(x0, x1, x2)), mask.shape[1] - 2 * _GAP - 1)
        top = min(int(max(y0, y1, y2)), mask.shape[0] - 2 * _GAP - 1)
        for j in range(int(min(y0, y1, y2)), top + 1):
            for i in range(int(min(x0, x1, x2)), right + 1):
                if (
                    a01 * i + b01 * j + c01 >= -1e-9
                    and a12 * i + b12 * j + c12 >= -1e-9
                    and a20 * i + b20 * j + c20 >= -1e-9
                ):
                    mask[j + _GAP, i + _GAP] = True


@numba.njit(cache=True)
def _spread(mask: NDArray[np.bool_], wide: NDArray[np.bool_]) -> None:
    """`mask` grown by the space between charts, to all sides, into `wide`."""
    height, width = mask.shape
    wide[:] = False
    for j in range(_GAP, height - _GAP):
        for i in range(_GAP, width - _GAP):
            if mask[j, i]:
                inner = mask[j - 1, i] and mask[j + 1, i] and mask[j, i - 1] and mask[j, i + 1]
                if inner:
                    wide[j, i] = True
                else:
                    wide[j - _GAP : j + _GAP + 1, i - _GAP : i + _GAP + 1] = True


@numba.njit(cache=True)
def _bits(mask: NDArray[np.bool_], turns: int, words: Words, starts: Ints) -> None:
    """The mask after some quarter turns as rows of bits, and where each bit's run begins.

    words: [R, W] zeros; starts: [R, C], at least as large as the mask is then.
    """
    height, width = mask.shape
    rows, columns = (height, width) if turns % 2 == 0 else (width, height)
    for r in range(rows):
        start = 0
        for k in range(columns):
            if turns == 0:
                marked = mask[r, k]
            elif turns == 1:
                marked = mask[height - 1 - k, r]
            elif turns == 2:
                marked = mask[height - 1 - r, width - 1 - k]
            else:
                marked = mask[k, width - 1 - r]
            if marked:
                words[r, k >> 6] |= np.uint64(1) << np.uint64(k & 63)
                starts[r, k] = start
            else:
                start = k + 1


@numba.njit(cache=True)
def _highest(word: np.uint64) -> int:
    """The number of the highest bit that is set."""
    number = 0
    for step in (32, 16, 8, 4, 2, 1):
        if word >> np.uint64(step):
            word = word >> np.uint64(step)
            number += step
    return number


@numba.njit(cache=True)
def _blocked(
    atlas: Words, words: Words, starts: Ints, rows: int, columns: int, x: int, y: int
) -> int:
    """0 where a mask of so many rows and words fits at x, y, else by how much x must grow first.

    Moved by less, the run of bits that collides would still cover the texel that it collides with.
    """
    word, shift = x >> 6, np.uint64(x & 63)
    back = np.uint64(64) - shift
    for n in range(rows):
        # From the middle, where most charts are widest.
        r = n + (rows >> 1)
        if r >= rows:
            r -= rows
        for k in range(columns):
            taken = atlas[y + r, word + k] >> shift
            if shift:
                taken |= atlas[y + r, word + k + 1] << back
            hit = words[r, k] & taken
            if hit:
                bit = k * 64 + _highest(hit)
                return int(bit - starts[r, bit] + 1)
    return 0


@numba.njit(cache=True)
def _first_place(
    atlas: Words, wide: NDArray[np.bool_], room: int, begin: int, period: int
) -> tuple[int, int, int]:
    """x, y and quarter turns of the first place, row by row from `begin`; x is -1 without one.

    No place lies across a row that is a multiple of `period`.
    """
    height, width = wide.shape
    longest = max(height, width)
    words = np.zeros((4, longest, (longest + 63) // 64), dtype=np.uint64)
    starts = np.zeros((4, longest, longest), dtype=np.int32)
    for turns in range(4):
        _bits(wide, turns, words[turns], starts[turns])
    # Large charts are tried at fewer places: what that wastes is small beside them.
    step_y = max(min(width, height) // _COARSE, 1)
    y = begin
    while y <= atlas.shape[0] - min(width, height):
        for turns in range(4):
            rows, columns = (height, width) if turns % 2 == 0 else (width, height)
            if y + rows > atlas.shape[0] or y % period + rows > period:
                continue
            bits, runs, count = words[turns], starts[turns], (columns + 63) // 64
            x = 0
            while x <= room - columns:
                step = _blocked(atlas, bits, runs, rows, count, x, y)
                if step == 0:
                    return x, y, turns
                x += step
        y = min(y + step_y, (y // period + 1) * period)
    return -1, -1, 0


@numba.njit(cache=True, nogil=True)
def _attempt(
    corner: Floats, begins: Ints, size: Floats, turn: Ints, scale: float, side: int, tiles: int
) -> tuple[float, Ints]:
    """Tries one scale: the height of the strip of tiles that it needs, and the places [C, 4]: x, y,
    quarter turns, tile.
    """
    room = _room(side)
    limit = int(room * tiles * _OVER)
    period = room if tiles > 1 else limit
    place = np.zeros((len(size), 4), dtype=np.int64)
    atlas = np.zeros((limit, room // 64 + 3), dtype=np.uint64)
    used = 0.0
    begun = np.zeros((_CLASSES, _CLASSES), dtype=np.int64)
    for n in range(len(turn)):
        c = turn[n]
        width = max(int(np.ceil(size[c, 0] * scale)), 1) + 2 * _GAP
        height = max(int(np.ceil(size[c, 1] * scale)), 1) + 2 * _GAP
        if width > room or height > room:
            return np.inf, place
        mask = np.empty((height, width), dtype=np.bool_)
        wide = np.empty((height, width), dtype=np.bool_)
        _draw(corner[begins[c] : begins[c + 1]], scale, mask)
        _spread(mask, wide)
        kind = min(int(np.log(width) / 0.2231), _CLASSES - 1)
        other = min(int(np.log(height) / 0.2231), _CLASSES - 1)
        # Rows above are full for charts of about this size: one found no place there.
        x, y, turns = _first_place(atlas, wide, room, begun[kind, other], period)
        if x < 0:
            return np.inf, place
        begun[kind, other] = y
        place[c, 0], place[c, 1] = x + _BORDER, y % period + _BORDER
        place[c, 2], place[c, 3] = turns, y // period
        rows = height if turns % 2 == 0 else width
        words = np.zeros((rows, (width + height + 63 - rows) // 64), dtype=np.uint64)
        _bits(mask, turns, words, np.empty((rows, width + height - rows), dtype=np.int32))
        used = max(used, float(y + rows - 2 * _OUTSIDE))
        word, shift = x >> 6, np.uint64(x & 63)
        for r in range(rows):
            for k in range(words.shape[1]):
                here = words[r, k]
                atlas[y + r, word + k] |= here << shift
                if shift:
                    atlas[y + r, word + k + 1] |= here >> (np.uint64(64) - shift)
    return used, place
