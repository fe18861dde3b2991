"""The points that a batch of views sees, which a shading model shades."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class VisiblePoints:
    """P surface points and the pixels that see them.

    `position`, `normal`: [P, 3], interpolated, world; `tangent`: [P, 3] or None; `pixels`: [P]
    int64, flat index into B views of `pixels_per_view` each; `uv`: [P, 2] with v down, or None.
    """

    position: Tensor
    normal: Tensor
    tangent: Tensor | None
    pixels: Tensor
    pixels_per_view: int
    uv: Tensor | None = None
