"""Shaded pixels put into a picture, antialiased against the background."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from diffrec.ops.backends import Operation
from diffrec.ops.composite import reference
from diffrec.ops.nvdiffrast import NvdiffrastRaster
from diffrec.ops.raster import Raster
from diffrec.ops.topology import EdgeTopology, edge_topology

_operation = Operation(__name__)


def composite(
    values: Tensor,
    pixels: Tensor,
    background: Tensor | None,
    raster: Raster,
    clip: Tensor,
    triangles: Tensor,
    *,
    topology: EdgeTopology | None = None,
) -> Tensor:
    """`antialias` of `values` [P, 3] at all covered pixels [P] over a background: [B, H, W, 4].

    The fourth channel is the coverage. `background`: [B, H, W, 3], or None for black; no gradient
    flows to it. The rest as in `antialias`.
    """
    kernels = _operation.kernels(clip if clip.dtype == torch.float64 else values)
    if kernels is not None and not isinstance(raster, NvdiffrastRaster):
        topology = topology or edge_topology(triangles)
        result: Tensor = _Composite.apply(  # type: ignore[no-untyped-call]
            values, pixels, background, raster, clip, triangles, topology, kernels
        )
        return result
    return reference.composite(values, pixels, background, raster, clip, triangles, topology)


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        pixels: Tensor,
        background: Tensor | None,
        raster: Raster,
        clip: Tensor,
        triangles: Tensor,
        topology: EdgeTopology,
        kernels: Any,
    ) -> Tensor:
        image, copy = kernels.compose(values, pixels, raster.triangle, background)
        silhouettes = kernels.find(
            raster.triangle, raster.depth, clip.detach(), triangles, topology.neighbor
        )
        ctx.save_for_backward(image, silhouettes, clip, triangles, pixels)
        ctx.kernels = kernels
        result: Tensor = kernels.blend(image, silhouettes, clip, triangles, copy)
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        image, silhouettes, clip, triangles, pixels = ctx.saved_tensors
        for_image, for_clip = ctx.kernels.blend_backward(image, silhouettes, clip, triangles, grad)
        for_values = ctx.kernels.compose_backward(for_image, pixels)
        return for_values, None, None, None, for_clip, None, None, None
