"""Rays against a mesh: which directions are free of it, and what a ray hits first.

What `Rays` finds has no gradients. Its kernels are Warp's, on a CPU too: there its tree of boxes is
as fast as one of our own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from diffrec.ops.backends import Operation
from diffrec.ops.rays import reference

_operation = Operation(__name__, cpu="warp")


class Rays:
    """A mesh that rays are cast against, as it is now."""

    def __init__(self, positions: Tensor, triangles: Tensor) -> None:
        """`positions`: [V, 3] finite, float32; `triangles`: [F, 3] int64."""
        self._kernels: Any = _operation.kernels(positions) or reference
        self._scene = self._kernels.scene(positions.detach(), triangles)

    @torch.no_grad()
    def free(self, origins: Tensor, normals: Tensor, directions: Tensor, result: Tensor) -> None:
        """Write into `result` which shares of bundles of rays from points meet nothing.

        Args:
            origins: [T, 3].
            normals: [T, 3], unit; a ray that goes below a point's horizon is not free.
            directions: [J, S, 3], unit; J bundles of S rays each, the same for every point.
            result: [T, J] float32.
        """
        self._kernels.free(self._scene, origins, normals, directions, result)

    @torch.no_grad()
    def first(self, origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """What rays hit first: triangles [R] int64, -1 for nothing, and barycentrics [R, 3].

        `origins`, `directions`: [R, 3]; directions of unit length.
        """
        triangle, bary = self._kernels.first(self._scene, origins, directions)
        return triangle, bary
