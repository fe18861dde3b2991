"""A mesh over UDIM tiles, and the files of its textures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from diffrec import imagefiles
from diffrec.asset.asset import Asset, detail_name
from diffrec.asset.detail import normal_map
from diffrec.asset.maps import density_of, maps_of
from diffrec.asset.mikktspace import Doubles, corner_tangents
from diffrec.asset.source import Source
from diffrec.asset.texels import Texels, dilated, in_world, texels_of
from diffrec.asset.texturefiles import TextureFiles
from diffrec.asset.udim.layout import Layout, laid_out
from diffrec.asset.udim.numbers import FIRST, offset_of, pattern_of, tiles_of
from diffrec.asset.udim.resample import Readable, readable, resampled
from diffrec.asset.vertices import Ints, Vertices, mesh_of, part_of, vertices_of
from diffrec.geometry.mesh import Mesh

ROUNDING = 1e-4
"""How far texture coordinates in the unit square may leave it in a file of text."""
FINER = 1.05
"""Texels of a tile over trained ones, along a line, from which on it is told that they show no
more."""


@dataclass(frozen=True)
class Surface:
    """A mesh over UDIM tiles: the whole one or a level of detail.

    `mesh`: with texture coordinates in its tiles; `vertices`: its own; `tangents`: [F, 3, 4], its
    own; `tile`: [F], where each triangle lies, from 0.
    """

    mesh: Mesh
    vertices: Vertices
    tangents: Doubles
    tile: Ints

    @classmethod
    def of(cls, mesh: Mesh, vertices: Vertices) -> Surface:
        """Of a mesh and its vertices."""
        return cls(mesh, vertices, corner_tangents(vertices), tiles_of(mesh))

    def part(self, tile: int) -> Surface:
        """What lies in a tile, with the mesh's texture coordinates in the unit square."""
        faces = np.flatnonzero(self.tile == tile)
        mesh, chosen = self.mesh, torch.from_numpy(faces).to(self.mesh.triangles.device)
        assert mesh.texcoords is not None
        offset = torch.from_numpy(offset_of(np.array([tile]))).to(mesh.texcoords)
        tables = ("", "texcoord_", "normal_", "tangent_")
        indices = {f"{name}triangles": getattr(mesh, f"{name}triangles") for name in tables}
        here = {name: one[chosen] for name, one in indices.items() if one is not None}
        return Surface(
            replace(mesh, texcoords=mesh.texcoords - offset, **here),
            part_of(self.vertices, self.vertices.triangles[faces]),
            self.tangents[faces],
            self.tile[faces],
        )


@dataclass(frozen=True)
class Tiled:
    """A source whose mesh lies over UDIM tiles.

    `source`: what it was before, with its textures; `layout`: its charts; `side`: of a tile in
    texels; `surface`: the mesh there, with the source's normals and tangents; `before`: [V], for
    each vertex there the one of the source's that it was.
    """

    source: Source
    layout: Layout
    side: int
    surface: Surface
    before: Ints


def in_tiles(source: Source, vertices: Vertices, tiles: int, size: int | None) -> Tiled:
    """The mesh of `source`, whose vertices are given, over at most `tiles` tiles.

    `size`: of a tile in texels; None for the longer edge of its textures.
    """
    rows = np.concatenate([vertices.position, vertices.uv], axis=1)
    _, first, number = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    triangles = number.reshape(-1).astype(np.int64)[vertices.triangles]
    resolution = _resolution(source)
    side = size or max(resolution)
    layout = laid_out(vertices.uv[first].astype(np.float64), triangles, resolution, side, tiles)
    tile = np.zeros(len(layout.uv), dtype=np.int64)
    tile[layout.triangles] = layout.tile[:, None]
    like = source.mesh.positions
    mesh = replace(
        source.mesh,
        texcoords=torch.from_numpy(layout.uv + offset_of(tile)).to(like),
        texcoord_triangles=torch.from_numpy(layout.triangles).to(like.device),
    )
    surface = Surface.of(mesh, vertices_of(mesh))
    before = np.zeros(len(surface.vertices.position), dtype=np.int64)
    before[surface.vertices.triangles] = vertices.triangles
    return Tiled(source, layout, side, surface, before)


