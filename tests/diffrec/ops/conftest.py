"""A stand-in for nvdiffrast: its documented interface, over this package's own operations."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from diffrec.ops.antialias import antialias as own_antialias
from diffrec.ops.backends import use_backend
from diffrec.ops.interpolate import barycentrics, pixel_footprint
from diffrec.ops.raster import Raster
from diffrec.ops.rasterize import covered_pixels
from diffrec.ops.rasterize import rasterize as own_rasterize
from diffrec.ops.texture import build_mips, texture2d
from diffrec.ops.topology import edge_topology

# OpenGL's picture has its row 0 at the bottom: ours of a scene that stands on its head.
ON_ITS_HEAD = torch.tensor([1.0, -1.0, 1.0, 1.0])


class Context:
    """`RasterizeCudaContext`."""

    def __init__(self, device: Any = None) -> None:
        self.device = device


class Peeler:
    """`DepthPeeler`."""

    def __init__(self, context: Context, pos: Tensor, tri: Tensor, resolution: list[int]) -> None:
        self._arguments = (context, pos, tri, resolution)
        self._last: Raster | None = None

    def __enter__(self) -> Peeler:
        return self

    def __exit__(self, *_: object) -> None:
        self._last = None

    def rasterize_next_layer(self) -> tuple[Tensor, Tensor]:
        found, self._last = _layer(*self._arguments, self._last)
        return found


def rasterize(
    glctx: Context,
    pos: Tensor,
    tri: Tensor,
    resolution: list[int],
    ranges: None = None,
    grad_db: bool = True,
) -> tuple[Tensor, Tensor]:
    """(u, v, z/w, triangle + 1) and the screen derivatives of u and v, row 0 at the bottom."""
    return _layer(glctx, pos, tri, resolution, None)[0]


def _layer(
    context: Context, pos: Tensor, tri: Tensor, resolution: list[int], behind: Raster | None
) -> tuple[tuple[Tensor, Tensor], Raster]:
    assert isinstance(context, Context)
    assert pos.dtype == torch.float32 and pos.is_contiguous() and pos.ndim == 3
    assert tri.dtype == torch.int32 and tri.is_contiguous()
    height, width = resolution
    assert height % 8 == 0 and width % 8 == 0
    clip = pos * ON_ITS_HEAD
    raster = own_rasterize(clip.detach(), tri, (height, width), behind=behind)
    pixels = covered_pixels(raster)
    bary = use_backend("reference")(barycentrics)(clip, tri, raster, pixels)
    corners = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    each = torch.tensor([[0, 1, 2]]).expand(len(tri), 3)
    slopes = use_backend("reference")(pixel_footprint)(clip, tri, raster, pixels, corners, each)
    seen = [raster.depth, raster.triangle.float() + 1]
    values = torch.cat([bary[:, :2], torch.stack([s.view(-1)[pixels] for s in seen], 1)], dim=1)
    empty = pos.new_zeros((raster.triangle.numel(), 4))
    shape = (pos.shape[0], height, width, 4)
    rast = empty.index_copy(0, pixels, values).reshape(shape)
    return (rast, empty.index_copy(0, pixels, slopes).reshape(shape)), raster


def interpolate(
    attr: Tensor,
    rast: Tensor,
    tri: Tensor,
    rast_db: Tensor | None = None,
    diff_attrs: str | None = None,
) -> tuple[Tensor, Tensor]:
    """Attributes, and (dA/dX, dA/dY) of each when asked for."""
    assert attr.ndim == 3 and attr.is_contiguous() and rast.is_contiguous()
    assert tri.dtype == torch.int32 and tri.is_contiguous()
    index = rast[..., 3].long() - 1
    seen = (index >= 0)[..., None]
    views = torch.arange(rast.shape[0])[:, None, None, None]
    corners = attr.expand(rast.shape[0], -1, -1)[views, tri.long()[index.clamp_min(0)]]
    first, second, third = corners.unbind(3)
    u, v = rast[..., 0:1], rast[..., 1:2]
    values = (u * first + v * second + (1 - u - v) * third) * seen
    if diff_attrs is None:
        return values, values.new_zeros((*values.shape[:3], 0))
    assert diff_attrs == "all" and rast_db is not None
    slopes = [
        (first - third) * rast_db[..., axis, None] + (second - third) * rast_db[..., axis + 2, None]
        for axis in (0, 1)
    ]
    return values, (torch.stack(slopes, dim=-1) * seen[..., None]).flatten(3)


def texture(
    tex: Tensor,
    uv: Tensor,
    uv_da: Tensor | None = None,
    mip_level_bias: Tensor | None = None,
    mip: None = None,
    filter_mode: str = "auto",
    boundary_mode: str = "wrap",
    max_mip_level: int | None = None,
) -> Tensor:
    """Trilinear with mip levels, or bilinear; v = 0 is the first row in memory."""
    assert tex.ndim == 4 and tex.shape[0] == 1 and tex.is_contiguous()
    assert boundary_mode == "wrap" and filter_mode in ("linear", "linear-mipmap-linear")
    flat = uv.reshape(-1, 2)
    shape = (*uv.shape[:3], tex.shape[3])
    if filter_mode == "linear":
        return use_backend("reference")(texture2d)([tex[0]], flat, None).reshape(shape)
    limit = None if max_mip_level is None else max_mip_level + 1
    if max_mip_level is None:
        assert all(math.log2(side).is_integer() for side in tex.shape[1:3])
    level = flat.new_zeros(len(flat))
    if uv_da is not None:
        slopes = uv_da.reshape(-1, 2, 2) * max(tex.shape[1:3])
        level = slopes.square().sum(1).amax(1).clamp_min(1e-20).log2() * 0.5
    if mip_level_bias is not None:
        level = level + mip_level_bias.reshape(-1)
    mips = build_mips(tex[0], levels=limit)
    return use_backend("reference")(texture2d)(mips, flat, level.detach()).reshape(shape)


def antialias(
    color: Tensor,
    rast: Tensor,
    pos: Tensor,
    tri: Tensor,
    topology_hash: Any = None,
    pos_gradient_boost: float = 1.0,
) -> Tensor:
    """Blended along silhouettes."""
    assert color.is_contiguous() and rast.is_contiguous() and pos.is_contiguous()
    assert tri.dtype == torch.int32 and pos_gradient_boost == 1.0
    triangle = rast[..., 3].to(torch.int32) - 1
    depth = rast[..., 2].masked_fill(triangle < 0, float("inf")).detach()
    raster = Raster(triangle, depth)
    topology = topology_hash or antialias_construct_topology_hash(tri)
    return use_backend("reference")(own_antialias)(
        color, raster, pos * ON_ITS_HEAD, tri, topology=topology
    )


def antialias_construct_topology_hash(tri: Tensor) -> Any:
    """What `antialias` wants to know of the triangles alone."""
    assert tri.dtype == torch.int32 and tri.is_contiguous()
    return edge_topology(tri)


@pytest.fixture
def nvdiffrast_stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """`import nvdiffrast.torch` finds the stand-in."""
    module = ModuleType("nvdiffrast.torch")
    offered = (
        rasterize, interpolate, texture, antialias, antialias_construct_topology_hash,
    )  # fmt: skip
    for function in offered:
        setattr(module, function.__name__, function)
    module.RasterizeCudaContext = Context  # type: ignore[attr-defined]
    module.DepthPeeler = Peeler  # type: ignore[attr-defined]
    package = ModuleType("nvdiffrast")
    package.torch = module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nvdiffrast", package)
    monkeypatch.setitem(sys.modules, "nvdiffrast.torch", module)
    from diffrec.ops import nvdiffrast

    monkeypatch.setattr(nvdiffrast, "_contexts", {})
    monkeypatch.setattr(nvdiffrast, "_edges", None)
    yield module
