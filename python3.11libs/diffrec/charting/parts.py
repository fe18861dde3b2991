"""Cuts a mesh into compact parts of bounded size, so that each can be charted on its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["mesh_parts"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def mesh_parts(positions: Floats, triangles: Ints, most: int) -> list[Ints]:
    """Ids of the triangles of each part, ascending; parts hold at most `most` triangles.

    positions: [V, 3]; triangles: [F, 3]. A part is halved across its longest direction, at the
    median of its triangles' centres, until it is small enough. The same mesh always gives the
    same parts.
    """
    centre = positions[triangles].mean(axis=1)
    waiting: list[Ints] = [np.arange(len(triangles), dtype=np.int64)]
    parts: list[Ints] = []
    while waiting:
        part = waiting.pop()
        if len(part) <= most:
            parts.append(np.sort(part))
            continue
        offset = centre[part] - centre[part].mean(axis=0)
        along = offset @ np.linalg.eigh(offset.T @ offset)[1][:, 2]
        order = np.argsort(along, kind="stable")
        half = len(part) // 2
        waiting += [part[order[half:]], part[order[:half]]]
    return parts
