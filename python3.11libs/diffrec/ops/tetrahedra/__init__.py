"""Marching tetrahedra: a surface out of signed distances on a tetrahedral grid.

A POSITIVE value lies outside; zero counts as outside. By kernels the surface is flagged, counted
and written in a handful of steps that wait for CUDA once, for the counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from diffrec.ops.backends import Operation
from diffrec.ops.fixedlengths import FixedLengths
from diffrec.ops.tetrahedra import reference
from diffrec.ops.tetrahedra.grid import TetGrid

_operation = Operation(__name__)


@dataclass(frozen=True)
class Surface:
    """The zero level: positions [C, 3], one per crossing edge, and triangles [F, 3].

    `crossing`: [C] ids of the grid's edges that change sign; `ends`: where lists of a fixed length
    end, see `warp.Cuts`; None from the reference.
    """

    positions: Tensor
    triangles: Tensor
    crossing: Tensor
    ends: Tensor | None


def extract(
    grid: TetGrid,
    points: Tensor,
    sdf: Tensor,
    offset: Tensor | None = None,
    reach: float = 0.0,
    *,
    crossing: Tensor | None = None,
    lengths: FixedLengths | None = None,
) -> Surface:
    """The surface of `sdf` [V], positive outside, at the linear zero crossings.

    The grid's vertices stand at `points` + tanh(`offset`) * `reach`, [V, 3], world units;
    `crossing`: `reference.crossing_edges` if already known; `lengths` (kernels only): lists of a
    fixed length, see `diffrec.ops.fixedlengths`. Differentiable with respect to `sdf`, and to
    `offset`, or to `points` where there is none.
    """
    kernels = _operation.kernels(sdf)
    if kernels is None:
        if crossing is None:
            crossing = reference.crossing_edges(grid, sdf)
        vertices = points if offset is None else points + torch.tanh(offset) * reach
        positions, triangles = reference.surface(grid, vertices, sdf, crossing)
        return Surface(positions, triangles, crossing, None)
    cuts = kernels.find_cuts(grid.tets, grid.edges, sdf)
    positions, triangles, cut = _Extract.apply(  # type: ignore[no-untyped-call]
        points, offset, sdf, reach, grid, cuts, lengths, kernels
    )
    return Surface(positions, triangles, cut, cuts.ends)


def sdf_regulariser(
    grid: TetGrid,
    sdf: Tensor,
    *,
    crossing: Tensor | None = None,
    ends: Tensor | None = None,
) -> Tensor:
    """Binary cross entropy over sign-changing edges, both ways, a scalar.

    Each end's value, read as the logit of being outside, is pulled towards the sign of the other
    end, which removes inner surfaces and floaters that no picture sees (nvdiffrec, CVPR 2022,
    equation 2). Zero when no edge changes sign. ends: where `crossing` has rows that are not
    needed, see `Surface`.
    """
    if crossing is None:
        crossing = reference.crossing_edges(grid, sdf)
    if crossing.numel() == 0:
        return sdf.sum() * 0.0
    kernels = _operation.kernels(sdf)
    if kernels is not None:
        value: Tensor = _Entropy.apply(  # type: ignore[no-untyped-call]
            sdf, grid.edges, crossing, ends, kernels
        )
        return value
    return reference.sign_change_entropy(sdf[grid.edges.index_select(0, crossing)])


def roughness(grid: TetGrid, sdf: Tensor, degrees: Tensor, crossing: Tensor) -> Tensor:
    """How uneven a field is about its surface, a scalar, differentiable.

    The mean over the vertices at either end of `crossing` edges [C] of the squared uniform
    Laplacian of `sdf` [V] (the umbrella operator, Taubin 1995), in units of the mean step along
    those edges, which has no gradient: a plane has 0 whatever the field's scale, noise about 1.
    `degrees`: [V], edges at each vertex. Zero when no edge changes sign.
    """
    first, second = grid.edges.unbind(1)
    if sdf.is_cuda:
        # All edges: how many there are of interest would have to be waited for.
        step = sdf[second] - sdf[first]
        cut = ((sdf[first] < 0) != (sdf[second] < 0)).to(sdf.dtype)
        touched = torch.zeros_like(sdf).index_add(0, first, cut).index_add(0, second, cut)
        near = (touched > 0).to(sdf.dtype)
        mean = (step.detach().abs() * cut).sum() / cut.sum().clamp_min(1)
    else:
        ends = grid.edges.index_select(0, crossing)
        near = torch.zeros_like(sdf, requires_grad=False).index_fill_(0, ends.reshape(-1), 1.0)
        beside = torch.nonzero((near[first] + near[second]) > 0).reshape(-1)
        first, second = first[beside], second[beside]
        step = sdf[second] - sdf[first]
        mean = (sdf[ends[:, 1]] - sdf[ends[:, 0]]).detach().abs().sum() / max(1, len(ends))
    summed = torch.zeros_like(sdf).index_add(0, first, step).index_add(0, second, -step)
    uneven = summed / degrees / mean.clamp_min(torch.finfo(sdf.dtype).tiny)
    return (uneven.square() * near).sum() / near.sum().clamp_min(1)


class _Extract(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        points: Tensor,
        offset: Tensor | None,
        sdf: Tensor,
        reach: float,
        grid: TetGrid,
        cuts: Any,
        lengths: FixedLengths | None,
        kernels: Any,
    ) -> tuple[Tensor, Tensor, Tensor]:
        single, double, _ = reference.tables(str(sdf.device))
        positions, triangles, crossing = kernels.extract(
            (grid.tets, grid.edges, grid.tet_edges),
            (single, double),
            points,
            offset,
            reach,
            sdf,
            cuts,
            lengths,
        )
        ctx.mark_non_differentiable(triangles, crossing)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(grid.edges, crossing, points, offset, sdf)
        ctx.reach, ctx.kernels = reach, kernels
        return positions, triangles, crossing

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor | None, *_: Any) -> tuple[Tensor | None, ...]:
        if grad is None:
            return (None,) * 8
        edges, crossing, points, offset, sdf = ctx.saved_tensors
        for_vertices, for_sdf = ctx.kernels.extract_backward(
            edges, crossing, points, offset, ctx.reach, sdf, grad
        )
        if offset is None:
            return for_vertices, None, for_sdf, None, None, None, None, None
        return None, for_vertices, for_sdf, None, None, None, None, None


class _Entropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, sdf: Tensor, edges: Tensor, crossing: Tensor, ends: Tensor | None, kernels: Any
    ) -> Tensor:
        value, gradient = kernels.entropy(edges, crossing, sdf, ends)
        ctx.save_for_backward(gradient)
        result: Tensor = value
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad, None, None, None, None
