"""A mesh's attributes at covered pixels, one after another by the operations of `interpolate`."""

from __future__ import annotations

import torch
from torch import Tensor

from diffrec.ops.interpolate import barycentrics, interpolate, pixel_footprint
from diffrec.ops.raster import Attributes, PixelAttributes, Raster
from diffrec.ops.rasterize import triangle_of_pixel


def attributes_at_pixels(
    a: Attributes, clip: Tensor, raster: Raster, pixels: Tensor
) -> PixelAttributes:
    """The attributes, differentiable by autograd."""
    bary = barycentrics(clip, a.triangles, raster, pixels)
    faces = triangle_of_pixel(raster, pixels)
    position = interpolate(a.positions, a.triangles, faces, bary)
    normal = interpolate(a.normals, a.normal_triangles, faces, bary)
    tangent = uv = lod = None
    if a.texcoords is not None and a.texcoord_triangles is not None:
        uv = interpolate(a.texcoords, a.texcoord_triangles, faces, bary)
        footprint = pixel_footprint(
            clip, a.triangles, raster, pixels, a.texcoords, a.texcoord_triangles
        )
        lod = footprint_level(footprint)
    if a.tangents is not None and a.tangent_triangles is not None:
        tangent = interpolate(a.tangents, a.tangent_triangles, faces, bary)
    return PixelAttributes(position, normal, tangent, uv, lod)


def footprint_level(footprint: Tensor) -> Tensor:
    """log2 of the longer axis of a pixel's footprint [P, 4] (du/dx, du/dy, dv/dx, dv/dy)."""
    along_x = footprint[:, 0].square() + footprint[:, 2].square()
    along_y = footprint[:, 1].square() + footprint[:, 3].square()
    return 0.5 * torch.log2(torch.maximum(along_x, along_y).clamp_min(1e-20))
