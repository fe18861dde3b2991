"""Differentiable rendering of a mesh with a PBR material under an environment light.

Everything after rasterisation works on flat lists of the P covered pixels, so the cost follows
coverage and not resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.profiler import record_function

from diffrec.geometry.mesh import Mesh
from diffrec.materials import Material, MaterialSample, Surface
from diffrec.materials.several import SeveralMaterials
from diffrec.ops import nvdiffrast
from diffrec.ops.antialias import antialias
from diffrec.ops.composite import composite
from diffrec.ops.fixedlengths import FixedLengths
from diffrec.ops.raster import Attributes, Raster
from diffrec.ops.rasterize import covered_pixels, rasterize
from diffrec.ops.surface import attributes_at_pixels
from diffrec.ops.topology import EdgeTopology, edge_topology
from diffrec.shading.models import Lighting
from diffrec.shading.points import VisiblePoints

CHANNELS = ("kd", "ks", "normal")


@dataclass(frozen=True)
class RenderOptions:
    """How a frame is made: see the configuration fields of the same names.

    `spp` is the edge of the square of samples in a pixel's place: spp 2 renders at twice the
    width and height and averages.
    """

    spp: int = 1
    layers: int = 1
    camera_space_light: bool = False
    raster_backend: str = "own"


@dataclass(frozen=True)
class ShadedLayer:
    """The shaded pixels of one depth layer, for the regularisers. P pixels."""

    pixels: Tensor  # [P] int64, flat index into B * H * W
    surface: Surface
    sample: MaterialSample
    kd_beside: Tensor | None = None  # [P, 3], albedo at the points beside, where there are any


@dataclass(frozen=True)
class Rendered:
    """A batch of rendered views.

    `image`: [B, H, W, 4], linear RGB composited over the background, and coverage in [0, 1].
    `channels`: name -> [B, H, W, 4], material channels over black and their coverage; `kd` linear,
    `ks` as stored, `normal` the world-space shading normal in [-1, 1].
    `layers`: nearest first.
    """

    image: Tensor
    channels: dict[str, Tensor] = field(default_factory=dict)
    layers: list[ShadedLayer] = field(default_factory=list)


def project(positions: Tensor, clip_from_world: Tensor) -> Tensor:
    """World positions [V, 3] to clip space [B, V, 4] by matrices [B, 4, 4]."""
    rotation, translation = clip_from_world[:, :, :3], clip_from_world[:, :, 3]
    return positions[None] @ rotation.transpose(1, 2) + translation[:, None]


def render(
    mesh: Mesh,
    material: Material,
    light: Lighting,
    clip_from_world: Tensor,
    camera_from_world: Tensor,
    camera_position: Tensor,
    resolution: tuple[int, int],
    *,
    background: Tensor | None = None,
    options: RenderOptions | None = None,
    channels: Sequence[str] = (),
    topology: EdgeTopology | None = None,
    beside: Callable[[Surface], Surface] | None = None,
    lengths: FixedLengths | None = None,
    gains: Tensor | None = None,
) -> Rendered:
    """Render B views of a mesh; without normals it gets smooth ones, a normal map needs tangents.

    `clip_from_world`, `camera_from_world`: [B, 4, 4]; `camera_position`: [B, 3], world;
    `background`: [B, H, W, 3] linear RGB or None for black; `channels`: which of `CHANNELS` to
    return beside the image; `topology`: `edge_topology(mesh.triangles)` when it is already known.
    `beside`: the points near those of a surface where the albedo is wanted as well; `lengths`
    (CUDA, one layer): a list of pixels of fixed length, see `diffrec.ops.fixedlengths`. `gains`:
    [B, 3], factors of the colours of each view's surfaces, not of the background.
    Gradients flow to positions, material, light, matrices and gains, at silhouettes too (Laine et
    al. 2020).
    """
    options = options or RenderOptions()
    batch = clip_from_world.shape[0]
    height, width = resolution[0] * options.spp, resolution[1] * options.spp
    if mesh.normals is None:
        with record_function("geometry"):
            mesh = mesh.with_normals()
    triangles = mesh.triangles
    own = options.raster_backend == "own"
    draw = rasterize if own else nvdiffrast.rasterize
    with record_function("rasterize"):
        clip = project(mesh.positions, clip_from_world)
        rasters: list[Raster] = []
        for _ in range(options.layers):
            behind = rasters[-1] if rasters else None
            rasters.append(draw(clip, triangles, (height, width), behind=behind))
    with record_function("edge topology"):
        if topology is None and own:
            topology = edge_topology(triangles)

    layers: list[ShadedLayer] = []
    values: list[dict[str, Tensor]] = []
    for raster in rasters:
        pixels = covered_pixels(raster, lengths)
        with record_function("interpolate"):
            geometry = _surface(mesh, clip, raster, pixels, isinstance(material, SeveralMaterials))
        with record_function("material"):
            kd_beside = None
            if beside is None:
                sample = material.sample(geometry.surface)
            else:
                other = beside(geometry.surface)
                sample, kd_beside = material.sample_and_albedo(geometry.surface, other)
        with record_function("shade"):
            color, normal = light.shade(
                geometry.points(pixels, height * width),
                sample,
                camera_position,
                camera_from_world if options.camera_space_light else None,
                wants_normal="normal" in channels,
            )
            if gains is not None:
                color = color * _of_each_pixel(gains, pixels, height * width)
            found = {"color": color, "kd": sample.kd, "ks": sample.ks}
            values.append(found if normal is None else {**found, "normal": normal})
        layers.append(ShadedLayer(pixels, geometry.surface, sample, kd_beside))

    if background is not None and options.spp > 1:
        background = background.repeat_interleave(options.spp, 1)
        background = background.repeat_interleave(options.spp, 2)

    def resolved(name: str, backdrop: Tensor | None) -> Tensor:
        frame = composite(
            values[-1][name],
            layers[-1].pixels,
            backdrop,
            rasters[-1],
            clip,
            triangles,
            topology=topology,
        )
        for raster, layer, value in reversed(
            list(zip(rasters[:-1], layers[:-1], values[:-1], strict=True))
        ):
            opaque = torch.cat([value[name], torch.ones_like(value[name][:, :1])], dim=1)
            flat = frame.reshape(-1, 4).index_copy(0, layer.pixels, opaque)
            frame = antialias(
                flat.reshape(batch, height, width, 4), raster, clip, triangles, topology=topology
            )
        if options.spp == 1:
            return frame
        shape = (batch, resolution[0], options.spp, resolution[1], options.spp, 4)
        return frame.reshape(shape).mean(dim=(2, 4))

    with record_function("antialias"):
        image = resolved("color", background)
        extra = {name: resolved(name, None) for name in channels}
    return Rendered(image, extra, layers)


def _of_each_pixel(values: Tensor, pixels: Tensor, per_view: int) -> Tensor:
    """Values [B, C] of the views that flat pixels [P] belong to, [P, C].

    By a product, whose gradient is one as well: adding a million pixels up into a few rows one by
    one takes long. Pixels that are none (-1), with which a list of fixed length may end, get 0.
    """
    views = torch.arange(values.shape[0], device=pixels.device)
    belongs = torch.div(pixels, per_view, rounding_mode="floor")[:, None] == views
    return belongs.to(values.dtype) @ values


@dataclass(frozen=True)
class _Geometry:
    surface: Surface
    normal: Tensor  # [P, 3] smooth, world
    tangent: Tensor | None  # [P, 3]

    def points(self, pixels: Tensor, pixels_per_view: int) -> VisiblePoints:
        surface = self.surface
        return VisiblePoints(
            surface.position, self.normal, self.tangent, pixels, pixels_per_view, surface.uv
        )


def _surface(
    mesh: Mesh, clip: Tensor, raster: Raster, pixels: Tensor, wants_triangle: bool
) -> _Geometry:
    """Interpolated position, uv, mip level, smooth normal and tangent of the covered pixels."""
    assert mesh.normals is not None
    normal_triangles = mesh.normal_triangles
    found = attributes_at_pixels(
        Attributes(
            mesh.positions,
            mesh.triangles,
            mesh.normals,
            mesh.triangles if normal_triangles is None else normal_triangles,
            mesh.texcoords,
            mesh.texcoord_triangles,
            mesh.tangents,
            mesh.tangent_triangles,
        ),
        clip,
        raster,
        pixels,
    )
    triangle = raster.triangle.reshape(-1)[pixels].long() if wants_triangle else None
    surface = Surface(found.position, found.uv, found.lod, triangle)
    return _Geometry(surface, found.normal, found.tangent)
