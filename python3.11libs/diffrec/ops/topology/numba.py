"""Which triangles share an edge, on the CPU: the edges sorted into buckets by their ends."""

from __future__ import annotations

import numpy as np
import torch
from numba import njit
from torch import Tensor


def neighbors(triangles: Tensor) -> Tensor:
    """[F, 3] int32, as `reference.neighbors`."""
    result = torch.empty(tuple(triangles.shape), dtype=torch.int32)
    _neighbors(triangles.to(torch.int32).contiguous().numpy(), result.numpy())
    return result


@njit(cache=True)
def _ends(triangles, face, edge):  # type: ignore[no-untyped-def]
    """The two vertices of an edge, the lower index first."""
    start, end = triangles[face, (edge + 1) % 3], triangles[face, (edge + 2) % 3]
    return min(start, end), max(start, end)


@njit(cache=True)
def _neighbors(triangles, result):  # type: ignore[no-untyped-def]
    edges = 3 * triangles.shape[0]
    buckets = np.int64(1)
    while buckets < edges:
        buckets *= 2
    hashes = np.empty(edges, np.int64)
    starts = np.zeros(buckets + 1, np.int64)
    for edge in range(edges):
        low, high = _ends(triangles, edge // 3, edge % 3)
        mixed = np.int64(low) * 0x9E3779B1 + np.int64(high) * 0x85EBCA77
        hashes[edge] = (mixed ^ (mixed >> 29)) & (buckets - 1)
        starts[hashes[edge] + 1] += 1
    for bucket in range(buckets):
        starts[bucket + 1] += starts[bucket]
    members = np.empty(edges, np.int32)
    fill = starts[:-1].copy()
    for edge in range(edges):
        members[fill[hashes[edge]]] = edge
        fill[hashes[edge]] += 1
    for edge in range(edges):
        low, high = _ends(triangles, edge // 3, edge % 3)
        other, matches = -1, 0
        for slot in range(starts[hashes[edge]], starts[hashes[edge] + 1]):
            candidate = members[slot]
            if candidate != edge:
                low2, high2 = _ends(triangles, candidate // 3, candidate % 3)
                if low == low2 and high == high2:
                    other = candidate
                    matches += 1
                    if matches > 1:
                        break
        result[edge // 3, edge % 3] = other if matches == 1 and low != high else -1
