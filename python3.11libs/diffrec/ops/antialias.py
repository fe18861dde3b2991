"""Analytic antialiasing of silhouettes, the source of gradients for visible outlines."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from diffrec.ops import nvdiffrast_raster, reference_antialias
from diffrec.ops.backends import choose_backend
from diffrec.ops.nvdiffrast_raster import NvdiffrastRaster
from diffrec.ops.rasterize import Raster


@dataclass(frozen=True)
class EdgeTopology:
    """Which triangles share an edge; depends on the triangle list alone, not on positions.

    `neighbor`: [F, 3] int32. For edge i of a triangle, the one opposite its corner i: 3 * triangle
    + edge of the one other triangle that shares it, or -1 if there is none or more than one.
    """

    neighbor: Tensor


def edge_topology(triangles: Tensor, backend: str | None = None) -> EdgeTopology:
    """Find the neighbours of all triangles [F, 3]. Build it once per mesh and pass it on."""
    name = choose_backend(triangles, backend)
    if name == "reference":
        return EdgeTopology(reference_antialias.neighbors(triangles))
    if name == "numba":
        from diffrec.ops import numba_antialias

        return EdgeTopology(numba_antialias.neighbors(triangles))
    from diffrec.ops import warp_topology

    return EdgeTopology(warp_topology.neighbors(triangles))


def antialias(
    image: Tensor,
    raster: Raster,
    clip: Tensor,
    triangles: Tensor,
    backend: str | None = None,
    *,
    topology: EdgeTopology | None = None,
) -> Tensor:
    """Blend pixels across silhouettes by analytic coverage (Laine et al. 2020).

    `image`: [B, H, W, C], linear colour (or any quantity that may be averaged), rendered with one
    sample per pixel from `raster`; `clip`: [B, V, 4] and `triangles`: [F, 3] as given to
    `rasterize`; `topology`: `edge_topology(triangles)` when it is already known. Returns
    [B, H, W, C]. Gradients flow to `image` and, through the blend factors, to the x, y and w of
    the silhouettes' vertices. See `reference_antialias` for the method.

    Edges inside a connected surface that faces one way do not blend. Where two surfaces
    interpenetrate nothing is blended either.

    Raises:
        ValueError: shapes that do not fit, or an unknown backend.
    """
    if image.shape[:-1] != raster.triangle.shape:
        raise ValueError(
            f"image {list(image.shape)} and raster {list(raster.triangle.shape)} differ in size"
        )
    if isinstance(raster, NvdiffrastRaster):
        return nvdiffrast_raster.antialias(image, raster, clip, triangles)
    topology = topology or edge_topology(triangles)
    name = choose_backend(clip if clip.dtype == torch.float64 else image, backend)
    if name == "reference":
        return reference_antialias.antialias(
            image, raster.triangle, raster.depth, clip, triangles, topology.neighbor
        )
    kernels = import_module(f"diffrec.ops.{name}_antialias")
    silhouettes = kernels.find(
        raster.triangle, raster.depth, clip.detach(), triangles, topology.neighbor
    )
    result: Tensor = _Blend.apply(  # type: ignore[no-untyped-call]
        image, silhouettes, clip, triangles, kernels
    )
    return result


def composite(
    values: Tensor,
    pixels: Tensor,
    background: Tensor | None,
    raster: Raster,
    clip: Tensor,
    triangles: Tensor,
    backend: str | None = None,
    *,
    topology: EdgeTopology | None = None,
) -> Tensor:
    """`antialias` of `values` [P, 3] at all covered pixels [P] over a background: [B, H, W, 4].

    The fourth channel is the coverage. `background`: [B, H, W, 3], or None for black; no gradient
    flows to it. The rest as in `antialias`.
    """
    name = choose_backend(clip if clip.dtype == torch.float64 else values, backend)
    if name == "warp" and not isinstance(raster, NvdiffrastRaster):
        topology = topology or edge_topology(triangles)
        result: Tensor = _Composite.apply(  # type: ignore[no-untyped-call]
            values, pixels, background, raster, clip, triangles, topology
        )
        return result
    frame = values.new_zeros((*raster.triangle.shape, 4))
    if background is not None:
        frame[..., :3] = background
    opaque = torch.cat([values, torch.ones_like(values[:, :1])], dim=1)
    image = frame.reshape(-1, 4).index_copy(0, pixels, opaque).reshape(frame.shape)
    return antialias(image, raster, clip, triangles, backend, topology=topology)


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
    ) -> Tensor:
        from diffrec.ops import warp_antialias as kernels

        image, copy = kernels.compose(values, pixels, raster.triangle, background)
        silhouettes = kernels.find(
            raster.triangle, raster.depth, clip.detach(), triangles, topology.neighbor
        )
        ctx.save_for_backward(image, silhouettes, clip, triangles, pixels)
        return kernels.blend(image, silhouettes, clip, triangles, copy)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        from diffrec.ops import warp_antialias as kernels

        image, silhouettes, clip, triangles, pixels = ctx.saved_tensors
        for_image, for_clip = kernels.blend_backward(image, silhouettes, clip, triangles, grad)
        for_values = kernels.compose_backward(for_image, pixels)
        return for_values, None, None, None, for_clip, None, None


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
