"""Normals and tangents of the vertices of a triangle mesh.

By kernels each is two, one over triangles and one over vertices, with one for the gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from diffrec.ops.backends import Operation
from diffrec.ops.frames import reference
from diffrec.ops.frames.reference import triangle_normals

__all__ = ["tangent_topology", "triangle_normals", "vertex_normals", "vertex_tangents"]

_operation = Operation(__name__)


def vertex_normals(positions: Tensor, triangles: Tensor) -> Tensor:
    """Smooth normals [V, 3], unit length: the area-weighted mean of the triangles around.

    positions: [V, 3], triangles: [F, 3]. Differentiable with respect to positions.
    A position without a triangle of positive area gets (0, 0, 1).
    """
    kernels = _operation.kernels(positions)
    if kernels is None:
        return reference.vertex_normals(positions, triangles)
    fused: Tensor = _Normals.apply(positions, triangles, kernels)  # type: ignore[no-untyped-call]
    return fused


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
    mesh = (
        positions, triangles, normals, normal_triangles, texcoords, texcoord_triangles,
        tangent_triangles,
    )  # fmt: skip
    kernels = _operation.kernels(positions)
    if kernels is None or (texcoords.requires_grad and torch.is_grad_enabled()):
        return reference.vertex_tangents(*mesh, count)
    fused: Tensor = _Tangents.apply(*mesh, count, kernels)  # type: ignore[no-untyped-call]
    return fused


class _Normals(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, positions: Tensor, triangles: Tensor, kernels: Any) -> Tensor:
        ctx.kernels = kernels
        normals, summed = kernels.normals(positions, triangles)
        ctx.save_for_backward(positions, triangles, summed)
        result: Tensor = normals
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return ctx.kernels.normals_backward(*ctx.saved_tensors, grad), None, None


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
        kernels: Any,
    ) -> Tensor:
        ctx.kernels = kernels
        inputs = (
            positions, triangles, normals, normal_triangles, texcoords, texcoord_triangles,
            tangent_triangles,
        )  # fmt: skip
        tangents, summed, normal_of = kernels.tangents(*inputs, count)
        ctx.save_for_backward(*inputs, summed, normal_of)
        result: Tensor = tangents
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        for_positions, for_normals = ctx.kernels.tangents_backward(*ctx.saved_tensors, grad)
        return for_positions, None, for_normals, None, None, None, None, None, None
