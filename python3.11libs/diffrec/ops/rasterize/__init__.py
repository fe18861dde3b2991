"""Which triangle is seen in each pixel, and at what depth.

Clip space is OpenGL's (-w <= x, y, z <= w); images have row 0 at the top, so the centre of the
pixel (row r, column c) is at x = (2 c + 1) / W - 1, y = 1 - (2 r + 1) / H.
"""

from __future__ import annotations

import torch
from torch import Tensor

from diffrec.ops.backends import Operation
from diffrec.ops.fixedlengths import FixedLengths, covered_within
from diffrec.ops.raster import Raster
from diffrec.ops.rasterize import reference

_operation = Operation(__name__)


def rasterize(
    clip: Tensor,
    triangles: Tensor,
    resolution: tuple[int, int],
    *,
    behind: Raster | None = None,
) -> Raster:
    """Find the nearest triangle at every pixel centre.

    `clip`: [B, V, 4] clip-space vertices of B views; `triangles`: [F, 3] int32 or int64, rows of V,
    both sides visible; `resolution`: (height, width) in pixels; `behind`: for depth peeling, a
    raster of the same scene: only surfaces strictly behind its depth count, its own triangles not.

    Triangles that reach behind the camera or past the near or far plane are cut there exactly. A
    pixel centre on a shared edge belongs to exactly one triangle. Of equal depths the triangle with
    the lowest index wins. All backends and devices find the same triangles.

    Raises:
        ValueError: shapes that do not fit.
    """
    if clip.ndim != 3 or clip.shape[2] != 4:
        raise ValueError(f"clip must be [B, V, 4], is {list(clip.shape)}")
    if triangles.ndim != 2 or triangles.shape[1] != 3:
        raise ValueError(f"triangles must be [F, 3], is {list(triangles.shape)}")
    height, width = int(resolution[0]), int(resolution[1])
    shape = (clip.shape[0], height, width)
    if height < 1 or width < 1:
        raise ValueError(f"resolution must be at least 1 x 1 pixel, is {height} x {width}")
    if behind is not None and tuple(behind.triangle.shape) != shape:
        raise ValueError(
            f"the raster to look behind is {list(behind.triangle.shape)}, this one {list(shape)}"
        )
    layer = None if behind is None else (behind.triangle, behind.depth)
    kernels = _operation.kernels(clip) or reference
    triangle, depth = kernels.rasterize(clip.detach(), triangles, (height, width), layer)
    return Raster(triangle, depth)


def covered_pixels(raster: Raster, lengths: FixedLengths | None = None) -> Tensor:
    """Flat indices [P] int64 into B * H * W of the pixels that see a triangle, ascending.

    The only place of the renderer that waits for CUDA: P must be known to go on. With `lengths`
    (Warp only) P is what it says, and the raster may be changed; see `diffrec.ops.fixedlengths`.
    """
    if lengths is not None:
        return covered_within(raster.triangle, raster.depth, lengths)
    return torch.nonzero(raster.triangle.view(-1) >= 0).view(-1)


def triangle_of_pixel(raster: Raster, pixels: Tensor) -> Tensor:
    """Triangle index [P] int64 at flat `pixels` [P]."""
    return raster.triangle.view(-1)[pixels].long()