@torch.no_grad()
def write_tiles(
    tiled: Tiled,
    asset: Asset,
    files: TextureFiles,
    levels: Sequence[Ints],
    log: Callable[[str], None],
) -> tuple[Asset, list[str]]:
    """Write the textures of each tile; the asset over tiles, and the files.

    One tile after the other: together they may be larger than the memory.

    Args:
        tiled: what is written.
        asset: the same in one picture; its light, thumbnail and the like are taken over.
        files: writes them.
        levels: the triangles [F, 3] of each level of detail, into the vertices over tiles.
        log: takes what is told.
    """
    whole = tiled.surface
    parts = [part_of(whole.vertices, one) for one in levels]
    details = [Surface.of(mesh_of(one), one) for one in parts]
    names = [detail_name(asset.name, number) for number in range(len(details) + 1)]
    ready = _ready(tiled)
    patterns: list[dict[str, str]] = [{} for _ in names]
    made: list[str] = []
    tiles = np.unique(whole.tile).tolist()
    for tile in tiles:
        into = files.numbered(FIRST + tile)
        with imagefiles.PictureWriter() as writer:
            here = whole.part(tile)
            shown = _shown(tiled, here, ready)
            maps = maps_of(shown, here.vertices, here.tangents)
            found = [into.write(maps, None, writer)]
            if details:
                size = (tiled.side, tiled.side)
                texels = texels_of(here.mesh, size)
                normal = shown.normal.expand(*size, 3)
                world = dilated(in_world(normal, here.mesh, texels), texels)
            for name, detail in zip(names[1:], details, strict=True):
                other = detail.part(tile)
                if len(other.tile) == 0:
                    found.append({})
                    continue
                turned = normal_map(world, other.mesh, other.vertices, other.tangents)
                found.append(into.write_normals(name, turned, writer))
        for known, paths in zip(patterns, found, strict=True):
            known |= {kind: pattern_of(path) for kind, path in paths.items()}
            made += paths.values()
    density = density_of(whole.mesh, (tiled.side, tiled.side))
    _tell(tiled, asset.name, len(tiles), density, log)
    first, *rest = (
        replace(
            asset,
            name=name,
            mesh=surface.mesh.to("cpu"),
            vertices=surface.vertices,
            tangents=surface.tangents,
            maps=replace(asset.maps, density=density),
            textures={**asset.textures, **patterns[0], **own},
            details=(),
        )
        for name, surface, own in zip(names, (whole, *details), patterns, strict=True)
    )
    return replace(first, details=tuple(rest)), made


def _resolution(source: Source) -> tuple[int, int]:
    """Height and width of the finest texture."""
    finest = max((source.kd, source.ks, source.normal), key=lambda one: one.shape[0] * one.shape[1])
    return finest.shape[0], finest.shape[1]


def _ready(tiled: Tiled) -> list[Readable | None]:
    source, found = tiled.source, list[Readable | None]()
    uv = source.mesh.texcoords
    assert uv is not None
    repeated = bool(((uv < -ROUNDING) | (uv > 1 + ROUNDING)).any())
    chart = torch.from_numpy(tiled.layout.before).to(uv.device)
    known: dict[tuple[int, int], Texels] = {}
    for texture in (source.kd, source.ks, source.normal, source.ambient):
        if texture is None:
            found.append(None)
            continue
        size = (texture.shape[0], texture.shape[1])
        if not repeated and size not in known:
            known[size] = texels_of(source.mesh, size)
        found.append(readable(texture, known.get(size), chart))
    return found


def _shown(tiled: Tiled, here: Surface, ready: Sequence[Readable | None]) -> Source:
    """What lies in a tile, as if it were the whole."""
    texels = texels_of(here.mesh, (tiled.side, tiled.side))
    device = texels.covered.device
    faces = np.flatnonzero(tiled.surface.tile == here.tile[0])
    charts = [
        torch.from_numpy(one[faces]).to(device) for one in (tiled.layout.chart, tiled.layout.before)
    ]
    source = torch.from_numpy(tiled.layout.source).to(device)
    finest = max(_resolution(tiled.source))

    def of(texture: Readable | None) -> Tensor | None:
        if texture is None:
            return None
        scale = tiled.layout.scale * finest / max(texture.resolution)
        return resampled(texture, texels, (charts[0], charts[1]), source, scale)

    kd, ks, normal, ambient = map(of, ready)
    assert kd is not None and ks is not None and normal is not None
    # Cubics pass beyond the values that they go through.
    known = None if ambient is None else ambient.clamp(0, 1)
    return Source(here.mesh, kd.clamp(0, 1), ks.clamp(0, 1), normal, None, known)


def _tell(tiled: Tiled, name: str, count: int, density: float, log: Callable[[str], None]) -> None:
    side, scale, source = tiled.side, tiled.layout.scale, tiled.source
    cuts = f", with {tiled.layout.cuts} cuts through large charts" if tiled.layout.cuts else ""
    log(
        f"Asset {name}: {density / (source.metres or 1.0):.0f} texels along a {source.unit}, "
        f"textures of {count} UDIM tiles of {side} x {side}{cuts}"
    )
    if scale > FINER:
        log(
            f"Warning: the tiles have {scale:.2f} times as many texels along a line as were "
            "trained, and show no more. For more, train with a larger texture_res"
        )
