"""Normals and tangents of the vertices of a triangle mesh.

On CUDA each is two kernels, one over triangles and one over vertices, with one for the gradient;
see `diffrec.ops.warp_frames`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from diffrec.ops.backends import choose_backend

__all__ = ["tangent_topology", "triangle_normals", "vertex_normals", "vertex_tangents"]

_TINY = 1e-20
_BACKENDS = ("reference", "warp")


def triangle_normals(positions: Tensor, triangles: Tensor) -> Tensor:
    """Unnormalised facing of each triangle, [F, 3]: its length is twice the area."""
    a = positions.index_select(0, triangles[:, 0])
    b = positions.index_select(0, triangles[:, 1])
    c = positions.index_select(0, triangles[:, 2])
    facing: Tensor = torch.linalg.cross(b - a, c - a)
    return facing


def vertex_normals(positions: Tensor, triangles: Tensor, backend: str | None = None) -> Tensor:
    """Smooth normals [V, 3], unit length: the area-weighted mean of the triangles around.

    positions: [V, 3], triangles: [F, 3]. Differentiable with respect to positions.
    A position without a triangle of positive area gets (0, 0, 1).
    """
    if choose_backend(positions, backend, available=_BACKENDS) == "warp":
        fused: Tensor = _Normals.apply(positions, triangles)  # type: ignore[no-untyped-call]
        return fused
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
    count: int | None = None,
    backend: str | None = None,
) -> Tensor:
    """Unit tangents [M, 3] along increasing u, perpendicular to the normals.

    M is tangent_triangles.max() + 1 (see `tangent_topology`), or `count`, which must be as large:
    on CUDA finding it out waits for all that went before. Each triangle adds its dP/du
    direction weighted by its area to its corners; the sum is made perpendicular to the normal.
    The direction of increasing texture height (decreasing v) is cross(normal, tangent) where
    the chart is not mirrored. Where the texture mapping is degenerate, any perpendicular stands
    in. Differentiable with respect to positions and normals.
    """
    if count is None:
        count = int(tangent_triangles.max()) + 1 if tangent_triangles.numel() else 0
    name = choose_backend(positions, backend, available=_BACKENDS)
    if name == "warp" and not (texcoords.requires_grad and torch.is_grad_enabled()):
        fused: Tensor = _Tangents.apply(  # type: ignore[no-untyped-call]
            positions, triangles, normals, normal_triangles, texcoords, texcoord_triangles,
            tangent_triangles, count,
        )  # fmt: skip
        return fused
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


class _Normals(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, positions: Tensor, triangles: Tensor) -> Tensor:
        normals, summed = _kernels().normals(positions, triangles)
        ctx.save_for_backward(positions, triangles, summed)
        result: Tensor = normals
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return _kernels().normals_backward(*ctx.saved_tensors, grad), None


class _Tangents(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        positions: Tensor,
        triangles: Tensor,
        normals: Tensor,
        normal_triangles: Tensor,
        texcoords: Tensor,
        texcoord_triangles: Tensor,
        tangent_triangles: Tensor,
        count: int,
    ) -> Tensor:
        inputs = (
            positions, triangles, normals, normal_triangles, texcoords, texcoord_triangles,
            tangent_triangles,
        )  # fmt: skip
        tangents, summed, normal_of = _kernels().tangents(*inputs, count)
        ctx.save_for_backward(*inputs, summed, normal_of)
        result: Tensor = tangents
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        for_positions, for_normals = _kernels().tangents_backward(*ctx.saved_tensors, grad)
        return for_positions, None, for_normals, None, None, None, None, None


def _kernels() -> Any:
    from diffrec.ops import warp_frames

    return warp_frames
