"""The nearest point of a surface, by a tree of boxes over triangles in Morton order."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["Surface", "nearest"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LEAF = 4  # triangles of a leaf
_BITS = 10  # of the Morton code along each axis


@dataclass(frozen=True)
class Surface:
    """Triangles to be asked for their nearest point.

    corner: [F, 3, 3] in Morton order; facing: [F, 3] unit normals, 0 without area; boxes: [2 S, 2,
    3] of a complete binary tree, whose root is 1 and whose leaves are the last S.
    """

    corner: Floats
    facing: Floats
    boxes: Floats

    @classmethod
    def of(cls, positions: Floats, triangles: Ints) -> Surface:
        """Of positions [V, 3] and triangles [F, 3], at least one."""
        corner = positions[triangles]
        middle = corner.mean(axis=1)
        low = middle.min(axis=0)
        extent = float((middle.max(axis=0) - low).max()) or 1.0
        grid = np.minimum((middle - low) / extent * 2**_BITS, 2**_BITS - 1).astype(np.int64)
        code = np.zeros(len(grid), dtype=np.int64)
        for bit in range(_BITS):
            for axis in range(3):
                code |= (grid[:, axis] >> bit & 1) << (3 * bit + axis)
        corner = np.ascontiguousarray(corner[np.argsort(code, kind="stable")])
        normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        length = np.linalg.norm(normal, axis=1, keepdims=True)
        facing = normal / np.where(length > 0, length, 1.0)
        leaves = -(-len(corner) // _LEAF)
        size = 1 << (leaves - 1).bit_length()
        boxes = np.empty((2 * size, 2, 3))
        boxes[:, 0], boxes[:, 1] = np.inf, -np.inf
        starts = np.arange(0, len(corner), _LEAF)
        boxes[size : size + leaves, 0] = np.minimum.reduceat(corner.min(axis=1), starts)
        boxes[size : size + leaves, 1] = np.maximum.reduceat(corner.max(axis=1), starts)
        level = size
        while level > 1:
            below = boxes[level : 2 * level].reshape(-1, 2, 2, 3)
            level //= 2
            boxes[level : 2 * level, 0] = below[:, :, 0].min(axis=1)
            boxes[level : 2 * level, 1] = below[:, :, 1].max(axis=1)
        return cls(corner, facing, boxes)


@numba.njit(cache=True)
def _gap(box: Floats, point: Floats) -> float:
    """Squared distance of a point to a box."""
    total = 0.0
    for k in range(3):
        apart = max(box[0, k] - point[k], point[k] - box[1, k])
        if apart > 0:
            total += apart * apart
    return total


@numba.njit(cache=True)
def nearest(
    corner: Floats, facing: Floats, boxes: Floats, point: Floats, side: Floats, reach: float
) -> tuple[float, int, float, float, float]:
    """Squared distance, triangle and place of the nearest point.

    Of triangles that face `side` [3] alone, or all where that is zero; within `reach`. The triangle
    is -1 where there is none.
    """
    size = len(boxes) // 2
    stack = np.empty(64, dtype=np.int64)
    stack[0], depth = 1, 1
    best, found = reach * reach, -1
    x, y, z = point[0], point[1], point[2]
    every = side[0] == 0 and side[1] == 0 and side[2] == 0
    while depth > 0:
        depth -= 1
        node = stack[depth]
        if _gap(boxes[node], point) >= best:
            continue
        if node < size:
            left, right = 2 * node, 2 * node + 1
            if _gap(boxes[left], point) > _gap(boxes[right], point):
                left, right = right, left
            stack[depth], stack[depth + 1] = right, left
            depth += 2
            continue
        first = (node - size) * _LEAF
        for f in range(first, min(first + _LEAF, len(corner))):
            if not every:
                along = facing[f, 0] * side[0] + facing[f, 1] * side[1] + facing[f, 2] * side[2]
                if along <= 0:
                    continue
            px, py, pz = _on_triangle(corner[f], point)
            dx, dy, dz = px - point[0], py - point[1], pz - point[2]
            distance = dx * dx + dy * dy + dz * dz
            if distance < best:
                best, found, x, y, z = distance, f, px, py, pz
    return best, found, x, y, z


@numba.njit(cache=True)
def _on_triangle(t: Floats, p: Floats) -> tuple[float, float, float]:
    """The nearest point of a triangle (Ericson, Real-Time Collision Detection, section 5.1.5)."""
    abx, aby, abz = t[1, 0] - t[0, 0], t[1, 1] - t[0, 1], t[1, 2] - t[0, 2]
    acx, acy, acz = t[2, 0] - t[0, 0], t[2, 1] - t[0, 1], t[2, 2] - t[0, 2]
    x, y, z = p[0] - t[0, 0], p[1] - t[0, 1], p[2] - t[0, 2]
    d1, d2 = abx * x + aby * y + abz * z, acx * x + acy * y + acz * z
    if d1 <= 0 and d2 <= 0:
        return t[0, 0], t[0, 1], t[0, 2]
    x, y, z = p[0] - t[1, 0], p[1] - t[1, 1], p[2] - t[1, 2]
    d3, d4 = abx * x + aby * y + abz * z, acx * x + acy * y + acz * z
    if d3 >= 0 and d4 <= d3:
        return t[1, 0], t[1, 1], t[1, 2]
    x, y, z = p[0] - t[2, 0], p[1] - t[2, 1], p[2] - t[2, 2]
    d5, d6 = abx * x + aby * y + abz * z, acx * x + acy * y + acz * z
    if d6 >= 0 and d5 <= d6:
        return t[2, 0], t[2, 1], t[2, 2]
    v, w = 0.0, 0.0
    vc, vb, va = d1 * d4 - d3 * d2, d5 * d2 - d1 * d6, d3 * d6 - d5 * d4
    if vc <= 0 and d1 >= 0 and d3 <= 0:
        v = d1 / max(d1 - d3, 1e-300)
    elif vb <= 0 and d2 >= 0 and d6 <= 0:
        w = d2 / max(d2 - d6, 1e-300)
    elif va <= 0 and d4 - d3 >= 0 and d5 - d6 >= 0:
        w = (d4 - d3) / max((d4 - d3) + (d5 - d6), 1e-300)
        v = 1.0 - w
    else:
        total = max(va + vb + vc, 1e-300)
        v, w = vb / total, vc / total
    return t[0, 0] + abx * v + acx * w, t[0, 1] + aby * v + acy * w, t[0, 2] + abz * v + acz * w
