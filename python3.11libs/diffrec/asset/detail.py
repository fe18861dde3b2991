"""Levels of detail of an asset: fewer triangles under the same textures but the normal map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from diffrec.asset.maps import Maps, resized
from diffrec.asset.mikktspace import Doubles, corner_tangents
from diffrec.asset.simplify import simplified
from diffrec.asset.source import Source
from diffrec.asset.texels import dilated, in_mikktspace, in_world, texels_of
from diffrec.asset.vertices import Ints, Vertices, mesh_of, part_of
from diffrec.geometry.mesh import Mesh


@dataclass(frozen=True)
class Level:
    """A level of detail, on the processor.

    `normal`: [H, W, 3], as in `Maps`, of the whole mesh as this level is to show it.
    """

    mesh: Mesh
    vertices: Vertices
    tangents: Doubles
    normal: Tensor


def levels_of(
    source: Source,
    vertices: Vertices,
    maps: Maps,
    wanted: Sequence[float],
    log: Callable[[str], None],
) -> list[Level]:
    """Levels of a mesh, the finest first.

    Args:
        source: the whole mesh; the maps are made on its device.
        vertices: its own.
        maps: its own.
        wanted: shares of its triangles, or counts from 1 on. What asks for as many as there are,
            or for as many as another, makes no level.
        log: takes what is told.
    """
    found = coarser_triangles(vertices, max(maps.albedo.shape[:2]), wanted, log)
    return levels_as(source, vertices, maps, found)


def coarser_triangles(
    vertices: Vertices, texels: int, wanted: Sequence[float], log: Callable[[str], None]
) -> list[Ints]:
    """The triangles [F, 3] of each level, the finest first.

    Args:
        vertices: of the whole mesh.
        texels: along the longer edge of its textures.
        wanted: as of `levels_of`.
        log: takes what is told.
    """
    whole = len(vertices.triangles)
    counts = {max(4, round(one * whole) if one < 1 else int(one)) for one in wanted}
    targets = sorted((one for one in counts if one < whole), reverse=True)
    levels: list[Ints] = []
    if not targets:
        return levels
    for target, triangles in zip(targets, simplified(vertices, targets, texels), strict=True):
        least = len(levels[-1]) if levels else whole
        if len(triangles) >= least:
            log(
                f"Warning: no level of detail with {target} triangles: the outlines of the charts "
                f"allow no fewer than {least}"
            )
            continue
        levels.append(triangles)
        log(f"Level of detail {len(levels)}: {len(triangles)} triangles of {whole}")
    return levels


@torch.no_grad()
def levels_as(
    source: Source, vertices: Vertices, maps: Maps, coarser: Sequence[Ints]
) -> list[Level]:
    """Levels whose triangles [F, 3] of the whole mesh's `vertices` are known."""
    if not coarser:
        return []
    normal = source.normal
    if normal.shape[0] * normal.shape[1] < maps.albedo.shape[0] * maps.albedo.shape[1]:
        # A flat map may have one texel: those of the levels are not flat.
        normal = resized(normal.cpu(), maps.albedo).to(normal.device)
    texels = texels_of(source.mesh, (normal.shape[0], normal.shape[1]))
    world = dilated(in_world(normal, source.mesh, texels), texels)
    return [_level(part_of(vertices, triangles), world) for triangles in coarser]


def _level(vertices: Vertices, world: Tensor) -> Level:
    mesh = mesh_of(vertices)
    tangents = corner_tangents(vertices)
    return Level(mesh, vertices, tangents, normal_map(world, mesh, vertices, tangents))


def normal_map(world: Tensor, mesh: Mesh, vertices: Vertices, tangents: Doubles) -> Tensor:
    """A level's normal map [H, W, 3], on the processor.

    Args:
        world: [H, W, 3], where the whole mesh's normals point in world axes, dilated.
        mesh: the level's.
        vertices: its own.
        tangents: [F, 3, 4], its own.
    """
    here = mesh.to(world.device)
    texels = texels_of(here, (world.shape[0], world.shape[1]))
    normal = dilated(in_mikktspace(world, here, vertices, tangents, texels), texels)
    return functional.normalize(normal, dim=2).cpu()
