# Kernels are in Warp's language: annotations are not types, and arrays have operations that their
# Python stand-ins lack.
# mypy: disable-error-code="index, valid-type, no-untyped-def, misc, operator, arg-type"
"""The covered pixels of a raster in a list of a fixed length, with NVIDIA Warp."""

from __future__ import annotations

import torch
import warp as wp
from torch import Tensor

from diffrec.ops.warp import launch, start_warp

start_warp()
wp.set_module_options({"enable_backward": False})


def covered(triangle: Tensor, depth: Tensor, rows: int, seen: Tensor) -> Tensor:
    """See `covered_within`; the number of covered pixels goes to seen[0]."""
    flat = triangle.view(-1)
    rank = torch.cumsum(flat >= 0, 0, dtype=torch.int32)
    pixels = torch.empty(rows, dtype=torch.int64, device=triangle.device)
    inputs = [rank, flat, depth.view(-1), pixels, seen]
    launch(_list, max(rows, flat.shape[0]), inputs, triangle.device)
    return pixels


@wp.kernel
def _list(
    rank: wp.array(dtype=wp.int32),
    triangle: wp.array(dtype=wp.int32),
    depth: wp.array(dtype=wp.float32),
    pixels: wp.array(dtype=wp.int64),
    seen: wp.array(dtype=wp.int32),
):
    i = wp.tid()
    count = rank.shape[0]
    needed = rank[count - 1]
    if i == 0:
        wp.atomic_max(seen, 0, needed)
    if i >= needed and i < pixels.shape[0]:
        pixels[i] = wp.int64(-1)
    if i < count:  # noqa: SIM102, both sides of an `and` would be read
        if triangle[i] >= 0:
            row = rank[i] - 1
            if row < pixels.shape[0]:
                pixels[row] = wp.int64(i)
            else:
                triangle[i] = -1
                depth[i] = wp.inf  # type: ignore[attr-defined]
