"""Finds where a chart covers itself in the texture, and cuts it there."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from diffrec.charting.ids import by_chart, neighbours

__all__ = ["crossing", "cut_apart", "overlapping"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROUNDS = 60  # of cutting; what still covers itself then becomes single triangles
_LARGEST = 1 << 26  # texels of the box around a chart; beyond it a layout makes no sense


def overlapping(texels: Floats, chart: Ints) -> Ints:
    """For each triangle [F] one of its chart that covers the same texel centre, -1 without one.

    texels: [F, 3, 2] corners in texels; chart: [F] from 0. Mirrored triangles cover nothing.
    """
    found: Ints = _scan(*by_chart(chart), texels)
    return found


def crossing(texels: Floats, chart: Ints, triangles: Ints) -> Ints:
    """For each triangle [F] one of its chart whose border crosses its own, -1 without one.

    texels: [F, 3, 2] corners; chart: [F] from 0; triangles: [F, 3], equal numbers are one point of
    a chart. A chart without mirrored triangles and without crossings does not cover itself, but
    where borders coincide.
    """
    corners = np.stack([triangles, triangles[:, [1, 2, 0]]], axis=2).reshape(-1, 2)
    low, high = corners.min(axis=1), corners.max(axis=1)
    count = int(triangles.max()) + 1
    order = np.lexsort((high, low, np.repeat(chart, 3)))
    keys = np.stack([np.repeat(chart, 3)[order] * count + low[order], high[order]], axis=1)
    same = (keys[1:] == keys[:-1]).all(axis=1)
    lone = order[~np.append(same, False) & ~np.insert(same, 0, False)]
    ends = np.stack([texels.reshape(-1, 2), texels[:, [1, 2, 0]].reshape(-1, 2)], axis=1)
    found: Ints = _crossings(
        np.searchsorted(np.repeat(chart, 3)[lone], np.arange(int(chart.max()) + 2)),
        np.ascontiguousarray(ends[lone]),
        corners[lone],
        lone // 3,
        np.full(len(chart), -1, dtype=np.int64),
    )
    return found


def cut_apart(texels: Floats, chart: Ints, triangles: Ints) -> Ints:
    """Charts [F], from 0, cut until none covers itself.

    texels: [F, 3, 2] corners in texels; chart: [F] from 0; triangles: [F, 3], equal numbers are
    one point of a chart. Of two triangles that lie over one another, one takes what is nearer to
    it, by the number of sides between, into a chart of its own.
    """
    sides = neighbours(triangles)
    sides = np.concatenate([sides, sides[:, ::-1]])
    order, begins = by_chart(sides[:, 0], len(chart))
    around = sides[order, 1]
    chart = chart.copy()
    changed: Ints = np.arange(len(chart))
    for _ in range(_ROUNDS):
        part = np.unique(chart[changed], return_inverse=True)[1].reshape(-1).astype(np.int64)
        met = overlapping(texels[changed], part)
        met = np.where(met >= 0, met, crossing(texels[changed], part, triangles[changed]))
        if (met < 0).all():
            return chart
        other = np.full(len(chart), -1, dtype=np.int64)
        other[changed] = np.where(met >= 0, changed[met], -1)
        changed = _cut(chart, other, around, begins, int(chart.max()) + 1)
    alone = np.zeros(len(chart), dtype=np.bool_)
    alone[changed] = True
    chart = np.where(alone, len(chart) + np.arange(len(chart)), chart)
    return np.unique(chart, return_inverse=True)[1].reshape(-1).astype(np.int64)


@numba.njit(cache=True)
def _turn(a: Floats, b: Floats, c: Floats) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


@numba.njit(cache=True)
def _crossings(begins: Ints, ends: Floats, points: Ints, owner: Ints, found: Ints) -> Ints:
    """Sides [E, 2, 2] of each chart's border that cross, found by a grid of cells."""
    for chart in range(len(begins) - 1):
        first, count = begins[chart], begins[chart + 1] - begins[chart]
        part = ends[first : first + count]
        if count < 4:
            continue
        left, low = part[:, :, 0].min(), part[:, :, 1].min()
        wide, tall = part[:, :, 0].max() - left, part[:, :, 1].max() - low
        # Borders are lines: more cells along a direction than sides are of no use.
        cell = max(max(wide, tall) / min(1.0 * count, 512.0), 1e-30)
        columns, rows = int(wide / cell) + 1, int(tall / cell) + 1
        heads = np.full(columns * rows, -1, dtype=np.int64)
        box = np.empty((count, 4), dtype=np.int64)
        entries = 0
        for n in range(count):
            box[n, 0] = int((min(part[n, 0, 0], part[n, 1, 0]) - left) / cell)
            box[n, 1] = int((max(part[n, 0, 0], part[n, 1, 0]) - left) / cell)
            box[n, 2] = int((min(part[n, 0, 1], part[n, 1, 1]) - low) / cell)
            box[n, 3] = int((max(part[n, 0, 1], part[n, 1, 1]) - low) / cell)
            entries += (box[n, 1] - box[n, 0] + 1) * (box[n, 3] - box[n, 2] + 1)
        following = np.empty(entries, dtype=np.int64)
        held = np.empty(entries, dtype=np.int64)
        entries = 0
        done = False
        for n in range(count):
            for j in range(box[n, 2], box[n, 3] + 1):
                for i in range(box[n, 0], box[n, 1] + 1):
                    entry = heads[j * columns + i]
                    while entry >= 0 and not done:
                        m = held[entry]
                        p, q = points[first + n], points[first + m]
                        if p[0] != q[0] and p[0] != q[1] and p[1] != q[0] and p[1] != q[1]:
                            a, b, c, d = part[n, 0], part[n, 1], part[m, 0], part[m, 1]
                            if (
                                _turn(a, b, c) * _turn(a, b, d) < 0.0
                                and _turn(c, d, a) * _turn(c, d, b) < 0.0
                            ):
                                found[owner[first + n]] = owner[first + m]
                                found[owner[first + m]] = owner[first + n]
                                # A chart is cut at one place at a time.
                                done = True
                        entry = following[entry]
                    following[entries] = heads[j * columns + i]
                    held[entries] = n
                    heads[j * columns + i] = entries
                    entries += 1
            if done:
                break
    return found


