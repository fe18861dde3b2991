"""What lies under the texels of a texture, and what stands where nothing lies."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from diffrec.asset.mikktspace import corner_tangents
from diffrec.asset.vertices import Vertices
from diffrec.geometry.mesh import Mesh
from diffrec.materials.bake import nearest_covered
from diffrec.ops.interpolate import barycentrics, interpolate
from diffrec.ops.rasterize import covered_pixels, rasterize


@dataclass(frozen=True)
class Texels:
    """The texels of an H x W texture that a mesh covers.

    `covered`: flat indices [P] of those whose centre lies in a triangle; `triangle`: [P], which;
    `bary`: [P, 3], where; `used`: [H, W], covered or beside such a one, so that pictures of the
    finest level read it.
    """

    resolution: tuple[int, int]
    covered: Tensor
    triangle: Tensor
    bary: Tensor
    used: Tensor


@torch.no_grad()
def texels_of(mesh: Mesh, resolution: tuple[int, int]) -> Texels:
    """The texels that the texture coordinates of `mesh` cover."""
    assert mesh.texcoords is not None and mesh.texcoord_triangles is not None
    u, v = mesh.texcoords.float().unbind(1)
    clip = torch.stack([2 * u - 1, 1 - 2 * v, torch.zeros_like(u), torch.ones_like(u)], dim=1)[None]
    raster = rasterize(clip, mesh.texcoord_triangles, resolution)
    covered = covered_pixels(raster)
    bary = barycentrics(clip, mesh.texcoord_triangles, raster, covered)
    inside = torch.zeros(1, 1, *resolution, device=covered.device)
    inside.view(-1)[covered] = 1
    used = functional.max_pool2d(inside, 3, stride=1, padding=1)[0, 0] > 0
    return Texels(resolution, covered, raster.triangle.view(-1)[covered].long(), bary, used)


@torch.no_grad()
def filled(image: Tensor, known: Tensor) -> Tensor:
    """`image` [H, W, C] where `known` [H, W], and means of what is known around it elsewhere.

    Every texel of a mip level is then the mean of what is known below it, or of its surroundings
    where nothing is: no other colour comes into it. Nothing changes where nothing is known.
    """
    if not known.any():
        return image
    planes = image.permute(2, 0, 1).contiguous()[None]
    return _filled(planes, known[None, None])[0].permute(1, 2, 0).contiguous()


def _filled(planes: Tensor, known: Tensor) -> Tensor:
    """The same for [1, C, H, W] and [1, 1, H, W]."""
    height, width = known.shape[2:]
    if max(height, width) == 1 or known.all():
        return planes
    right, below = width % 2, height % 2
    share = functional.pad(known.to(planes), (0, right, 0, below))
    halved = functional.avg_pool2d(functional.pad(planes * known, (0, right, 0, below)), 2)
    shares = functional.avg_pool2d(share, 2)
    coarse = _filled(halved / shares.clamp_min(0.25), shares > 0)
    spread = functional.interpolate(coarse, scale_factor=2, mode="nearest")
    return torch.where(known, planes, spread[..., :height, :width])


@torch.no_grad()
def in_mikktspace(normal: Tensor, mesh: Mesh, vertices: Vertices, texels: Texels) -> Tensor:
    """A normal map [H, W, 3] for renderers that use MikkTSpace, from one for the mesh's tangents.

    Each texel points where it did. `vertices`: those of `mesh`, in the order of its triangles.
    Unit length.
    """
    if texels.covered.numel() == 0:
        return functional.normalize(normal, dim=2)
    assert mesh.normals is not None and mesh.normal_triangles is not None
    assert mesh.tangents is not None and mesh.tangent_triangles is not None
    faces, bary = texels.triangle, texels.bary
    smooth = interpolate(mesh.normals, mesh.normal_triangles, faces, bary)
    trained = interpolate(mesh.tangents, mesh.tangent_triangles, faces, bary)
    up = functional.normalize(smooth, dim=1)
    along = functional.normalize(trained - up * (trained * up).sum(1, keepdim=True), dim=1)
    trained_frame = torch.stack([along, torch.linalg.cross(up, along), up], dim=2)

    corners = torch.from_numpy(corner_tangents(vertices)).to(normal).reshape(-1, 4)
    own = torch.arange(len(corners), device=normal.device).reshape(-1, 3)
    tangent = interpolate(corners, own, faces, bary)
    across = tangent[:, :3]
    bitangent = torch.sign(tangent[:, 3:]) * torch.linalg.cross(smooth, across)

    # The texels beside a chart are read with it: they turn as the nearest covered one does.
    place = torch.zeros(texels.used.numel(), dtype=torch.int64, device=normal.device)
    place[texels.covered] = torch.arange(len(texels.covered), device=normal.device)
    read = texels.used.reshape(-1).nonzero()[:, 0]
    nearest = place[nearest_covered(texels.covered, texels.resolution)[read]]
    turned = normal.reshape(-1, 3).clone()
    world = (trained_frame[nearest] @ turned[read, :, None])[..., 0]
    turned[read] = _coordinates(world, *(one[nearest] for one in (across, bitangent, smooth)))
    return functional.normalize(turned, dim=1).reshape(normal.shape)


def _coordinates(vector: Tensor, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """A positive multiple of the coordinates of vectors [P, 3] along axes of any angles."""
    sides = (torch.linalg.cross(y, z), torch.linalg.cross(z, x), torch.linalg.cross(x, y))
    volume = (x * sides[0]).sum(1, keepdim=True)
    along = [(vector * side).sum(1, keepdim=True) for side in sides]
    return torch.cat(along, dim=1) * torch.sign(volume)
