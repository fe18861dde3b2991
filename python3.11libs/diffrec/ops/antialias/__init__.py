"""Analytic antialiasing of silhouettes, the source of gradients for visible outlines."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from diffrec.ops import nvdiffrast
from diffrec.ops.antialias import reference
from diffrec.ops.backends import Operation
from diffrec.ops.nvdiffrast import NvdiffrastRaster
from diffrec.ops.raster import Raster
from diffrec.ops.topology import EdgeTopology, edge_topology

_operation = Operation(__name__)


def antialias(
    image: Tensor,
    raster: Raster,
    clip: Tensor,
    triangles: Tensor,
    *,
    topology: EdgeTopology | None = None,
) -> Tensor:
    """Blend pixels across silhouettes by analytic coverage (Laine et al. 2020).

    `image`: [B, H, W, C], linear colour (or any quantity that may be averaged), rendered with one
    sample per pixel from `raster`; `clip`: [B, V, 4] and `triangles`: [F, 3] as given to
    `rasterize`; `topology`: `edge_topology(triangles)` when it is already known. Returns
    [B, H, W, C]. Gradients flow to `image` and, through the blend factors, to the x, y and w of
    the silhouettes' vertices. See `reference` for the method.

    Edges inside a connected surface that faces one way do not blend. Where two surfaces
    interpenetrate nothing is blended either.

    Raises:
        ValueError: shapes that do not fit.
    """
    if image.shape[:-1] != raster.triangle.shape:
        raise ValueError(
            f"image {list(image.shape)} and raster {list(raster.triangle.shape)} differ in size"
        )
    if isinstance(raster, NvdiffrastRaster):
        return nvdiffrast.antialias(image, raster, clip, triangles)
    topology = topology or edge_topology(triangles)
    kernels = _operation.kernels(clip if clip.dtype == torch.float64 else image)
    if kernels is None:
        return reference.antialias(
            image, raster.triangle, raster.depth, clip, triangles, topology.neighbor
        )
    silhouettes = kernels.find(
        raster.triangle, raster.depth, clip.detach(), triangles, topology.neighbor
    )
    result: Tensor = _Blend.apply(  # type: ignore[no-untyped-call]
        image, silhouettes, clip, triangles, kernels
    )
    return result


class _Blend(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, image: Tensor, silhouettes: Tensor, clip: Tensor, triangles: Tensor, kernels: Any
    ) -> Tensor:
        ctx.save_for_backward(image, silhouettes, clip, triangles)
        ctx.kernels = kernels
        result: Tensor = kernels.blend(image, silhouettes, clip, triangles)
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        for_image, for_clip = ctx.kernels.blend_backward(*ctx.saved_tensors, grad)
        return for_image, None, for_clip, None, None
