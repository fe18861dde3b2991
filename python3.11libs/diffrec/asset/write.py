"""Writes an asset: textures first, then each format, then into place."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from diffrec import imagefiles
from diffrec.asset.asset import Asset, detail_name
from diffrec.asset.detail import coarser_triangles, levels_as, levels_of
from diffrec.asset.formats import formats
from diffrec.asset.maps import enlarged, maps_of
from diffrec.asset.mikktspace import corner_tangents
from diffrec.asset.picture import THUMBNAIL, pictures
from diffrec.asset.source import AssetError, Source
from diffrec.asset.texturefiles import TEXTURES, TextureFiles
from diffrec.asset.udim.numbers import remove_others
from diffrec.asset.vertices import vertices_of
from diffrec.geometry.mesh import bounding_box


def write_asset(
    source: Source,
    folder: Path,
    name: str,
    chosen: Sequence[str],
    log: Callable[[str], None],
    *,
    turntable: int = 0,
    lods: Sequence[float] = (),
    bits: int = 8,
    size: int | None = None,
    textures: str = "png",
    udim: int = 0,
) -> list[Path]:
    """Write an asset into `folder`; the files written.

    A format whose package is not installed is told of in a sentence, and the others are written.
    Files of other names in the folder stay.

    Args:
        source: what it is made of; the pictures are rendered on its device.
        folder: made where it is missing.
        name: as `names.asset_name` gives it.
        chosen: names of formats.
        log: takes what is told.
        turntable: pictures of one turn; 0 for none.
        lods: levels of detail: shares of the triangles below 1, or numbers of them.
        bits: a channel of the textures, 8 or 16; normals have 16 always. OpenEXR has its own.
        size: texels along the textures' longer edge; None for as many as were trained.
        textures: png or exr.
        udim: UDIM tiles at most; below 2 the textures are one picture.

    Raises:
        AssetError: a format is unknown, a package for the textures is missing, or the disk
            refuses.
    """
    known = formats()
    for one in chosen:
        if one not in known:
            raise AssetError(f"there is no format {one!r}; there are {', '.join(known)}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as part:
            linear = any(known[one].LINEAR for one in chosen)
            writer = TextureFiles(Path(part), name, bits, textures, linear=linear)
            made = _made(source, writer, chosen, log, turntable, lods, size, udim)
            placed = _placed(Path(part), folder, made)
            remove_others(folder / TEXTURES, placed)
            return placed
    except OSError as error:
        raise AssetError(
            f"the asset cannot be written to {folder}: {error.strerror or error}"
        ) from error


def _made(
    source: Source,
    files: TextureFiles,
    chosen: Sequence[str],
    log: Callable[[str], None],
    turntable: int,
    lods: Sequence[float],
    size: int | None,
    udim: int,
) -> list[str]:
    folder, name = files.folder, files.name
    trained = source
    if size is not None:
        source = enlarged(source, size, log if udim < 2 else _unsaid)
    vertices = vertices_of(source.mesh)
    tangents = corner_tangents(vertices)
    maps = maps_of(source, vertices, tangents)
    tiled = None
    if udim > 1:
        from diffrec.asset.udim.tiles import in_tiles, write_tiles  # with the packer's compiler

        tiled = in_tiles(trained, vertices, udim, size)
    with imagefiles.PictureWriter() as writer:
        textures = files.write(maps, source.light, writer)
        if tiled is None:
            levels = levels_of(source, vertices, maps, lods, log)
        else:
            triangles = coarser_triangles(tiled.surface.vertices, tiled.side, lods, log)
            levels = levels_as(source, vertices, maps, [tiled.before[one] for one in triangles])
        coarser = [
            {} if tiled else files.write_normals(detail_name(name, number), level.normal, writer)
            for number, level in enumerate(levels, 1)
        ]
        asset = Asset(
            name=name,
            folder=folder,
            mesh=source.mesh.to("cpu"),
            vertices=vertices,
            tangents=tangents,
            maps=maps,
            textures=textures,
            thumbnail=THUMBNAIL,
            log=log,
        )
        details = tuple(
            asset.detail(number, level, files)
            for number, (level, files) in enumerate(zip(levels, coarser, strict=True), 1)
        )
        asset = over_tiles = replace(asset, details=details)
        if tiled is not None:
            over_tiles, tiles = write_tiles(tiled, asset, files, triangles, log)
        if source.metres is not None:
            # The last thing: what stands above looks for sizes of the order of one.
            asset, over_tiles = asset.scaled(source.metres), over_tiles.scaled(source.metres)
            width, height, depth = _sides(asset)
            log(f"The object is {width:.3g} x {depth:.3g} x {height:.3g} m (height last)")
        known = formats()
        given = {one: over_tiles if known[one].UDIM else asset for one in chosen}
        outcomes = {
            one: writer.do(_exported, known[one], given[one])
            for one in dict.fromkeys(chosen)
            if known[one].BESIDE
        }
        shown = pictures(source, folder, name, turntable)
    exported = {one: outcome.result() for one, outcome in outcomes.items()}
    made = [*textures.values(), *(path for files in coarser for path in files.values()), *shown]
    if tiled is None:
        log(
            f"Asset {name}: {asset.maps.density:.0f} texels along a {source.unit}, textures of "
            f"{maps.albedo.shape[1]} x {maps.albedo.shape[0]}"
        )
    else:  # in one picture they were for the formats that know no tiles
        made = [*tiles, *(path for kind, path in textures.items() if kind == "light"), *shown]
    for one in dict.fromkeys(chosen):
        written, missing = exported.get(one) or _exported(known[one], given[one])
        made += written
        if missing is not None:
            label = known[one].LABEL.format(name=name)
            log(
                f"Warning: {label} is not written: the package {missing} is not installed in this "
                f"environment; python -m pip install {missing}, then nvdiffrec-tops export"
            )
    return made


def _unsaid(line: str) -> None:
    """Takes what need not be told."""


def _sides(asset: Asset) -> list[float]:
    """Of the box around it, along x, y and z."""
    low, high = bounding_box(asset.mesh.positions)
    return [float(one) for one in high - low]


def _exported(one: Any, asset: Asset) -> tuple[list[str], str | None]:
    """The files that a format has written, and the package that it lacks to write any."""
    missing = _missing(one.PACKAGE)
    return ([] if missing else one.export(asset)), missing


def _missing(package: tuple[str, str] | None) -> str | None:
    """What is to be installed before a format can be written."""
    if package is None:
        return None
    try:
        import_module(package[0])
    except ImportError:
        return package[1]
    return None


def _placed(part: Path, folder: Path, made: Sequence[str]) -> list[Path]:
    """Move what was made into place, the textures first; the paths there."""
    placed = []
    for name in dict.fromkeys(made):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(part / name, target)
        placed.append(target)
    return placed
