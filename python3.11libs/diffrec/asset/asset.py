"""What exporters are handed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from diffrec.asset.detail import Level
from diffrec.asset.maps import Maps
from diffrec.asset.mikktspace import Doubles
from diffrec.asset.vertices import Vertices
from diffrec.geometry.mesh import Mesh


@dataclass(frozen=True)
class Asset:
    """An asset that is being written.

    Attributes:
        name: of its files, prims and material.
        folder: where it is written, with its textures there already.
        mesh: with normals and texture coordinates, on the processor.
        vertices: the same with one index.
        tangents: [F, 3, 4] of the corners, as MikkTSpace and glTF have them.
        maps: its textures, in one picture each.
        textures: their files by what they hold (``albedo``, ``roughness``, ``metalness``,
            ``normal``, ``light`` …), relative to `folder`, with / between their parts. Over UDIM
            tiles `udim.numbers.TOKEN` stands in them for the number.
        thumbnail: a picture of it, relative to `folder`; None where there is none.
        log: takes what is told.
        details: coarser levels of it, the finest first; each with a name, mesh and normal map of
            its own.
    """

    name: str
    folder: Path
    mesh: Mesh
    vertices: Vertices
    tangents: Doubles
    maps: Maps
    textures: dict[str, str]
    thumbnail: str | None
    log: Callable[[str], None]
    details: tuple[Asset, ...] = ()

    def detail(self, number: int, level: Level, textures: dict[str, str]) -> Asset:
        """A coarser level of this asset: `number` from 1 on, `textures` of its own by kind."""
        return replace(
            self,
            name=detail_name(self.name, number),
            mesh=level.mesh,
            vertices=level.vertices,
            tangents=level.tangents,
            maps=replace(self.maps, normal=level.normal),
            textures={**self.textures, **textures},
            details=(),
        )

    def scaled(self, factor: float) -> Asset:
        """The same asset, `factor` times as large; its textures do not change."""
        vertices = replace(self.vertices, position=self.vertices.position * np.float32(factor))
        return replace(
            self,
            mesh=replace(self.mesh, positions=self.mesh.positions * factor),
            vertices=vertices,
            maps=replace(self.maps, density=self.maps.density / factor),
            details=tuple(one.scaled(factor) for one in self.details),
        )


def detail_name(name: str, number: int) -> str:
    """What a level of detail is called; 0 is the whole mesh."""
    return f"{name}_lod{number}" if number else name
