"""From a material in space to textures on a mesh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from diffrec.errors import DiffrecError
from diffrec.geometry.mesh import Mesh
from diffrec.materials.several import SeveralMaterials
from diffrec.materials.surface import Material, Surface
from diffrec.ops.interpolate import barycentrics, interpolate
from diffrec.ops.rasterize import covered_pixels, rasterize

# Points evaluated at once: bounds the memory of the field's activations to some 50 MB.
CHUNK = 1 << 17


@torch.no_grad()
def bake(
    material: Material, mesh: Mesh, resolution: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Textures kd, ks, normal, [H, W, 3] each, that hold `material` on the surface of `mesh`.

    The mesh is rasterised in its texture space; a texel whose centre lies in a triangle gets the
    material at the surface point there. Every other texel copies the nearest such one, so that
    bilinear fetches and mip levels find no foreign colour at the borders of charts. Values are
    those of the material, neither clamped nor normalised.

    `resolution`: (H, W). Raises DiffrecError when the mesh has no texture coordinates or they
    cover no texel.
    """
    found = texels_of(mesh, resolution)
    return _baked(material, found, lambda part: Surface(found.position[part]))


@torch.no_grad()
def bake_again(
    material: Material | SeveralMaterials, old: Mesh, new: Mesh, resolution: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """As `bake`, of textures with texture coordinates of their own: those of `old`, which has
    the triangles of `new` in the same order. Normals start flat: they belong to the old tangents.
    """
    assert old.texcoords is not None and old.texcoord_triangles is not None
    found = texels_of(new, resolution)
    uv = interpolate(old.texcoords, old.texcoord_triangles, found.triangle, found.bary)
    kd, ks, normal = _baked(
        material,
        found,
        lambda part: Surface(found.position[part], uv[part], None, found.triangle[part]),
    )
    return kd, ks, torch.zeros_like(normal) + normal.new_tensor([0, 0, 1])


@dataclass(frozen=True)
class Texels:
    """The P texels [H * W] that lie in a triangle, by their flat indices `at`."""

    size: tuple[int, int]
    at: Tensor
    triangle: Tensor
    bary: Tensor
    position: Tensor


def _baked(
    material: Material | SeveralMaterials, found: Texels, surface: Callable[[slice], Surface]
) -> tuple[Tensor, Tensor, Tensor]:
    height, width = found.size
    baked = found.position.new_empty((height * width, 9))
    for begin in range(0, found.at.shape[0], CHUNK):
        part = slice(begin, begin + CHUNK)
        sample = material.sample(surface(part))
        baked[found.at[part]] = torch.cat([sample.kd, sample.ks, sample.normal], dim=1)
    baked = baked[nearest_covered(found.at, found.size)].reshape(height, width, 9)
    return (
        baked[..., 0:3].contiguous(),
        baked[..., 3:6].contiguous(),
        baked[..., 6:9].contiguous(),
    )


@torch.no_grad()
def covered_texels(mesh: Mesh, resolution: tuple[int, int]) -> Tensor:
    """Which texels [H, W] of a texture have their centre in a triangle. Raises as `bake`."""
    texels = texels_of(mesh, resolution).at
    covered = torch.zeros(resolution, dtype=torch.bool, device=texels.device)
    covered.view(-1)[texels] = True
    return covered


def texels_of(mesh: Mesh, resolution: tuple[int, int]) -> Texels:
    """The texels whose centre lies in a triangle. Raises DiffrecError as `bake`."""
    if mesh.texcoords is None or mesh.texcoord_triangles is None:
        raise DiffrecError("The mesh has no texture coordinates to bake to; chart it first.")
    size = (int(resolution[0]), int(resolution[1]))
    u, v = mesh.texcoords.detach().float().unbind(1)
    clip = torch.stack([2 * u - 1, 1 - 2 * v, torch.zeros_like(u), torch.ones_like(u)], dim=1)[None]
    raster = rasterize(clip, mesh.texcoord_triangles, size)
    texels = covered_pixels(raster)
    if texels.numel() == 0:
        raise DiffrecError(
            f"The texture coordinates cover none of the {size[1]} x {size[0]} texels; "
            "raise texture_res, or check that the coordinates lie within 0 and 1."
        )
    bary = barycentrics(clip, mesh.texcoord_triangles, raster, texels)
    triangle = raster.triangle.reshape(-1)[texels].long()
    position = interpolate(mesh.positions.detach(), mesh.triangles, triangle, bary)
    return Texels(size, texels, triangle, bary, position)


def nearest_covered(texels: Tensor, resolution: tuple[int, int]) -> Tensor:
    """For each of the H * W texels the flat index of the nearest one among `texels` [P].

    [H * W] int64; a covered texel is its own. Exact to the 5 x 5 chamfer distance of OpenCV.
    """
    height, width = resolution
    flat = texels.cpu().numpy()
    empty = np.ones(height * width, dtype=np.uint8)
    empty[flat] = 0
    # A label per zero pixel: which of the covered texels is nearest.
    _, labels = cv2.distanceTransformWithLabels(
        empty.reshape(height, width), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    labels = labels.reshape(-1)
    source = np.zeros(int(labels.max()) + 1, dtype=np.int64)
    source[labels[flat]] = flat
    return torch.from_numpy(source[labels]).to(texels.device)
