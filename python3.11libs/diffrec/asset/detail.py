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
from diffrec.asset.vertices import Vertices, mesh_of, part_of
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


@torch.no_grad()
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
    whole = len(vertices.triangles)
    counts = {max(4, round(one * whole) if one < 1 else int(one)) for one in wanted}
    targets = sorted((one for one in counts if one < whole), reverse=True)
    if not targets:
        return []
    normal = source.normal
    if normal.shape[0] * normal.shape[1] < maps.albedo.shape[0] * maps.albedo.shape[1]:
        # A flat map may have one texel: those of the levels are not flat.
        normal = resized(normal.cpu(), maps.albedo).to(normal.device)
    texels = texels_of(source.mesh, (normal.shape[0], normal.shape[1]))
    world = dilated(in_world(normal, source.mesh, texels), texels)
    levels: list[Level] = []
    for target, triangles in zip(
        targets, simplified(vertices, targets, max(maps.albedo.shape[:2])), strict=True
    ):
        least = len(levels[-1].vertices.triangles) if levels else whole
        if len(triangles) >= least:
            log(
                f"Warning: no level of detail with {target} triangles: the outlines of the charts "
                f"allow no fewer than {least}"
            )
            continue
        levels.append(_level(part_of(vertices, triangles), world))
        log(f"Level of detail {len(levels)}: {len(triangles)} triangles of {whole}")
    return levels


def _level(vertices: Vertices, world: Tensor) -> Level:
    mesh = mesh_of(vertices)
    tangents = corner_tangents(vertices)
    here = mesh.to(world.device)
    texels = texels_of(here, (world.shape[0], world.shape[1]))
    normal = dilated(in_mikktspace(world, here, vertices, tangents, texels), texels)
    return Level(mesh, vertices, tangents, functional.normalize(normal, dim=2).cpu())
