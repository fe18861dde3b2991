"""Indexed triangle meshes and the per-vertex frames that shading needs.

World frame: right-handed, y up. A triangle (a, b, c) faces the side from which its corners
run counter-clockwise, that is along cross(b - a, c - a). Texture coordinates have their origin
at the top left (v runs down, the row order of images); only OBJ files hold 1 - v.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from diffrec.errors import DiffrecError
from diffrec.ops.frames import tangent_topology, triangle_normals, vertex_normals, vertex_tangents

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


class EmptyMeshError(DiffrecError):
    """A surface was wanted and there is none: the field has one sign everywhere."""

    id = "empty-mesh"


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

    def with_tangents(
        self, tangent_triangles: Tensor | None = None, count: int | None = None
    ) -> Mesh:
        """With tangents along increasing u; normals and texcoords must be present.

        tangent_triangles: from `tangent_topology`, and count: its largest entry plus one, when
        they are kept between calls.
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
            count,
        )
        return replace(self, tangents=tangents, tangent_triangles=tangent_triangles)


def bounding_box(positions: Tensor) -> tuple[Tensor, Tensor]:
    """Lower and upper corner [3], [3] of positions [V, 3]."""
    return positions.amin(0), positions.amax(0)


def unit_box(mesh: Mesh) -> Mesh:
    """The mesh moved and scaled uniformly so that its longest side spans [-1, 1]."""
    lower, upper = bounding_box(mesh.positions)
    scale = 2.0 / (upper - lower).amax().clamp_min(1e-12)
    return replace(mesh, positions=(mesh.positions - (lower + upper) * 0.5) * scale)
