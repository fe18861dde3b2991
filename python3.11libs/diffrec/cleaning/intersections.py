"""Which triangles of a mesh pass through others of it.

Two triangles intersect where a side of one passes through the inside of the other. Triangles that
only touch, lie in one plane or share a side do not. The signs of the volumes that decide it are
taken for zero where they are no larger than their rounding.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["intersecting"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_CELLS = 400  # along the longest side at most
_ROUNDING = 2e-15  # of a volume, relative to the sum of its terms


def intersecting(positions: Floats, triangles: Ints) -> NDArray[np.bool_]:
    """Whether each triangle [F] passes through another that it shares no side with.

    positions: [V, 3]; triangles: [F, 3].
    """
    found = np.zeros(len(triangles), dtype=np.bool_)
    if len(triangles) < 2:
        return found
    # One origin and scale for all: what is far from the origin has no fewer digits.
    low = positions[triangles].min(axis=(0, 1))
    extent = float(np.max(positions[triangles].max(axis=(0, 1)) - low)) or 1.0
    corner = np.ascontiguousarray((positions[triangles] - low) / extent)
    boxes = np.stack([corner.min(axis=1), corner.max(axis=1)], axis=1)
    size = (boxes[:, 1] - boxes[:, 0]).max(axis=1)
    cell = max(1.5 * float(size.mean()), 1.0 / _CELLS)
    cells = np.minimum((boxes / cell).astype(np.int64), int(1.0 / cell))
    count = (cells[:, 1] - cells[:, 0] + 1).prod(axis=1)
    keys, owners = _entries(cells, count, int(1.0 / cell) + 1)
    order = np.argsort(keys, kind="stable")
    _mark(keys[order], owners[order], cells, int(1.0 / cell) + 1, boxes, corner, triangles, found)
    return found


@numba.njit(cache=True)
def _entries(cells: Ints, count: Ints, side: int) -> tuple[Ints, Ints]:
    """Cell and triangle of each cell that a triangle's box touches."""
    keys = np.empty(count.sum(), dtype=np.int64)
    owners = np.empty(len(keys), dtype=np.int64)
    n = 0
    for f in range(len(cells)):
        for x in range(cells[f, 0, 0], cells[f, 1, 0] + 1):
            for y in range(cells[f, 0, 1], cells[f, 1, 1] + 1):
                for z in range(cells[f, 0, 2], cells[f, 1, 2] + 1):
                    keys[n] = (x * side + y) * side + z
                    owners[n] = f
                    n += 1
    return keys, owners


@numba.njit(cache=True)
def _mark(
    keys: Ints,
    owners: Ints,
    cells: Ints,
    side: int,
    boxes: Floats,
    corner: Floats,
    triangles: Ints,
    found: NDArray[np.bool_],
) -> None:
    begin = 0
    while begin < len(keys):
        end = begin
        while end < len(keys) and keys[end] == keys[begin]:
            end += 1
        for i in range(begin, end):
            f = owners[i]
            for j in range(begin, i):
                g = owners[j]
                if found[f] and found[g]:
                    continue
                # Of all cells that both touch, the lowest one tests them.
                x = max(cells[f, 0, 0], cells[g, 0, 0])
                y = max(cells[f, 0, 1], cells[g, 0, 1])
                z = max(cells[f, 0, 2], cells[g, 0, 2])
                if (x * side + y) * side + z != keys[begin]:
                    continue
                apart = False
                for k in range(3):
                    if boxes[f, 0, k] > boxes[g, 1, k] or boxes[g, 0, k] > boxes[f, 1, k]:
                        apart = True
                if not apart and _meet(f, g, corner, triangles):
                    found[f] = True
                    found[g] = True
        begin = end


@numba.njit(cache=True)
def _meet(f: int, g: int, corner: Floats, triangles: Ints) -> bool:
    """Whether triangle f passes through g or the other way round."""
    shared, of_f, of_g = 0, -1, -1
    for i in range(3):
        for j in range(3):
            if triangles[f, i] == triangles[g, j]:
                shared, of_f, of_g = shared + 1, i, j
    if shared > 1:
        return False
    a, b = corner[f], corner[g]
    for k in range(3):
        # Sides are opposite their corner: only that opposite a shared one can pass through.
        p, q = (k + 1) % 3, (k + 2) % 3
        if (shared == 0 or k == of_f) and _pierces(a[p], a[q], b[0], b[1], b[2]):
            return True
        if (shared == 0 or k == of_g) and _pierces(b[p], b[q], a[0], a[1], a[2]):
            return True
    return False


@numba.njit(cache=True)
def _pierces(p: Floats, q: Floats, a: Floats, b: Floats, c: Floats) -> bool:
    """Whether the line from p to q passes through the inside of a triangle."""
    before, after = _side(a, b, c, p), _side(a, b, c, q)
    if before * after >= 0:
        return False
    first = _side(p, q, a, b)
    if first == 0:
        return False
    return bool(first == _side(p, q, b, c) and first == _side(p, q, c, a))


@numba.njit(cache=True)
def _side(a: Floats, b: Floats, c: Floats, d: Floats) -> int:
    """The sign of the volume of four points; 0 where rounding decides."""
    ux, uy, uz = a[0] - d[0], a[1] - d[1], a[2] - d[2]
    vx, vy, vz = b[0] - d[0], b[1] - d[1], b[2] - d[2]
    wx, wy, wz = c[0] - d[0], c[1] - d[1], c[2] - d[2]
    volume = ux * (vy * wz - vz * wy) + uy * (vz * wx - vx * wz) + uz * (vx * wy - vy * wx)
    total = (
        abs(ux) * (abs(vy * wz) + abs(vz * wy))
        + abs(uy) * (abs(vz * wx) + abs(vx * wz))
        + abs(uz) * (abs(vx * wy) + abs(vy * wx))
    )
    if abs(volume) <= _ROUNDING * total:
        return 0
    return 1 if volume > 0 else -1
