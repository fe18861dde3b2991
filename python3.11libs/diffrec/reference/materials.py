"""What each part of a reference mesh looks like: its materials out of the libraries it names."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from diffrec.reference.finding import Beside
from diffrec.reference.lines import without_comment
from diffrec.reference.mtl import Map, Statements, read_mtl
from diffrec.reference.obj import ObjFile

Colour = tuple[float, float, float]
_NEUTRAL = {
    "-clamp": (("off",),),
    "-cc": (("off",),),
    "-mm": (("0", "1"), ("0.0", "1.0"), ("0.000000", "1.000000")),
    "-t": (("0",), ("0", "0"), ("0", "0", "0")),
}
"""Options that are not used, and the values by which they say nothing."""


@dataclass(frozen=True)
class Picture:
    """A map's picture file.

    Attributes:
        path: the file; where none was found, the path that the library names.
        found: whether it is there.
        channel: of a map of one value, the channel: ``r``, ``g``, ``b``, ``m`` (alpha), ``l``
            (brightness), or '' where the library does not say.
        strength: of a bump map, its multiplier.
    """

    path: Path
    found: bool = True
    channel: str = ""
    strength: float = 1.0


@dataclass(frozen=True)
class Material:
    """What faces look like: a picture or a constant per channel.

    Attributes:
        name: as the library or the mesh says it.
        kd: linear albedo, where there is no ``map_kd``.
        ks: (occlusion, roughness, metalness), where there is no picture of them. Occlusion is 0
            (open) whatever a library says: nvdiffrec clears it when it reads a mesh.
        has_colour: whether the library says ``Kd``.
        map_kd: sRGB picture of the albedo.
        map_ks: picture of roughness (green) and metalness (blue).
        map_roughness, map_metalness: pictures of one of them.
        normal: tangent-space normal map.
        bump: a picture that is a normal map or, if it is grey, one of heights.
        classic: whether the library describes it by a classic specular colour, so that a grey
            ``map_ks`` is one of that.
        scale, offset: of the texture coordinates (u, v), v upward.
    """

    name: str = "defaultMat"
    kd: Colour = (0.5, 0.5, 0.5)
    ks: Colour = (0.0, 0.5, 0.0)
    has_colour: bool = False
    map_kd: Picture | None = None
    map_ks: Picture | None = None
    map_roughness: Picture | None = None
    map_metalness: Picture | None = None
    normal: Picture | None = None
    bump: Picture | None = None
    classic: bool = False
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)

    @property
    def pictures(self) -> list[Picture]:
        """Those that are used."""
        maps = (
            self.map_kd, self.map_ks, self.map_roughness, self.map_metalness, self.normal,
            self.bump,
        )  # fmt: skip
        return [one for one in maps if one is not None]


@dataclass(frozen=True)
class Materials:
    """The materials of a mesh, one for each of its names, and what is to be told of them."""

    of: list[Material]
    warnings: list[str]


def resolve(mesh: ObjFile, path: Path, mtl: Path | None) -> Materials:
    """The material of each name that the mesh uses.

    mtl: read in place of the libraries that the mesh names; it need not repeat their names.

    Raises:
        MtlError: a library cannot be read.
    """
    warnings: list[str] = []
    known: dict[str, tuple[Statements, Path]] = {}
    for library in [mtl] if mtl is not None else _libraries(mesh, path, warnings):
        for name, statements in read_mtl(library).items():
            known.setdefault(name, (statements, library))
    used = sorted(set(mesh.used))
    by_name = {index: _named(mesh.materials[index], known) for index in used}
    if known and all(one is None for one in by_name.values()) and (mtl or len(used) == 1):
        first, library = next(iter(known.values()))
        by_name = dict.fromkeys(used, (first, library))
        if mtl is None and mesh.materials[used[0]]:
            name = mesh.materials[used[0]]
            warnings.append(f"{library}: no material {name!r}, {first.name!r} is used")
    finders: dict[Path, Beside] = {}
    made: list[Material] = [Material()] * len(mesh.materials)
    for index, found in by_name.items():
        if found is not None:
            statements, library = found
            beside = finders.setdefault(library.parent, Beside(library.parent))
            made[index] = _material(statements, library, beside, warnings)
        elif known:
            name = mesh.materials[index]
            faces = f"no material {name!r}" if name else "some faces have no material"
            warnings.append(f"{path}: {faces}; these faces are grey")
    if mesh.coloured and not any(one.pictures for one in made):
        warnings.append(
            f"{path} has colours of vertices, which are not used; bake them to a picture (map_Kd)"
        )
    return Materials(made, list(dict.fromkeys(warnings)))


def _libraries(mesh: ObjFile, path: Path, warnings: list[str]) -> list[Path]:
    beside = Beside(path.parent)
    files: list[Path] = []
    for line in mesh.libraries:
        found, missing = beside.libraries(line)
        files += found
        warnings += [f"{path}: its material library {one} is missing" for one in missing]
    if not files and any(mesh.materials):
        own = beside.find([path.with_suffix(".mtl").name])
        if own is not None:
            warnings.append(f"{path} names no material library that is there; {own} is used")
            files.append(own)
        elif not mesh.libraries:
            warnings.append(f"{path} names no material library; it is grey")
    return list(dict.fromkeys(files))


def _named(name: str, known: dict[str, tuple[Statements, Path]]) -> tuple[Statements, Path] | None:
    if not name:
        return None
    if name in known:
        return known[name]
    for same in (without_comment, str.casefold, lambda one: without_comment(one).casefold()):
        wanted = same(name)
        for one, found in known.items():
            if same(one) == wanted:
                return found
    return None


def _material(said: Statements, library: Path, beside: Beside, warnings: list[str]) -> Material:
    about = f"{library}, material {said.name!r}"
    pictures = {
        of: _picture(one, library, beside, about, warnings) for of, one in said.maps.items()
    }
    rough_metal = any(name in said.values or name in pictures for name in ("pr", "pm"))
    map_ks, ks = pictures.get("ks"), said.colours.get("ks")
    roughness, metalness = 0.5, 0.0
    if rough_metal:
        if map_ks is not None and not said.physical:
            warnings.append(f"{about}: map_Ks is not used beside Pr and Pm")
            map_ks = None
        if map_ks is not None and {"pr", "pm"} & pictures.keys():
            map_ks = None
        roughness = said.values.get("pr", roughness if ks is None or not said.physical else ks[1])
        metalness = said.values.get("pm", metalness)
    elif not said.physical:
        roughness = _roughness(said)
        if ks is not None and max(ks) > 0:
            warnings.append(
                f"{about}: Ks is a specular colour here (it says illum or Ns, not bsdf pbr) and is "
                f"not used; the roughness is {roughness:.2f}"
            )
    elif ks is not None:
        if ks[0] > 0:
            warnings.append(
                f"{about}: the occlusion {ks[0]:g} in Ks is not used, as nvdiffrec does"
            )
        roughness, metalness = ks[1], ks[2]
    _tell_unused(said, about, warnings)
    kd = said.colours.get("kd")
    if kd is not None and (min(kd) < 0 or max(kd) > 1) and "kd" not in pictures:
        warnings.append(f"{about}: Kd lies outside of 0 to 1 and is cut")
    scale, offset = _placement(said.maps, about, warnings)
    normal = pictures.get("norm")
    return Material(
        said.name,
        kd or (0.5, 0.5, 0.5),
        (0.0, roughness, metalness),
        kd is not None,
        pictures.get("kd"),
        map_ks,
        pictures.get("pr"),
        pictures.get("pm"),
        normal,
        None if normal is not None else pictures.get("bump"),
        not said.physical and not rough_metal,
        scale,
        offset,
    )


def _roughness(said: Statements) -> float:
    """By a classic material's exponent of 0 to 1000, as Blender writes and reads it; one without
    highlights (illum 0, 1) is rough."""
    if said.values.get("illum", 2) in (0, 1):
        return 1.0
    return 1 - math.sqrt(min(max(said.values.get("ns", 250.0), 0.0), 1000.0) / 1000)


def _tell_unused(said: Statements, about: str, warnings: list[str]) -> None:
    unused = list(said.unused)
    if said.values.get("d", 1) < 1 or said.values.get("tr", 0) not in (0, 1):
        unused.append("transparency (d, Tr)")
    if max(said.colours.get("ke", (0, 0, 0))) > 0:
        unused.append("emission (Ke)")
    if unused:
        warnings.append(f"{about}: {', '.join(dict.fromkeys(unused))} cannot be used here")


def _picture(said: Map, library: Path, beside: Beside, about: str, warnings: list[str]) -> Picture:
    path = beside.find(said.names)
    named = library.parent / said.names[0].replace("\\", "/")
    if path is not None and path != named and not os.path.isfile(named):
        warnings.append(f"{about}: there is no {said.names[0]}; {path} is used")
    channel = said.options.get("-imfchan", ("",))[0].lower()
    strength = said.numbers("-bm", (1.0,))[0]
    for option, neutral in _NEUTRAL.items():
        given = said.options.get(option)
        if given and tuple(one.lower() for one in given) not in neutral:
            warnings.append(f"{about}: the option {option} of a map is not used")
    return Picture(path or named, path is not None, channel, strength)


def _placement(
    maps: dict[str, Map], about: str, warnings: list[str]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Scale and offset of the texture coordinates, as Blender's importer takes -s and -o."""
    found = []
    for one in maps.values():
        scale, offset = one.numbers("-s", (1.0, 1.0)), one.numbers("-o", (0.0, 0.0))
        if "-s" in one.options and len(one.options["-s"]) == 1:
            scale = (scale[0], scale[0])
        found.append(((scale[0], scale[1]), (offset[0], offset[1])))
    if not found:
        return (1.0, 1.0), (0.0, 0.0)
    first = found[list(maps).index("kd")] if "kd" in maps else found[0]
    if any(one != first for one in found):
        warnings.append(f"{about}: its maps have different -s or -o; those of one are used for all")
    return first
