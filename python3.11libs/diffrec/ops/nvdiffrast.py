"""nvdiffrast in place of this package's own rasterising, interpolating, antialiasing and texturing.

Optional: nvdiffrast is installed by those who may use it (its licence allows non-commercial use
alone), is called as its published documentation says, and runs on an NVIDIA GPU. The differences
that are bridged here: nvdiffrast's row 0 is the bottom of the picture and ours the top; it indexes
by int32; it numbers triangles from 1, and 0 is nothing; its barycentrics (u, v) belong to vertices
0 and 1; it works on whole frames and ours on lists of covered pixels. Texture coordinates are
read alike: v = 0 is the first row of the texture in memory.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from diffrec.errors import DiffrecError
from diffrec.ops.raster import Attributes, Raster
from diffrec.optional_package import OptionalPackage

PACKAGE = OptionalPackage(
    "raster_backend",
    "nvdiffrast",
    "nvdiffrast.torch",
    "pip install --no-build-isolation git+https://github.com/NVlabs/nvdiffrast/",
    "it is free for non-commercial use only, and where that is yours",
)
# Its rasteriser on CUDA works in tiles of so many pixels; frames are drawn larger and cut.
TILE = 8
# Rows of a list of points that stands for a picture: its kernels take blocks of pixels.
ROW = 256
# Triangle numbers are float32.
MOST_TRIANGLES = 1 << 24

_contexts: dict[torch.device, Any] = {}
_edges: tuple[weakref.ref[Tensor], Any] | None = None


@dataclass(frozen=True)
class NvdiffrastRaster(Raster):
    """A raster that remembers nvdiffrast's own, rows from the bottom.

    `rast`: [B, H, W, 4], (u, v, z/w, triangle + 1), differentiable with respect to the vertices;
    `rast_db`: [B, H, W, 4], (du/dX, du/dY, dv/dX, dv/dY); `layer`: 0 for what is seen, 1 for what
    is behind it and so on.
    """

    rast: Tensor
    rast_db: Tensor
    layer: int = 0


def rasterize(
    clip: Tensor,
    triangles: Tensor,
    resolution: tuple[int, int],
    *,
    behind: Raster | None = None,
) -> NvdiffrastRaster:
    """As `diffrec.ops.rasterize.rasterize`; gradients to `clip` go through the raster itself.

    `clip`: [B, V, 4]; `triangles`: [F, 3]; `behind`: a raster that this function made.
    Raises DiffrecError for more than 2^24 triangles, ValueError for a raster of another kind.
    """
    if triangles.shape[0] > MOST_TRIANGLES:
        raise DiffrecError(
            f'raster_backend "nvdiffrast" numbers triangles up to {MOST_TRIANGLES:,} and the mesh '
            f'has {triangles.shape[0]:,}: lower dmtet_grid, or set raster_backend to "own"'
        )
    layer = 0
    if behind is not None:
        if not isinstance(behind, NvdiffrastRaster):
            raise ValueError("the raster to look behind must be nvdiffrast's too")
        layer = behind.layer + 1
    height, width = resolution
    drawn = [-(-length // TILE) * TILE for length in (height, width)]
    arguments = (
        _context(clip.device),
        _enlarged(clip.float(), (height, width), (drawn[0], drawn[1])).contiguous(),
        _indices(triangles),
        drawn,
    )
    if layer == 0:
        rast, rast_db = PACKAGE.load().rasterize(*arguments)
    else:
        with PACKAGE.load().DepthPeeler(*arguments) as peeler:
            for _ in range(layer + 1):
                rast, rast_db = peeler.rasterize_next_layer()
    rast, rast_db = (values[:, :height, :width].contiguous() for values in (rast, rast_db))
    from_top = rast.detach().flip(1)
    triangle = from_top[..., 3].to(torch.int32) - 1
    depth = from_top[..., 2].masked_fill(triangle < 0, float("inf"))
    return NvdiffrastRaster(triangle, depth, rast, rast_db, layer)


def attributes_at_pixels(
    attributes: Attributes, raster: NvdiffrastRaster, pixels: Tensor
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """Position, normal, tangent, uv and the footprint [P, 4] of `pixel_footprint`, at pixels [P].

    As `diffrec.ops.surface.attributes_at_pixels`; `clip` is known to the raster.
    """
    a = attributes
    rows = _from_bottom(pixels, raster)

    def gathered(values: Tensor) -> Tensor:
        return values.reshape(-1, values.shape[-1]).index_select(0, rows)

    def at_pixels(values: Tensor, indices: Tensor) -> Tensor:
        frame, _ = PACKAGE.load().interpolate(
            values[None].contiguous(), raster.rast, _indices(indices)
        )
        return gathered(frame)

    tangent = uv = footprint = None
    if a.texcoords is not None and a.texcoord_triangles is not None:
        frame, slopes = PACKAGE.load().interpolate(
            a.texcoords[None].contiguous(),
            raster.rast,
            _indices(a.texcoord_triangles),
            rast_db=raster.rast_db,
            diff_attrs="all",
        )
        uv = gathered(frame)
        # Its Y runs up and ours down.
        footprint = gathered(slopes.detach()) * slopes.new_tensor([1.0, -1.0, 1.0, -1.0])
    if a.tangents is not None and a.tangent_triangles is not None:
        tangent = at_pixels(a.tangents, a.tangent_triangles)
    position = at_pixels(a.positions, a.triangles)
    return position, at_pixels(a.normals, a.normal_triangles), tangent, uv, footprint


def antialias(image: Tensor, raster: NvdiffrastRaster, clip: Tensor, triangles: Tensor) -> Tensor:
    """As `diffrec.ops.antialias.antialias`; the edges of the last mesh are remembered."""
    blended: Tensor = PACKAGE.load().antialias(
        image.flip(1).contiguous(),
        raster.rast.detach(),
        clip.contiguous(),
        _indices(triangles),
        topology_hash=_topology(triangles),
    )
    return blended.flip(1)


def fetch(textures: Sequence[Tensor], uv: Tensor, lod: Tensor | None) -> Tensor:
    """Trilinear fetch [P, sum of C] of textures [H, W, C] of one size at uv [P, 2], wrapping.

    `lod`: [P], level to read; None reads the finest bilinearly. Sides that cannot be halved end
    the mip levels. Gradients to texels and uv.
    """
    texels = torch.cat(list(textures), dim=-1)[None].contiguous()
    count = uv.shape[0]
    if count == 0:
        return texels.new_zeros((0, texels.shape[3]))
    filled = -count % ROW
    grid = functional.pad(uv, (0, 0, 0, filled)).reshape(1, -1, ROW, 2)
    if lod is None:
        frame = PACKAGE.load().texture(texels, grid, filter_mode="linear", boundary_mode="wrap")
    else:
        frame = PACKAGE.load().texture(
            texels,
            grid,
            mip_level_bias=functional.pad(lod.detach(), (0, filled)).reshape(1, -1, ROW),
            filter_mode="linear-mipmap-linear",
            boundary_mode="wrap",
            max_mip_level=halvings(texels.shape[1], texels.shape[2]),
        )
    values: Tensor = frame.reshape(-1, texels.shape[3])[:count]
    return values


def halvings(height: int, width: int) -> int:
    """How often a texture can be halved without a row or column being left over."""
    count = 0
    while max(height, width) > 1 and all(side == 1 or side % 2 == 0 for side in (height, width)):
        height, width = max(height // 2, 1), max(width // 2, 1)
        count += 1
    return count


def _context(device: torch.device) -> Any:
    """One per device: it keeps buffers that grow with the frames."""
    if device not in _contexts:
        _contexts[device] = PACKAGE.load().RasterizeCudaContext(device=device)
    return _contexts[device]


def _indices(triangles: Tensor) -> Tensor:
    return triangles.to(torch.int32).contiguous()


def _topology(triangles: Tensor) -> Any:
    """The table of edges of the last mesh, by the identity of its triangles."""
    global _edges
    if _edges is None or _edges[0]() is not triangles:
        table = PACKAGE.load().antialias_construct_topology_hash(_indices(triangles))
        _edges = weakref.ref(triangles), table
    return _edges[1]


def _enlarged(clip: Tensor, size: tuple[int, int], drawn: tuple[int, int]) -> Tensor:
    """Vertices for a frame with more pixels at its right and top: every other pixel stays."""
    if size == drawn:
        return clip
    down, across = (part / whole for part, whole in zip(size, drawn, strict=True))
    x, y, z, w = clip.unbind(-1)
    return torch.stack([across * x + (across - 1) * w, down * y + (down - 1) * w, z, w], dim=-1)


def _from_bottom(pixels: Tensor, raster: Raster) -> Tensor:
    """Flat indices of the same pixels when rows are counted from the bottom."""
    height, width = raster.triangle.shape[1:]
    row = pixels.div(width, rounding_mode="floor").remainder(height)
    return pixels + (height - 1 - 2 * row) * width
