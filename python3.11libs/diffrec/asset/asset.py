"""What exporters are handed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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
        maps: its textures.
        textures: their files by what they hold (``albedo``, ``roughness``, ``metalness``,
            ``normal``, ``light`` …), relative to `folder`, with / between their parts.
        thumbnail: a picture of it, relative to `folder`; None where there is none.
        log: takes what is told.
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
