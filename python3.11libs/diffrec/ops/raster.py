"""What operations on pixels hand to each other: rasters, and attributes of a mesh."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

#: Of a float32 edge function, relative to its size; see `rasterize.reference.edge_planes`.
DOUBT = 2.0**-17
#: Beyond which float32 might overflow.
LARGE = 1e30


@dataclass(frozen=True)
class Raster:
    """The nearest surface per pixel.

    `triangle`: [B, H, W] int32, row of the triangle list, -1 where nothing is seen;
    `depth`: [B, H, W], z / w in [-1, 1], +inf where nothing is seen; carries no gradient.
    """

    triangle: Tensor
    depth: Tensor


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
