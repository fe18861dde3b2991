"""The files of an asset's textures, each with its colour space in its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffrec import imagefiles
from diffrec.asset.maps import Maps
from diffrec.asset.source import AssetError
from diffrec.colour import linear_to_srgb

TEXTURES = "textures"
LINEAR = "_linear."
"""Before the ending of a picture whose colours have no curve."""


class TextureFiles:
    """Writes textures below a folder.

    PNG holds the albedo in sRGB with `bits` a channel, and normals with 16. OpenEXR holds the
    albedo linear in half precision, and normals in single: half has but 11 bits.

    Args:
        folder: the asset's.
        name: the asset's.
        bits: a channel of PNG, 8 or 16.
        kind: png or exr.
        linear: beside PNG, roughness, metalness and normal as OpenEXR in half precision too, for
            readers that take every PNG for sRGB; not without the package.

    Raises:
        AssetError: the package for OpenEXR is not installed.
    """

    def __init__(
        self, folder: Path, name: str, bits: int, kind: str, *, linear: bool = False
    ) -> None:
        self.folder, self.name = folder, name
        self._bits, self._kind = bits, kind
        self._number = ""
        self._exr: Any = None
        if kind == "exr" or linear:
            try:
                import OpenEXR
            except ImportError:
                if kind == "exr":
                    raise AssetError(
                        "textures as OpenEXR need the package OpenEXR, which is not installed in "
                        "this environment",
                        "python -m pip install OpenEXR, or choose png",
                    ) from None
            else:
                self._exr = OpenEXR

    def numbered(self, number: int) -> TextureFiles:
        """The same for one UDIM tile: its number stands before the endings."""
        found = copy(self)
        found._number = f".{number}"
        return found

    def write(
        self, maps: Maps, light: Tensor | None, writer: imagefiles.PictureWriter
    ) -> dict[str, str]:
        """Write maps and light on the threads of `writer`; the files by what they hold."""
        (self.folder / TEXTURES).mkdir(exist_ok=True)
        files = {
            "roughness": self._put(self.name, "roughness_raw", lambda: maps.roughness, writer),
            "metalness": self._put(self.name, "metalness_raw", lambda: maps.metalness, writer),
            "occlusion": self._put(self.name, "occlusion_raw", lambda: maps.occlusion, writer),
        }
        if self._kind == "exr":
            files["albedo"] = self._put(self.name, "albedo_linear", lambda: maps.albedo, writer)
        else:
            albedo = lambda: linear_to_srgb(maps.albedo)  # noqa: E731
            files["albedo"] = self._put(self.name, "albedo_srgb", albedo, writer)
        data = {"roughness": lambda: maps.roughness, "metalness": lambda: maps.metalness}
        files |= self._put_linear(self.name, data, writer)
        files |= self.write_normals(self.name, maps.normal, writer)
        if light is not None:
            files["light"] = f"{TEXTURES}/{self.name}_light_linear.hdr"
            writer.write_hdr(self.folder / files["light"], light)
        return files

    def write_normals(
        self, name: str, normal: Tensor, writer: imagefiles.PictureWriter
    ) -> dict[str, str]:
        """Write a normal map [H, W, 3] with +y and with -y; the files by what they hold."""
        flipped = torch.tensor([1.0, -1.0, 1.0])
        upward = lambda: normal.mul(0.5).add_(0.5)  # noqa: E731
        up = self._put(name, "normal_raw", upward, writer, precise=True)
        down = self._put(
            name,
            "normal_directx_raw",
            lambda: (normal * flipped).mul_(0.5).add_(0.5),
            writer,
            precise=True,
        )
        linear = self._put_linear(name, {"normal": upward}, writer)
        return {"normal": up, "normal_directx": down} | linear

    def _put_linear(
        self,
        name: str,
        pictures: Mapping[str, Callable[[], Tensor]],
        writer: imagefiles.PictureWriter,
    ) -> dict[str, str]:
        """OpenEXR beside PNG: the files, as `roughness_linear`."""
        if self._kind == "exr" or self._exr is None:
            return {}
        files = {}
        for kind, picture in pictures.items():
            file = f"{TEXTURES}/{name}_{kind}_raw{self._number}.exr"
            writer.do(self._write_exr, self.folder / file, picture, False)
            files[f"{kind}_linear"] = file
        return files

    def _put(
        self,
        name: str,
        ending: str,
        picture: Callable[[], Tensor],
        writer: imagefiles.PictureWriter,
        *,
        precise: bool = False,
    ) -> str:
        file = f"{TEXTURES}/{name}_{ending}{self._number}.{self._kind}"
        write = self._write_exr if self._kind == "exr" else self._write_png
        writer.do(write, self.folder / file, picture, precise)
        return file

    @torch.no_grad()  # a thread has a state of its own
    def _write_png(self, path: Path, picture: Callable[[], Tensor], precise: bool) -> None:
        path.write_bytes(imagefiles.png(picture(), 16 if precise else self._bits))

    @torch.no_grad()
    def _write_exr(self, path: Path, picture: Callable[[], Tensor], precise: bool) -> None:
        pixels = picture().numpy().astype(np.float32 if precise else np.float16)
        channels = {"Y": pixels[..., 0].copy()} if pixels.shape[2] == 1 else {"RGB": pixels}
        header = {"compression": self._exr.ZIP_COMPRESSION, "type": self._exr.scanlineimage}
        self._exr.File(header, channels).write(str(path))


def is_linear(file: str) -> bool:
    """Whether the colours of a file have no curve, by its name."""
    return LINEAR in file
