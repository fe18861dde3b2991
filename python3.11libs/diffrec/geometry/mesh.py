"""Indexed triangle meshes and the per-vertex frames that shading needs.

World frame: right-handed, y up. A triangle (a, b, c) faces the side from which its corners
run counter-clockwise, that is along cross(b - a, c - a). Texture coordinates have their origin
at the top left (v runs down, the row order of images); only OBJ files hold 1 - v.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from torch.nn import functional

from diffrec.errors import DiffrecError

__all__ = [
    "EmptyMeshError",
    "Mesh",
    "bounding_box",
    "tangent_topology",
    "triangle_normals",
    "unit_box",
    "vertex_normals",
    "vertex_tangents",
]

_TINY = 1e-20


class EmptyMeshError(DiffrecError):
    """A surface was wanted and there is none: the field has one sign everywhere."""


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh with separately indexed attributes, as in an OBJ file.

    positions: [V, 3] world units; triangles: [F, 3] int64 into positions.
    texcoords: [T, 2], origin top left; texcoord_triangles: [F, 3] int64 into texcoords.
    normals: [N, 3] unit length; normal_triangles: [F, 3] int64 into normals.
    tangents: [M, 3] unit length, along increasing u; tangent_triangles: [F, 3] int64.
    """

    positions: Tensor
    triangles: Tensor
    texcoords: Tensor | None = None
    texcoord_triangles: Tensor | None = None
    normals: Tensor | None = None
    normal_triangles: Tensor | None = None
    tangents: Tensor | None = None
    tangent_triangles: Tensor | None = None

    def to(self, device: torch.device | str) -> Mesh:
        """The same mesh with every tensor on `device`."""
        moved = {
            field.name: value.to(device)
            for field in fields(self)
            if (value := getattr(self, field.name)) is not None
        }
        return Mesh(**moved)

    def detach(self) -> Mesh:
        """The same mesh cut off from the autograd graph."""
        cut = {
            field.name: value.detach()
            for field in fields(self)
            if (value := getattr(self, field.name)) is not None
        }
        return Mesh(**cut)

    def with_positions(self, positions: Tensor) -> Mesh:
        """The same topology and texture coordinates at other positions [V, 3].

        Normals and tangents belong to the old shape and are dropped.
        """
        return replace(
            self,
            positions=positions,
            normals=None,
            normal_triangles=None,
            tangents=None,
            tangent_triangles=None,
        )

    def with_normals(self) -> Mesh:
        """With smooth, area-weighted normals, one per position (differentiable)."""
        return replace(
            self,
            normals=vertex_normals(self.positions, self.triangles),
            normal_triangles=self.triangles,
        )

    def with_tangents(self, tangent_triangles: Tensor | None = None) -> Mesh:
        """With tangents along increasing u; normals and texcoords must be present.

        tangent_triangles: from `tangent_topology`, when it is kept between calls.
        Raises ValueError without texcoords or normals.
        """
        if self.texcoords is None or self.texcoord_triangles is None:
            raise ValueError("tangents need texture coordinates: the mesh has none")
        if self.normals is None or self.normal_triangles is None:
            raise ValueError("tangents need normals: call with_normals() first")
        if tangent_triangles is None:
            tangent_triangles = tangent_topology(self.normal_triangles, self.texcoord_triangles)
        tangents = vertex_tangents(
            self.positions,
            self.triangles,
            self.normals,
            self.normal_triangles,
            self.texcoords,
            self.texcoord_triangles,
            tangent_triangles,
        )
        return replace(self, tangents=tangents, tangent_triangles=tangent_triangles)


def triangle_normals(positions: Tensor, triangles: Tensor) -> Tensor:
    """Unnormalised facing of each triangle, [F, 3]: its length is twice the area."""
    a = positions.index_select(0, triangles[:, 0])
    b = positions.index_select(0, triangles[:, 1])
    c = positions.index_select(0, triangles[:, 2])
    facing: Tensor = torch.linalg.cross(b - a, c - a)
    return facing


def vertex_normals(positions: Tensor, triangles: Tensor) -> Tensor:
    """Smooth normals [V, 3], unit length: the area-weighted mean of the triangles around.

    positions: [V, 3], triangles: [F, 3]. Differentiable with respect to positions.
    A position without a triangle of positive area gets (0, 0, 1).
    """
    facing = triangle_normals(positions, triangles)
    summed = torch.zeros_like(positions)
    for corner in range(3):
        summed = summed.index_add(0, triangles[:, corner], facing)
    return _unit_or(summed, positions.new_tensor([0.0, 0.0, 1.0]))


