"""Vertex attributes at covered pixels, and how fast texture coordinates change between pixels."""

from __future__ import annotations

from torch import Tensor

from diffrec.ops import reference_raster
from diffrec.ops.backends import choose_backend
from diffrec.ops.rasterize import Raster


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
    choose_backend(attributes, backend)
    return _reference(attributes, attribute_triangles, triangle_of_pixel, bary)


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
    choose_backend(clip, backend)
    return reference_raster.footprint(
        clip.detach(), triangles, raster.triangle, pixels, texcoords.detach(), texcoord_triangles
    )
