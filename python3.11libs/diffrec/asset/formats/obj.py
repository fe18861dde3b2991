"""Wavefront OBJ with an MTL that Blender, Houdini, Maya and Unreal understand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from diffrec.asset.asset import Asset
from diffrec.asset.udim.numbers import FIRST, TOKEN, file_of, tiles_of
from diffrec.export.obj import write_obj
from nvdiffrec_contract.files import replace_file

LABEL = "{name}.obj"
PACKAGE = None
BESIDE = True
UDIM = True
LINEAR = True


def export(asset: Asset) -> list[str]:
    """The mesh, and one material with a picture for each channel; so for each level of detail.

    Over UDIM tiles there is a material for each: MTL knows one picture a channel.
    """
    return [path for one in (asset, *asset.details) for path in _written(one)]


def _written(asset: Asset) -> list[str]:
    name, textures = asset.name, asset.textures
    path, lines = asset.folder / f"{name}.obj", []
    if TOKEN in textures["albedo"]:
        tile = tiles_of(asset.mesh)
        parts = {f"{name}_{FIRST + one}": tile == one for one in np.unique(tile).tolist()}
        write_obj(path, asset.mesh, material=parts)
        for one in np.unique(tile).tolist():
            own = {kind: file_of(file, one) for kind, file in textures.items()}
            lines += _material(f"{name}_{FIRST + one}", own)
    else:
        write_obj(path, asset.mesh, material=name)
        lines = _material(name, textures)
    replace_file(asset.folder / f"{name}.mtl", ("\n".join(lines) + "\n").encode())
    return [f"{name}.obj", f"{name}.mtl"]


def _material(name: str, textures: Mapping[str, str]) -> list[str]:
    # MTL names no colour spaces: Blender takes each PNG for sRGB, and OpenEXR for linear.
    data = {
        kind: textures.get(f"{kind}_linear", textures[kind])
        for kind in ("roughness", "metalness", "normal")
    }
    return [
        f"newmtl {name}",
        "Kd 1 1 1",  # a factor of the picture
        "Ks 0.5 0.5 0.5",  # Blender's specular level: a reflectance of 0.04; without it takes 1
        "illum 2",
        f"map_Kd {textures['albedo']}",
        f"map_Pr {data['roughness']}",
        f"map_Pm {data['metalness']}",
        f"map_Bump -bm 1 {data['normal']}",
        f"norm {textures['normal']}",
    ]
