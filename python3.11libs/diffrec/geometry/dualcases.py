"""The cases of dual marching cubes: which cut edges of a cube belong to one surface patch.

Corner c of a cube stands at (c & 1, c >> 1 & 1, c >> 2 & 1) along x, y, z. Bit c of a case is set
where corner c is inside the object. Edges run along +x, +y, +z: EDGES lists their ends. Face
2 * axis is the cube's lower face along that axis, 2 * axis + 1 the upper one.

The surface crosses a face in segments that join two cut edges. A face whose corners alternate
has two segments, and two ways to lay them: by default around its inside corners, and around its
outside corners where the face's rule bit is set. Segments chain the cut edges to closed loops;
each loop is a patch and gets one dual vertex (Nielson 2004).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["EDGES", "CaseTable", "case_table"]

#: Ends (lower, upper) of the 12 edges; edge 4 * axis + k runs along `axis`.
EDGES: tuple[tuple[int, int], ...] = tuple(
    (corner, corner | 1 << axis)
    for axis in range(3)
    for corner in range(8)
    if not corner >> axis & 1
)
_EDGE_OF = {ends: number for number, ends in enumerate(EDGES)}


@dataclass(frozen=True)
class CaseTable:
    """Looked up by row = case * 64 + rule bits of the six faces.

    patch: [16384, 12] int64, patch of every cut edge, -1 for the others; patches: [16384] int64,
    how many; joined: [16384, 6] bool, faces whose two segments belong to the same patch.
    """

    patch: Tensor
    patches: Tensor
    joined: Tensor


@lru_cache(maxsize=8)
def case_table(device: str = "cpu") -> CaseTable:
    """The table for all 256 cases and 64 rules on a device."""
    patch = np.full((256 * 64, 12), -1, dtype=np.int64)
    joined = np.zeros((256 * 64, 6), dtype=bool)
    for case in range(256):
        ambiguous = sum(1 << face for face in range(6) if _is_ambiguous(case, face))
        known: dict[int, tuple[NDArray[np.int64], NDArray[np.bool_]]] = {}
        for rules in range(64):
            relevant = rules & ambiguous
            if relevant not in known:
                known[relevant] = _patches(case, relevant)
            patch[case * 64 + rules], joined[case * 64 + rules] = known[relevant]
    return CaseTable(
        patch=torch.from_numpy(patch).to(device),
        patches=torch.from_numpy(patch.max(axis=1) + 1).to(device),
        joined=torch.from_numpy(joined).to(device),
    )


def _ring(face: int) -> tuple[int, int, int, int]:
    """The corners around a face."""
    axis, upper = divmod(face, 2)
    u, v = 1 << (axis + 1) % 3, 1 << (axis + 2) % 3
    base = upper << axis
    return (base, base | u, base | u | v, base | v)


def _is_ambiguous(case: int, face: int) -> bool:
    a, b, c, d = (case >> corner & 1 for corner in _ring(face))
    return a == c and b == d and a != b


def _segments(case: int, face: int, flipped: bool) -> list[tuple[int, int]]:
    """Pairs of cut edges that the surface joins across a face."""
    ring = _ring(face)
    sides = [_EDGE_OF[min(p, q), max(p, q)] for p, q in zip(ring, ring[1:] + ring[:1], strict=True)]
    inside = [bool(case >> corner & 1) for corner in ring]
    cut = [sides[k] for k in range(4) if inside[k] != inside[(k + 1) % 4]]
    if len(cut) == 4:
        around = [k for k in range(4) if inside[k] != flipped]
        return [(sides[k - 1], sides[k]) for k in around]
    return [(cut[0], cut[1])] if cut else []


def _patches(case: int, rules: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Patch of each edge [12], and which faces [6] have both segments in one patch."""
    segments = [_segments(case, face, bool(rules >> face & 1)) for face in range(6)]
    group = list(range(12))
    for first, second in (pair for face in segments for pair in face):
        old, new = group[first], group[second]
        group = [new if g == old else g for g in group]
    cut = sorted({edge for face in segments for pair in face for edge in pair})
    names = sorted({group[edge] for edge in cut})
    patch = np.full(12, -1, dtype=np.int64)
    for edge in cut:
        patch[edge] = names.index(group[edge])
    joined = [len(face) == 2 and patch[face[0][0]] == patch[face[1][0]] for face in segments]
    return patch, np.array(joined, dtype=bool)
