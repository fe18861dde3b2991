"""Vertex attributes at covered pixels, and how fast texture coordinates change between pixels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from diffrec.ops import reference_raster
from diffrec.ops.backends import choose_backend
from diffrec.ops.rasterize import Raster, per_pixel


def interpolate(
    attributes: Tensor,
    attribute_triangles: Tensor,
    triangle_of_pixel: Tensor,
    bary: Tensor,
    backend: str | None = None,
) -> Tensor:
    """Weighted sums [P, C] of three vertices' attributes.

    `attributes`: [V, C] of any quantity; `attribute_triangles`: [F, 3], rows of `attributes` (it
    may differ from the triangles of positions, for instance along texture seams);
    `triangle_of_pixel`: [P]; `bary`: [P, 3]. Gradients flow to `attributes` and `bary`.
    """
    name = choose_backend(bary if bary.dtype == torch.float64 else attributes, backend)
    if name == "reference":
        return _reference(attributes, attribute_triangles, triangle_of_pixel, bary)
    result: Tensor = _Interpolate.apply(  # type: ignore[no-untyped-call]
        attributes, attribute_triangles, triangle_of_pixel, bary, name
    )
    return result


class _Interpolate(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, attributes: Tensor, triangles: Tensor, faces: Tensor, bary: Tensor, name: str
    ) -> Tensor:
        ctx.save_for_backward(attributes, triangles, faces, bary)
        ctx.name = name
        result: Tensor = per_pixel(name).interpolate(attributes, triangles, faces, bary)
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        wants_attributes, wants_bary = ctx.needs_input_grad[0], ctx.needs_input_grad[3]
        for_attributes, for_bary = per_pixel(ctx.name).interpolate_backward(
            *ctx.saved_tensors, grad, wants_attributes, wants_bary
        )
        return for_attributes, None, None, for_bary, None


def _reference(
    attributes: Tensor, attribute_triangles: Tensor, triangle_of_pixel: Tensor, bary: Tensor
) -> Tensor:
    vertices = attribute_triangles.long()[triangle_of_pixel.long()]
    # index_select has a cheap, deterministic gradient on the CPU.
    corners = attributes.index_select(0, vertices.view(-1)).view(-1, 3, attributes.shape[1])
    return (corners * bary[:, :, None]).sum(1)


def pixel_footprint(
    clip: Tensor,
    triangles: Tensor,
    raster: Raster,
    pixels: Tensor,
    texcoords: Tensor,
    texcoord_triangles: Tensor,
    backend: str | None = None,
) -> Tensor:
    """Screen-space derivatives (du/dx, du/dy, dv/dx, dv/dy) [P, 4] of texture coordinates.

    Per pixel step to the right (x) and down (y), in units of `texcoords` [T, 2], exact for the
    perspective projection (the derivative of the barycentrics of `reference_raster`).
    `texcoord_triangles`: [F, 3], rows of `texcoords`; the rest as in `barycentrics`. No gradient.
    """
    name = choose_backend(clip, backend)
    run = reference_raster.footprint if name == "reference" else per_pixel(name).footprint
    footprint: Tensor = run(
        clip.detach(), triangles, raster.triangle, pixels, texcoords.detach(), texcoord_triangles
    )
    return footprint
