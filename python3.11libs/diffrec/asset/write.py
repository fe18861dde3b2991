"""Writes an asset: textures first, then each format, then into place."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor

from diffrec import imagefiles
from diffrec.asset.asset import Asset, detail_name
from diffrec.asset.detail import levels_of
from diffrec.asset.formats import formats
from diffrec.asset.maps import Maps, maps_of
from diffrec.asset.mikktspace import corner_tangents
from diffrec.asset.picture import pictures
from diffrec.asset.source import AssetError, Source
from diffrec.asset.vertices import vertices_of
from diffrec.colour import linear_to_srgb

TEXTURES = "textures"


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
        bits: a channel of the textures, 8 or 16; normals have 16 always.

    Raises:
        AssetError: a format is unknown, or the disk refuses.
    """
    known = formats()
    for one in chosen:
        if one not in known:
            raise AssetError(f"there is no format {one!r}; there are {', '.join(known)}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as part:
            made = _made(source, Path(part), name, chosen, log, turntable, lods, bits)
            return _placed(Path(part), folder, made)
    except OSError as error:
        raise AssetError(
            f"the asset cannot be written to {folder}: {error.strerror or error}"
        ) from error


def _made(
    source: Source,
    folder: Path,
    name: str,
    chosen: Sequence[str],
    log: Callable[[str], None],
    turntable: int,
    lods: Sequence[float],
    bits: int,
) -> list[str]:
    vertices = vertices_of(source.mesh)
    tangents = corner_tangents(vertices)
    maps = maps_of(source, vertices, tangents)
    with imagefiles.PictureWriter() as writer:
        textures = _write_textures(folder, name, maps, source.light, bits, writer)
        levels = levels_of(source, vertices, maps, lods, log)
        coarser = [
            _write_normals(folder, detail_name(name, number), level.normal, writer)
            for number, level in enumerate(levels, 1)
        ]
        shown = pictures(source, folder, name, turntable)
    log(
        f"Asset {name}: {maps.density:.0f} texels along a unit, textures of "
        f"{maps.albedo.shape[1]} x {maps.albedo.shape[0]}"
    )
    asset = Asset(
        name=name,
        folder=folder,
        mesh=source.mesh.to("cpu"),
        vertices=vertices,
        tangents=tangents,
        maps=maps,
        textures=textures,
        thumbnail=shown[0] if shown else None,
        log=log,
    )
    details = tuple(
        asset.detail(number, level, files)
        for number, (level, files) in enumerate(zip(levels, coarser, strict=True), 1)
    )
    asset = replace(asset, details=details)
    made = [*textures.values(), *(path for files in coarser for path in files.values()), *shown]
    known = formats()
    for one in chosen:
        missing = _missing(known[one].PACKAGE)
        if missing is None:
            made += known[one].export(asset)
        else:
            label = known[one].LABEL.format(name=name)
            log(
                f"Warning: {label} is not written: the package {missing} is not installed in this "
                f"environment; python -m pip install {missing}, then nvdiffrec-tops export"
            )
    return made


def _missing(package: tuple[str, str] | None) -> str | None:
    """What is to be installed before a format can be written."""
    if package is None:
        return None
    try:
        import_module(package[0])
    except ImportError:
        return package[1]
    return None


@torch.no_grad()
def _write_textures(
    folder: Path,
    name: str,
    maps: Maps,
    light: Tensor | None,
    bits: int,
    writer: imagefiles.PictureWriter,
) -> dict[str, str]:
    """The pictures, each with its colour space in its name; by what they hold."""
    (folder / TEXTURES).mkdir()
    shown: dict[str, tuple[str, Callable[[], Tensor], int]] = {
        "albedo": ("albedo_srgb", lambda: linear_to_srgb(maps.albedo), bits),
        "roughness": ("roughness_raw", lambda: maps.roughness, bits),
        "metalness": ("metalness_raw", lambda: maps.metalness, bits),
        "occlusion": ("occlusion_raw", lambda: maps.occlusion, bits),
    }
    files = _write_pngs(folder, name, shown, writer)
    files |= _write_normals(folder, name, maps.normal, writer)
    if light is not None:
        files["light"] = f"{TEXTURES}/{name}_light_linear.hdr"
        writer.write_hdr(folder / files["light"], light)
    return files


def _write_normals(
    folder: Path, name: str, normal: Tensor, writer: imagefiles.PictureWriter
) -> dict[str, str]:
    """A normal map [H, W, 3] with +y and with -y; the files by what they hold."""
    flipped = torch.tensor([1.0, -1.0, 1.0])
    shown: dict[str, tuple[str, Callable[[], Tensor], int]] = {
        "normal": ("normal_raw", lambda: normal * 0.5 + 0.5, 16),
        "normal_directx": ("normal_directx_raw", lambda: normal * flipped * 0.5 + 0.5, 16),
    }
    return _write_pngs(folder, name, shown, writer)


def _write_pngs(
    folder: Path,
    name: str,
    shown: Mapping[str, tuple[str, Callable[[], Tensor], int]],
    writer: imagefiles.PictureWriter,
) -> dict[str, str]:
    """Write pictures by what they hold: how a file's name ends, the picture, its bits."""

    @torch.no_grad()  # a thread has a state of its own
    def write(path: Path, picture: Callable[[], Tensor], bits: int) -> None:
        path.write_bytes(imagefiles.png(picture(), bits))

    files = {}
    for kind, (suffix, picture, bits) in shown.items():
        files[kind] = f"{TEXTURES}/{name}_{suffix}.png"
        writer.do(write, folder / files[kind], picture, bits)
    return files


def _placed(part: Path, folder: Path, made: Sequence[str]) -> list[Path]:
    """Move what was made into place, the textures first; the paths there."""
    placed = []
    for name in dict.fromkeys(made):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(part / name, target)
        placed.append(target)
    return placed
