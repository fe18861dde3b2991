"""Which triangle is seen in each pixel, at what depth, and where inside it.

Clip space is OpenGL's (-w <= x, y, z <= w); images have row 0 at the top, so the centre of the
pixel (row r, column c) is at x = (2 c + 1) / W - 1, y = 1 - (2 r + 1) / H.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from diffrec.ops import reference_raster
from diffrec.ops.backends import choose_backend
from diffrec.ops.room import Room, covered_within


@dataclass(frozen=True)
class Raster:
    """The nearest surface per pixel.

    `triangle`: [B, H, W] int32, row of the triangle list, -1 where nothing is seen;
    `depth`: [B, H, W], z / w in [-1, 1], +inf where nothing is seen; carries no gradient.
    """

    triangle: Tensor
    depth: Tensor


def rasterize(
    clip: Tensor,
    triangles: Tensor,
    resolution: tuple[int, int],
    *,
    behind: Raster | None = None,
    backend: str | None = None,
) -> Raster:
    """Find the nearest triangle at every pixel centre.

    `clip`: [B, V, 4] clip-space vertices of B views; `triangles`: [F, 3] int32 or int64, rows of V,
    both sides visible; `resolution`: (height, width) in pixels; `behind`: for depth peeling, a
    raster of the same scene: only surfaces strictly behind its depth count, its own triangles not;
    `backend`: see `choose_backend`, and "nvdiffrast", whose raster the other operations follow.

    Triangles that reach behind the camera or past the near or far plane are cut there exactly. A
    pixel centre on a shared edge belongs to exactly one triangle. Of equal depths the triangle with
    the lowest index wins. All backends and devices find the same triangles.

    Raises:
        ValueError: shapes that do not fit, or an unknown backend.
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
    if backend == "nvdiffrast":
        from diffrec.ops import nvdiffrast_raster

        return nvdiffrast_raster.rasterize(clip, triangles, (height, width), behind=behind)
    layer = None if behind is None else (behind.triangle, behind.depth)
    run = _rasterizer(choose_backend(clip, backend)).rasterize
    triangle, depth = run(clip.detach(), triangles, (height, width), layer)
    return Raster(triangle, depth)


def covered_pixels(raster: Raster, room: Room | None = None) -> Tensor:
    """Flat indices [P] int64 into B * H * W of the pixels that see a triangle, ascending.

    The only place of the renderer that waits for CUDA: P must be known to go on. With `room` (Warp
    only) P is what it says, and the raster may be changed; see `diffrec.ops.room`.
    """
    if room is not None:
        return covered_within(raster.triangle, raster.depth, room)
    return torch.nonzero(raster.triangle.view(-1) >= 0).view(-1)


def triangle_of_pixel(raster: Raster, pixels: Tensor) -> Tensor:
    """Triangle index [P] int64 at flat `pixels` [P]."""
    return raster.triangle.view(-1)[pixels].long()


def barycentrics(
    clip: Tensor,
    triangles: Tensor,
    raster: Raster,
    pixels: Tensor,
    backend: str | None = None,
) -> Tensor:
    """Perspective-correct barycentric coordinates [P, 3] of covered pixels.

    `clip`: [B, V, 4], `triangles`: [F, 3] as given to `rasterize`; `pixels`: [P] flat indices from
    `covered_pixels`. Differentiable with respect to the x, y and w of `clip` (z does not enter);
    see `reference_raster` for the formula. Rows sum to one; a pixel centre on an edge may give
    -1e-7 through rounding.
    """
    name = choose_backend(clip, backend)
    if name == "reference":
        return reference_raster.barycentrics(clip, triangles, raster.triangle, pixels)
    bary: Tensor = _Barycentrics.apply(  # type: ignore[no-untyped-call]
        clip, triangles, raster.triangle, pixels, name
    )
    return bary


class _Barycentrics(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, clip: Tensor, triangles: Tensor, triangle: Tensor, pixels: Tensor, name: str
    ) -> Tensor:
        ctx.save_for_backward(clip, triangles, triangle, pixels)
        ctx.name = name
        bary: Tensor = per_pixel(name).barycentrics(clip, triangles, triangle, pixels)
        return bary

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        clip, triangles, triangle, pixels = ctx.saved_tensors
        run = per_pixel(ctx.name).barycentrics_backward
        return run(clip, triangles, triangle, pixels, grad.contiguous()), None, None, None, None


def _rasterizer(name: str) -> Any:
    return reference_raster if name == "reference" else import_module(f"diffrec.ops.{name}_raster")


def per_pixel(name: str) -> Any:
    """The module with one backend's kernels on lists of covered pixels."""
    return import_module(f"diffrec.ops.{name}_interpolate")
