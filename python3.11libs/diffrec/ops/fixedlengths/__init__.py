"""Lists of a fixed length for an iteration that is recorded, where nothing can wait for a count.

An iteration makes three lists whose lengths depend on what is seen: the covered pixels, the grid's
edges that the surface crosses, and its triangles. As a rule each is as long as it needs to be, for
which the processor waits for the device. With `FixedLengths` they have the length that they are
given: rows that are not needed hold -1 (pixels, crossing edges) or a triangle without area (0, 0,
0) and take part in nothing; what finds no row is left out. How many were needed is noted on the
device.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Sizes(NamedTuple):
    """Lengths of the three lists; what a pass does not make counts 0."""

    pixels: int
    crossings: int = 0
    triangles: int = 0

    def largest(self, other: Sizes) -> Sizes:
        """Of each list the larger of two lengths."""
        return Sizes(*map(max, self, other))

    def fits(self, lengths: Sizes) -> bool:
        """Whether lists of these lengths fit into others of those lengths."""
        return self.largest(lengths) == lengths


class FixedLengths:
    """Lengths of the lists, and what they would have had to be since the last `needed`.

    `seen`: [4] int32 on the device: the most pixels, crossings and triangles, and the fewest
    crossings; kernels write it.
    """

    def __init__(self, sizes: Sizes, device: torch.device) -> None:
        self.sizes = sizes
        self._nothing_seen = torch.tensor([0, 0, 0, 2**31 - 1], dtype=torch.int32, device=device)
        self.seen = self._nothing_seen.clone()

    def needed(self) -> tuple[Sizes, int]:
        """The largest lengths, and the fewest crossings, since the last call; waits for CUDA."""
        *most, fewest = self.seen.tolist()
        self.seen.copy_(self._nothing_seen)
        return Sizes(*most), fewest


def covered_within(triangle: Tensor, depth: Tensor, lengths: FixedLengths) -> Tensor:
    """The covered pixels of a raster, [lengths.sizes.pixels] int64 ascending, -1 in spare rows.

    Pixels without a row become empty in `triangle` and `depth`, [B, H, W] each.
    """
    from diffrec.ops.fixedlengths import warp_covered

    return warp_covered.covered(triangle, depth, lengths.sizes.pixels, lengths.seen)