def tangent_topology(normal_triangles: Tensor, texcoord_triangles: Tensor) -> Tensor:
    """Which corners share a tangent: [F, 3] int64, one entry per (normal, texcoord) pair.

    Corners that differ in normal or in texture coordinate lie on a crease or on a seam and
    must not be averaged (the grouping idea of MikkTSpace, Mikkelsen 2008).
    """
    stride = int(texcoord_triangles.max()) + 1 if texcoord_triangles.numel() else 1
    pairs = normal_triangles.long() * stride + texcoord_triangles.long()
    _, inverse = torch.unique(pairs, return_inverse=True)
    shared: Tensor = inverse.reshape(texcoord_triangles.shape)
    return shared


def vertex_tangents(
    positions: Tensor,
    triangles: Tensor,
    normals: Tensor,
    normal_triangles: Tensor,
    texcoords: Tensor,
    texcoord_triangles: Tensor,
    tangent_triangles: Tensor,
) -> Tensor:
    """Unit tangents [M, 3] along increasing u, perpendicular to the normals.

    M is tangent_triangles.max() + 1 (see `tangent_topology`). Each triangle adds its dP/du
    direction weighted by its area to its corners; the sum is made perpendicular to the normal.
    The direction of increasing texture height (decreasing v) is cross(normal, tangent) where
    the chart is not mirrored. Where the texture mapping is degenerate, any perpendicular stands
    in. Differentiable with respect to positions and normals.
    """
    corner = [positions.index_select(0, triangles[:, k]) for k in range(3)]
    uv = [texcoords.index_select(0, texcoord_triangles[:, k]) for k in range(3)]
    edge1, edge2 = corner[1] - corner[0], corner[2] - corner[0]
    duv1, duv2 = uv[1] - uv[0], uv[2] - uv[0]
    determinant = duv1[:, 0:1] * duv2[:, 1:2] - duv2[:, 0:1] * duv1[:, 1:2]
    along = (edge1 * duv2[:, 1:2] - edge2 * duv1[:, 1:2]) * torch.sign(determinant)
    area = torch.linalg.cross(edge1, edge2).square().sum(1, keepdim=True).clamp_min(_TINY).sqrt()
    along = functional.normalize(along, dim=1, eps=1e-12) * area

    count = int(tangent_triangles.max()) + 1 if tangent_triangles.numel() else 0
    summed = positions.new_zeros((count, 3))
    normal_of = normal_triangles.new_zeros(count)
    for k in range(3):
        summed = summed.index_add(0, tangent_triangles[:, k], along)
        normal_of[tangent_triangles[:, k]] = normal_triangles[:, k]
    normal = normals.index_select(0, normal_of)
    flat = summed - normal * (normal * summed).sum(1, keepdim=True)
    return _unit_or(flat, _perpendicular(normal.detach()))


def bounding_box(positions: Tensor) -> tuple[Tensor, Tensor]:
    """Lower and upper corner [3], [3] of positions [V, 3]."""
    return positions.amin(0), positions.amax(0)


def unit_box(mesh: Mesh) -> Mesh:
    """The mesh moved and scaled uniformly so that its longest side spans [-1, 1]."""
    lower, upper = bounding_box(mesh.positions)
    scale = 2.0 / (upper - lower).amax().clamp_min(1e-12)
    return replace(mesh, positions=(mesh.positions - (lower + upper) * 0.5) * scale)


def _unit_or(vectors: Tensor, fallback: Tensor) -> Tensor:
    """Rows of vectors [N, 3] at unit length; rows without length become `fallback`.

    Both branches stay finite, so that no NaN enters the gradient.
    """
    squared = vectors.square().sum(1, keepdim=True)
    empty = squared <= _TINY
    length = torch.where(empty, torch.ones_like(squared), squared).sqrt()
    return torch.where(empty, fallback, vectors / length)


def _perpendicular(normal: Tensor) -> Tensor:
    """Some unit vector perpendicular to each row of normal [N, 3]."""
    axis = functional.one_hot(normal.abs().argmin(1), 3).to(normal.dtype)
    return functional.normalize(torch.linalg.cross(normal, axis), dim=1)
