"""Normal maps between frames, in plain PyTorch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from diffrec.ops.interpolate import interpolate

PART = 1 << 19
"""Texels that are worked on at once: what is made of them in between stays small."""


def to_world(
    values: Tensor,
    at: Tensor,
    nearest: Tensor,
    faces: Tensor,
    bary: Tensor,
    normals: Tensor,
    normal_triangles: Tensor,
    tangents: Tensor,
    tangent_triangles: Tensor,
) -> Tensor:
    """The definition, in plain PyTorch."""
    found = values.clone()
    for read, triangle, place in _parts(at, nearest, faces, bary):
        smooth = interpolate(normals, normal_triangles, triangle, place)
        trained = interpolate(tangents, tangent_triangles, triangle, place)
        up = functional.normalize(smooth, dim=1)
        along = functional.normalize(trained - up * (trained * up).sum(1, keepdim=True), dim=1)
        across = torch.linalg.cross(up, along)
        x, y, z = torch.split(found.index_select(0, read), 1, dim=1)
        # Sums, not a product of matrices: of millions of small ones that takes far longer.
        found.index_copy_(0, read, x * along + y * across + z * up)
    return found


def to_mikktspace(
    world: Tensor,
    at: Tensor,
    nearest: Tensor,
    faces: Tensor,
    bary: Tensor,
    normals: Tensor,
    normal_triangles: Tensor,
    corners: Tensor,
) -> Tensor:
    """The definition, in plain PyTorch."""
    own = torch.arange(len(corners), device=world.device).reshape(-1, 3)
    turned = world.clone()
    for read, triangle, place in _parts(at, nearest, faces, bary):
        smooth = interpolate(normals, normal_triangles, triangle, place)
        tangent = interpolate(corners, own, triangle, place)
        across = tangent[:, :3]
        bitangent = torch.sign(tangent[:, 3:]) * torch.linalg.cross(smooth, across)
        here = _coordinates(turned.index_select(0, read), across, bitangent, smooth)
        turned.index_copy_(0, read, here)
    return functional.normalize(turned, dim=1)


def _parts(
    at: Tensor, nearest: Tensor, faces: Tensor, bary: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Part by part the texels, their triangles [P] and their places there [P, 3]."""
    for read, under in zip(torch.split(at, PART), torch.split(nearest, PART), strict=True):
        # Far faster than indices in brackets.
        yield read, faces.index_select(0, under), bary.index_select(0, under)


def _coordinates(vector: Tensor, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """A positive multiple of the coordinates of vectors [P, 3] along axes [P, 3] of any angles."""
    sides = (torch.linalg.cross(y, z), torch.linalg.cross(z, x), torch.linalg.cross(x, y))
    turned = torch.sign((x * sides[0]).sum(1, keepdim=True))
    along = [(vector * (turned * side)).sum(1, keepdim=True) for side in sides]
    return torch.cat(along, dim=1)
