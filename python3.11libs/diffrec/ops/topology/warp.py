# Kernels are in Warp's language: int(0) declares a variable that changes in a loop, annotations are
# not types, and vectors and arrays have operations that their Python stand-ins lack.
# mypy: disable-error-code="index, valid-type, no-untyped-def, misc, operator, arg-type"
"""Which triangles share an edge, with NVIDIA Warp: one key per edge, one sort, one comparison.

The keys are those of `reference.neighbors`, which finds the same neighbours.
"""

from __future__ import annotations

import torch
import warp as wp
from torch import Tensor

from diffrec.ops.warp import launch, start_warp

start_warp()
wp.set_module_options({"enable_backward": False})


def neighbors(triangles: Tensor) -> Tensor:
    """[F, 3] int32: 3 * triangle + edge across every edge, -1 where there is not exactly one."""
    count, device = triangles.shape[0], triangles.device
    keys = torch.empty((count, 3), dtype=torch.int64, device=device)
    result = torch.empty((count, 3), dtype=torch.int32, device=device)
    launch(_keys, (count, 3), [triangles.to(torch.int64).contiguous(), keys], device)
    ordered, order = torch.sort(keys.view(-1))
    launch(_pair, 3 * count, [ordered, order, result.view(-1)], device)
    return result


@wp.kernel
def _keys(triangles: wp.array2d(dtype=wp.int64), keys: wp.array2d(dtype=wp.int64)):
    face, edge = wp.tid()
    start = triangles[face, (edge + 1) % 3]
    end = triangles[face, (edge + 2) % 3]
    # High 32 bits: one end; low 32 bits: the other. Collapsed edges get keys of their own.
    key = (wp.min(start, end) << wp.int64(32)) | wp.max(start, end)
    if start == end:
        key = wp.int64(-1) - wp.int64(3 * face + edge)
    keys[face, edge] = key


@wp.func
def _equal(keys: wp.array(dtype=wp.int64), i: int, j: int) -> bool:
    if i < 0 or j >= keys.shape[0]:
        return False
    return bool(keys[i] == keys[j])


@wp.kernel
def _pair(
    keys: wp.array(dtype=wp.int64),
    order: wp.array(dtype=wp.int64),
    result: wp.array(dtype=wp.int32),
):
    i = wp.tid()
    other = wp.int64(-1)
    if _equal(keys, i, i + 1) and not _equal(keys, i - 1, i) and not _equal(keys, i + 1, i + 2):
        other = order[i + 1]
    if _equal(keys, i - 1, i) and not _equal(keys, i, i + 1) and not _equal(keys, i - 2, i - 1):
        other = order[i - 1]
    result[int(order[i])] = int(other)