@numba.njit(cache=True)
def _cut(chart: Ints, other: Ints, around: Ints, begins: Ints, count: int) -> Ints:
    """Halves each chart that covers itself, between the first two triangles that meet.

    Returns the triangles of these charts, ascending.
    """
    seen = np.zeros(count, dtype=np.bool_)
    before = chart.copy()
    queue = np.empty(len(chart), dtype=np.int64)
    side = np.full(len(chart), -1, dtype=np.int64)
    fresh = count
    for t in range(len(other)):
        if other[t] < 0 or chart[t] >= count or seen[chart[t]]:
            continue
        own = chart[t]
        seen[own] = True
        side[t], side[other[t]] = own, fresh
        queue[0], queue[1] = t, other[t]
        head, tail = 0, 2
        while head < tail:
            f = queue[head]
            head += 1
            for n in range(begins[f], begins[f + 1]):
                g = around[n]
                if side[g] < 0 and chart[g] == own:
                    side[g] = side[f]
                    queue[tail] = g
                    tail += 1
        for n in range(tail):
            chart[queue[n]] = side[queue[n]]
        fresh += 1
    return np.flatnonzero(seen[before])


@numba.njit(cache=True)
def _scan(order: Ints, begins: Ints, texels: Floats) -> Ints:
    found = np.full(len(order), -1, dtype=np.int64)
    for chart in range(len(begins) - 1):
        members = order[begins[chart] : begins[chart + 1]]
        if len(members) < 2:
            continue
        left, right, low, high = np.inf, -np.inf, np.inf, -np.inf
        for t in members:
            for k in range(3):
                left, right = min(left, texels[t, k, 0]), max(right, texels[t, k, 0])
                low, high = min(low, texels[t, k, 1]), max(high, texels[t, k, 1])
        if not (right - left + 2.0) * (high - low + 2.0) < _LARGEST:
            found[members[0]], found[members[-1]] = members[-1], members[0]
            continue
        column, row = int(np.floor(left)), int(np.floor(low))
        taken = np.zeros((int(high) - row + 2, int(right) - column + 2), dtype=np.int32)
        for t in members:
            ax, ay = texels[t, 0, 0], texels[t, 0, 1]
            bx, by = texels[t, 1, 0], texels[t, 1, 1]
            cx, cy = texels[t, 2, 0], texels[t, 2, 1]
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            if area <= 1e-9:
                continue
            # Strictly inside, so that a centre on a shared edge counts for no one.
            e = 1e-7 * area
            for j in range(int(np.floor(min(ay, by, cy))), int(max(ay, by, cy)) + 1):
                for i in range(int(np.floor(min(ax, bx, cx))), int(max(ax, bx, cx)) + 1):
                    x, y = i + 0.5, j + 0.5
                    if (
                        (bx - ax) * (y - ay) - (by - ay) * (x - ax) > e
                        and (cx - bx) * (y - by) - (cy - by) * (x - bx) > e
                        and (ax - cx) * (y - cy) - (ay - cy) * (x - cx) > e
                    ):
                        other = taken[j - row, i - column]
                        if other > 0:
                            found[t], found[other - 1] = other - 1, t
                        else:
                            taken[j - row, i - column] = t + 1
    return found
