"""What lies under the texels of a texture, and what stands where nothing lies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from diffrec.asset.mikktspace import Doubles
from diffrec.asset.vertices import Vertices
from diffrec.geometry.mesh import Mesh
from diffrec.materials.bake import nearest_covered
from diffrec.ops import dilation, normalmap
from diffrec.ops.dilation import halved
from diffrec.ops.interpolate import barycentrics
from diffrec.ops.rasterize import covered_pixels, rasterize

SHARE = 0.02
"""How much the larger block counts in a block's background, as a share of the block's texels.
Measured on the sample: the least for which mip 3 to 6 all come nearer to what they stand for."""
BESIDE = 1e-3
"""How much a texel counts that is read with a chart but lies beside it."""


@dataclass(frozen=True)
class Texels:
    """The texels of an H x W texture that a mesh covers.

    `covered`: flat indices [P] of those whose centre lies in a triangle; `triangle`: [P], which;
    `bary`: [P, 3], where; `used`: [H, W], covered or beside such a one, so that pictures of the
    finest level read it; `weight`: [H, W], how much each counts in means; `read`: those that are
    used, by flat index, and for each the nearest of the covered ones, by its place among these:
    the texels beside a chart are read with it.
    """

    resolution: tuple[int, int]
    covered: Tensor
    triangle: Tensor
    bary: Tensor
    used: Tensor
    weight: Tensor

    @cached_property
    def read(self) -> tuple[Tensor, Tensor]:
        place = torch.zeros(self.used.numel(), dtype=torch.int64, device=self.covered.device)
        place[self.covered] = torch.arange(len(self.covered), device=place.device)
        read = self.used.reshape(-1).nonzero()[:, 0]
        nearest = nearest_covered(self.covered, self.resolution).to(place.device)
        return read, place[nearest[read]]


@torch.no_grad()
def texels_of(mesh: Mesh, resolution: tuple[int, int]) -> Texels:
    """The texels that the texture coordinates of `mesh` cover."""
    assert mesh.texcoords is not None and mesh.texcoord_triangles is not None
    u, v = mesh.texcoords.float().unbind(1)
    clip = torch.stack([2 * u - 1, 1 - 2 * v, torch.zeros_like(u), torch.ones_like(u)], dim=1)[None]
    raster = rasterize(clip, mesh.texcoord_triangles, resolution)
    covered = covered_pixels(raster)
    bary = barycentrics(clip, mesh.texcoord_triangles, raster, covered)
    inside = torch.zeros(resolution, dtype=torch.bool, device=covered.device)
    inside.view(-1)[covered] = True
    used = _with_neighbours(inside)
    triangle = raster.triangle.view(-1)[covered].long()
    weight = torch.maximum(inside.float(), BESIDE * used.float())
    return Texels(resolution, covered, triangle, bary, used, weight)


def _with_neighbours(inside: Tensor) -> Tensor:
    """Where something of [H, W] is true in the 3 x 3 texels around."""
    rows = functional.pad(inside, (1, 1, 0, 0))
    rows = rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]
    columns = functional.pad(rows, (0, 0, 1, 1))
    return columns[:-2] | columns[1:-1] | columns[2:]


def dilated(image: Tensor, texels: Texels) -> Tensor:
    """`image` [H, W, C] with its charts dilated into the whole background; see `filled`."""
    return filled(image, texels.used, texels.weight)


@torch.no_grad()
def filled(image: Tensor, known: Tensor, weight: Tensor | None = None) -> Tensor:
    """`image` [H, W, C] where `known` [H, W], and means of what is known around it elsewhere.

    What stood there before is lost, so no mip level takes it in. A block of texels in which little
    is known takes after the larger block around it: then the coarse levels too come near the mean
    of what they stand for. `weight`: [H, W], how much each known texel counts. Nothing changes
    where nothing is known.
    """
    if known.all() or not known.any():
        return image
    counted = known.float() if weight is None else weight * known
    sums = dilation.weighted_sums(image, counted)[None]
    background = _background(sums, halved(counted)[None, None], 1)
    return dilation.filled(image, known, background[0])


def _background(total: Tensor, weight: Tensor, level: int) -> Tensor:
    """Values for the texels of a level: of sums [1, C, H, W] over weights [1, 1, H, W]."""
    height, width = weight.shape[2:]
    if max(height, width) == 1:
        return total / weight
    coarse = _background(halved(total), halved(weight), level + 1)
    spread = functional.interpolate(coarse, scale_factor=2, mode="nearest")
    spread = spread[..., :height, :width]
    share = SHARE * 4.0**level
    return (total + share * spread) / (weight + share)


@torch.no_grad()
def in_world(normal: Tensor, mesh: Mesh, texels: Texels) -> Tensor:
    """Where the normals of a map [H, W, 3] for the mesh's own tangents point: [H, W, 3] in world
    axes.

    Texels beside the charts point as the nearest covered one would with what stands in them.
    """
    if texels.covered.numel() == 0:
        return functional.normalize(normal, dim=2)
    assert mesh.normals is not None and mesh.normal_triangles is not None
    assert mesh.tangents is not None and mesh.tangent_triangles is not None
    found = normalmap.to_world(
        normal.reshape(-1, 3),
        *texels.read,
        texels.triangle,
        texels.bary,
        mesh.normals,
        mesh.normal_triangles,
        mesh.tangents,
        mesh.tangent_triangles,
    )
    return found.reshape(normal.shape)


@torch.no_grad()
def in_mikktspace(
    world: Tensor, mesh: Mesh, vertices: Vertices, tangents: Doubles, texels: Texels
) -> Tensor:
    """A normal map [H, W, 3] for renderers that use MikkTSpace, from normals in world axes.

    Args:
        world: [H, W, 3], of any length above zero.
        mesh: what the map is for.
        vertices: those of `mesh`, in the order of its triangles.
        tangents: [F, 3, 4], theirs.
        texels: what `mesh` covers of the map.

    Returns:
        Normals of unit length, where the mesh is read; other texels keep what they had.
    """
    if texels.covered.numel() == 0:
        return functional.normalize(world, dim=2)
    assert mesh.normals is not None and mesh.normal_triangles is not None
    found = normalmap.to_mikktspace(
        world.reshape(-1, 3),
        *texels.read,
        texels.triangle,
        texels.bary,
        mesh.normals,
        mesh.normal_triangles,
        torch.from_numpy(tangents).to(world).reshape(-1, 4),
    )
    return found.reshape(world.shape)
