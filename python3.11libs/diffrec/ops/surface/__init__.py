"""Everything that shading needs to know of a mesh at the pixels it covers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from diffrec.ops import nvdiffrast
from diffrec.ops.backends import Operation
from diffrec.ops.nvdiffrast import NvdiffrastRaster
from diffrec.ops.raster import Attributes, PixelAttributes, Raster
from diffrec.ops.surface import reference

_operation = Operation(__name__)


def attributes_at_pixels(
    attributes: Attributes,
    clip: Tensor,
    raster: Raster,
    pixels: Tensor,
) -> PixelAttributes:
    """Perspective-correct attributes at covered pixels.

    `clip`: [B, V, 4] as given to `rasterize` with `attributes.triangles`; `pixels`: [P] flat
    indices from `covered_pixels`. Gradients flow to all attributes and, through the barycentrics,
    to the x, y and w of `clip`; `lod` has none. See `interpolate` and `pixel_footprint`.
    """
    a = attributes
    if isinstance(raster, NvdiffrastRaster):
        position, normal, tangent, uv, slopes = nvdiffrast.attributes_at_pixels(a, raster, pixels)
        lod = None if slopes is None else reference.footprint_level(slopes)
        return PixelAttributes(position, normal, tangent, uv, lod)
    kernels = _operation.kernels(clip)
    if kernels is not None:
        return PixelAttributes(
            *_Surface.apply(  # type: ignore[no-untyped-call]
                clip, raster.triangle, pixels, a.positions, a.triangles, a.normals,
                a.normal_triangles, a.texcoords, a.texcoord_triangles, a.tangents,
                a.tangent_triangles, kernels,
            )
        )  # fmt: skip
    return reference.attributes_at_pixels(a, clip, raster, pixels)


class _Surface(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        clip: Tensor,
        triangle: Tensor,
        pixels: Tensor,
        positions: Tensor,
        triangles: Tensor,
        normals: Tensor,
        normal_triangles: Tensor,
        texcoords: Tensor | None,
        texcoord_triangles: Tensor | None,
        tangents: Tensor | None,
        tangent_triangles: Tensor | None,
        kernels: Any,
    ) -> tuple[Tensor | None, ...]:
        inputs = (
            clip, triangle, pixels, positions, triangles, normals, normal_triangles, texcoords,
            texcoord_triangles, tangents, tangent_triangles,
        )  # fmt: skip
        ctx.save_for_backward(*inputs)
        ctx.kernels = kernels
        ctx.set_materialize_grads(False)
        position, normal, tangent, uv, lod = kernels.surface(*inputs)
        if lod is not None:
            ctx.mark_non_differentiable(lod)
        return position, normal, tangent, uv, lod

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        wanted = [ctx.needs_input_grad[i] for i in (0, 3, 5, 7, 9)]
        for_clip, for_positions, for_normals, for_texcoords, for_tangents = (
            ctx.kernels.surface_backward(ctx.saved_tensors, grads[:4], wanted)
        )
        return (
            for_clip, None, None, for_positions, None, for_normals, None, for_texcoords, None,
            for_tangents, None, None,
        )  # fmt: skip
