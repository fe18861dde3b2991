"""Normals and tangents in plain PyTorch, any device and dtype."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_TINY = 1e-20


def triangle_normals(positions: Tensor, triangles: Tensor) -> Tensor:
    """Unnormalised facing of each triangle, [F, 3]: its length is twice the area."""
    a = positions.index_select(0, triangles[:, 0])
    b = positions.index_select(0, triangles[:, 1])
    c = positions.index_select(0, triangles[:, 2])
    facing: Tensor = torch.linalg.cross(b - a, c - a)
    return facing


def vertex_normals(positions: Tensor, triangles: Tensor) -> Tensor:
    """[V, 3]; differentiable by autograd."""
    facing = triangle_normals(positions, triangles)
    summed = torch.zeros_like(positions)
    for corner in range(3):
        summed = summed.index_add(0, triangles[:, corner], facing)
    return _unit_or(summed, positions.new_tensor([0.0, 0.0, 1.0]))


def vertex_tangents(
    positions: Tensor,
    triangles: Tensor,
    normals: Tensor,
    normal_triangles: Tensor,
    texcoords: Tensor,
    texcoord_triangles: Tensor,
    tangent_triangles: Tensor,
    count: int,
) -> Tensor:
    """[count, 3]; differentiable by autograd."""
    corner = [positions.index_select(0, triangles[:, k]) for k in range(3)]
    uv = [texcoords.index_select(0, texcoord_triangles[:, k]) for k in range(3)]
    edge1, edge2 = corner[1] - corner[0], corner[2] - corner[0]
    duv1, duv2 = uv[1] - uv[0], uv[2] - uv[0]
    determinant = duv1[:, 0:1] * duv2[:, 1:2] - duv2[:, 0:1] * duv1[:, 1:2]
    along = (edge1 * duv2[:, 1:2] - edge2 * duv1[:, 1:2]) * torch.sign(determinant)
    area = torch.linalg.cross(edge1, edge2).square().sum(1, keepdim=True).clamp_min(_TINY).sqrt()
    along = functional.normalize(along, dim=1, eps=1e-12) * area

    summed = positions.new_zeros((count, 3))
    normal_of = normal_triangles.new_zeros(count)
    for k in range(3):
        summed = summed.index_add(0, tangent_triangles[:, k], along)
        normal_of[tangent_triangles[:, k]] = normal_triangles[:, k]
    normal = normals.index_select(0, normal_of)
    flat = summed - normal * (normal * summed).sum(1, keepdim=True)
    return _unit_or(flat, _perpendicular(normal.detach()))


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
