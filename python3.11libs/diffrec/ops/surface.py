"""Everything that shading needs to know of a mesh at the pixels it covers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from diffrec.ops import nvdiffrast_raster
from diffrec.ops.backends import choose_backend
from diffrec.ops.interpolate import interpolate, pixel_footprint
from diffrec.ops.nvdiffrast_raster import NvdiffrastRaster
from diffrec.ops.rasterize import Raster, barycentrics, triangle_of_pixel


@dataclass(frozen=True)
class Attributes:
    """What the vertices of a mesh carry; indices [F, 3] are rows of the tensor named with them.

    `positions`: [V, 3] world; `normals`: [N, 3]; `texcoords`: [T, 2]; `tangents`: [M, 3]. A mesh
    without texture coordinates has neither the last two nor their indices.
    """

    positions: Tensor
    triangles: Tensor
    normals: Tensor
    normal_triangles: Tensor
    texcoords: Tensor | None = None
    texcoord_triangles: Tensor | None = None
    tangents: Tensor | None = None
    tangent_triangles: Tensor | None = None


@dataclass(frozen=True)
class PixelAttributes:
    """The attributes at P pixels: `position`, `normal`, `tangent` [P, 3], not normalised again.

    `uv`: [P, 2]; `lod`: [P], log2 of the longer axis of a pixel's footprint in uv units. Those
    that the mesh lacks are None.
    """

    position: Tensor
    normal: Tensor
    tangent: Tensor | None
    uv: Tensor | None
    lod: Tensor | None


def attributes_at_pixels(
    attributes: Attributes,
    clip: Tensor,
    raster: Raster,
    pixels: Tensor,
    backend: str | None = None,
) -> PixelAttributes:
    """Perspective-correct attributes at covered pixels.

    `clip`: [B, V, 4] as given to `rasterize` with `attributes.triangles`; `pixels`: [P] flat
    indices from `covered_pixels`. Gradients flow to all attributes and, through the barycentrics,
    to the x, y and w of `clip`; `lod` has none. See `interpolate` and `pixel_footprint`.
    """
    a = attributes
    if isinstance(raster, NvdiffrastRaster):
        position, normal, tangent, uv, slopes = nvdiffrast_raster.attributes_at_pixels(
            a, raster, pixels
        )
        lod = None if slopes is None else footprint_level(slopes)
        return PixelAttributes(position, normal, tangent, uv, lod)
    if choose_backend(clip, backend) == "warp":
        return PixelAttributes(
            *_Surface.apply(  # type: ignore[no-untyped-call]
                clip, raster.triangle, pixels, a.positions, a.triangles, a.normals,
                a.normal_triangles, a.texcoords, a.texcoord_triangles, a.tangents,
                a.tangent_triangles,
            )
        )  # fmt: skip
    bary = barycentrics(clip, a.triangles, raster, pixels, backend)
    faces = triangle_of_pixel(raster, pixels)
    position = interpolate(a.positions, a.triangles, faces, bary, backend)
    normal = interpolate(a.normals, a.normal_triangles, faces, bary, backend)
    tangent = uv = lod = None
    if a.texcoords is not None and a.texcoord_triangles is not None:
        uv = interpolate(a.texcoords, a.texcoord_triangles, faces, bary, backend)
        footprint = pixel_footprint(
            clip, a.triangles, raster, pixels, a.texcoords, a.texcoord_triangles, backend
        )
        lod = footprint_level(footprint)
    if a.tangents is not None and a.tangent_triangles is not None:
        tangent = interpolate(a.tangents, a.tangent_triangles, faces, bary, backend)
    return PixelAttributes(position, normal, tangent, uv, lod)


def footprint_level(footprint: Tensor) -> Tensor:
    """log2 of the longer axis of a pixel's footprint [P, 4] (du/dx, du/dy, dv/dx, dv/dy)."""
    along_x = footprint[:, 0].square() + footprint[:, 2].square()
    along_y = footprint[:, 1].square() + footprint[:, 3].square()
    return 0.5 * torch.log2(torch.maximum(along_x, along_y).clamp_min(1e-20))


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
    ) -> tuple[Tensor | None, ...]:
        inputs = (
            clip, triangle, pixels, positions, triangles, normals, normal_triangles, texcoords,
            texcoord_triangles, tangents, tangent_triangles,
        )  # fmt: skip
        ctx.save_for_backward(*inputs)
        ctx.set_materialize_grads(False)
        position, normal, tangent, uv, lod = _kernels().surface(*inputs)
        if lod is not None:
            ctx.mark_non_differentiable(lod)
        return position, normal, tangent, uv, lod

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        wanted = [ctx.needs_input_grad[i] for i in (0, 3, 5, 7, 9)]
        for_clip, for_positions, for_normals, for_texcoords, for_tangents = (
            _kernels().surface_backward(ctx.saved_tensors, grads[:4], wanted)
        )
        return (
            for_clip, None, None, for_positions, None, for_normals, None, for_texcoords, None,
            for_tangents, None,
        )  # fmt: skip


def _kernels() -> Any:
    from diffrec.ops import warp_surface

    return warp_surface
