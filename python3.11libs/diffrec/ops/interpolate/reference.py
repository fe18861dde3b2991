"""Barycentrics, interpolation and footprints of covered pixels in plain PyTorch, any dtype.

Formulas: `rasterize.reference`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from diffrec.ops.rasterize.reference import edge_functions, pixel_centres


def at_pixels(
    clip: Tensor, triangles: Tensor, triangle: Tensor, pixels: Tensor
) -> tuple[Tensor, Tensor]:
    """Corners [P, 3, 4] of the triangles at flat `pixels` [P] and their pixel centres [P, 2].

    `triangle`: [B, H, W], the raster.
    """
    _, height, width = triangle.shape
    view = torch.div(pixels, height * width, rounding_mode="floor")
    vertices = triangles.long()[triangle.view(-1)[pixels].long()]
    # index_select has a cheap, deterministic gradient; fancy indexing by two tensors has not.
    flat = vertices + view[:, None] * clip.shape[1]
    corners = clip.reshape(-1, 4).index_select(0, flat.view(-1)).view(-1, 3, 4)
    centres = pixel_centres((height, width), clip.dtype, clip.device)
    return corners, centres[pixels - view * height * width]


def barycentrics(clip: Tensor, triangles: Tensor, triangle: Tensor, pixels: Tensor) -> Tensor:
    """Perspective-correct barycentrics [P, 3], differentiable in `clip` by autograd."""
    corners, centres = at_pixels(clip, triangles, triangle, pixels)
    q, _ = edge_functions(corners, centres)
    return q / q.sum(-1, keepdim=True)


def footprint(
    clip: Tensor,
    triangles: Tensor,
    triangle: Tensor,
    pixels: Tensor,
    texcoords: Tensor,
    texcoord_triangles: Tensor,
) -> Tensor:
    """(du/dx, du/dy, dv/dx, dv/dy) [P, 4] per pixel to the right (x) and down (y)."""
    _, height, width = triangle.shape
    corners, centres = at_pixels(clip, triangles, triangle, pixels)
    q, u = edge_functions(corners, centres)
    w = corners[..., 3]
    j, k = [1, 2, 0], [2, 0, 1]
    along_x = (u[:, j, 1] * w[:, k] - w[:, j] * u[:, k, 1]) * (2 / width)
    along_y = (w[:, j] * u[:, k, 0] - u[:, j, 0] * w[:, k]) * (-2 / height)
    total = q.sum(-1, keepdim=True)
    bary = q / total
    change_x = (along_x - bary * along_x.sum(-1, keepdim=True)) / total
    change_y = (along_y - bary * along_y.sum(-1, keepdim=True)) / total
    uv = texcoords[texcoord_triangles.long()[triangle.view(-1)[pixels].long()]]
    d_x = (change_x[..., None] * uv).sum(1)
    d_y = (change_y[..., None] * uv).sum(1)
    return torch.stack([d_x[:, 0], d_y[:, 0], d_x[:, 1], d_y[:, 1]], -1)


def interpolate(
    attributes: Tensor, attribute_triangles: Tensor, triangle_of_pixel: Tensor, bary: Tensor
) -> Tensor:
    """Weighted sums [P, C] of three vertices' attributes, differentiable by autograd."""
    vertices = attribute_triangles.long()[triangle_of_pixel.long()]
    # index_select has a cheap, deterministic gradient on the CPU.
    corners = attributes.index_select(0, vertices.view(-1)).view(-1, 3, attributes.shape[1])
    return (corners * bary[:, :, None]).sum(1)
