"""Where pixels see their triangles, and attributes of vertices there.

Also how fast texture coordinates change between pixels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from diffrec.ops.backends import Operation
from diffrec.ops.interpolate import reference
from diffrec.ops.raster import Raster

_operation = Operation(__name__)


def barycentrics(
    clip: Tensor,
    triangles: Tensor,
    raster: Raster,
    pixels: Tensor,
) -> Tensor:
    """Perspective-correct barycentric coordinates [P, 3] of covered pixels.

    `clip`: [B, V, 4], `triangles`: [F, 3] as given to `rasterize`; `pixels`: [P] flat indices from
    `covered_pixels`. Differentiable with respect to the x, y and w of `clip` (z does not enter);
    see `rasterize.reference` for the formula. Rows sum to one; a pixel centre on an edge may give
    -1e-7 through rounding.
    """
    kernels = _operation.kernels(clip)
    if kernels is None:
        return reference.barycentrics(clip, triangles, raster.triangle, pixels)
    bary: Tensor = _Barycentrics.apply(  # type: ignore[no-untyped-call]
        clip, triangles, raster.triangle, pixels, kernels
    )
    return bary


class _Barycentrics(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, clip: Tensor, triangles: Tensor, triangle: Tensor, pixels: Tensor, kernels: Any
    ) -> Tensor:
        ctx.save_for_backward(clip, triangles, triangle, pixels)
        ctx.kernels = kernels
        bary: Tensor = kernels.barycentrics(clip, triangles, triangle, pixels)
        return bary

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        clip, triangles, triangle, pixels = ctx.saved_tensors
        run = ctx.kernels.barycentrics_backward
        return run(clip, triangles, triangle, pixels, grad.contiguous()), None, None, None, None


def interpolate(
    attributes: Tensor,
    attribute_triangles: Tensor,
    triangle_of_pixel: Tensor,
    bary: Tensor,
) -> Tensor:
    """Weighted sums [P, C] of three vertices' attributes.

    `attributes`: [V, C] of any quantity; `attribute_triangles`: [F, 3], rows of `attributes` (it
    may differ from the triangles of positions, for instance along texture seams);
    `triangle_of_pixel`: [P]; `bary`: [P, 3]. Gradients flow to `attributes` and `bary`.
    """
    kernels = _operation.kernels(bary if bary.dtype == torch.float64 else attributes)
    if kernels is None:
        return reference.interpolate(attributes, attribute_triangles, triangle_of_pixel, bary)
    result: Tensor = _Interpolate.apply(  # type: ignore[no-untyped-call]
        attributes, attribute_triangles, triangle_of_pixel, bary, kernels
    )
    return result


class _Interpolate(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, attributes: Tensor, triangles: Tensor, faces: Tensor, bary: Tensor, kernels: Any
    ) -> Tensor:
        ctx.save_for_backward(attributes, triangles, faces, bary)
        ctx.kernels = kernels
        result: Tensor = kernels.interpolate(attributes, triangles, faces, bary)
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        wants_attributes, wants_bary = ctx.needs_input_grad[0], ctx.needs_input_grad[3]
        for_attributes, for_bary = ctx.kernels.interpolate_backward(
            *ctx.saved_tensors, grad, wants_attributes, wants_bary
        )
        return for_attributes, None, None, for_bary, None


def pixel_footprint(
    clip: Tensor,
    triangles: Tensor,
    raster: Raster,
    pixels: Tensor,
    texcoords: Tensor,
    texcoord_triangles: Tensor,
) -> Tensor:
    """Screen-space derivatives (du/dx, du/dy, dv/dx, dv/dy) [P, 4] of texture coordinates.

    Per pixel step to the right (x) and down (y), in units of `texcoords` [T, 2], exact for the
    perspective projection (the derivative of the barycentrics of `rasterize.reference`).
    `texcoord_triangles`: [F, 3], rows of `texcoords`; the rest as in `barycentrics`. No gradient.
    """
    kernels = _operation.kernels(clip) or reference
    footprint: Tensor = kernels.footprint(
        clip.detach(), triangles, raster.triangle, pixels, texcoords.detach(), texcoord_triangles
    )
    return footprint
