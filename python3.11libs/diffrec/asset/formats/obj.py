"""Wavefront OBJ with an MTL that Blender, Houdini, Maya and Unreal understand."""

from __future__ import annotations

from diffrec.asset.asset import Asset
from diffrec.export.obj import write_obj
from nvdiffrec_contract.files import replace_file

LABEL = "{name}.obj"
PACKAGE = None
BESIDE = True


def export(asset: Asset) -> list[str]:
    """The mesh, and one material with a picture for each channel; so for each level of detail."""
    return [path for one in (asset, *asset.details) for path in _written(one)]


def _written(asset: Asset) -> list[str]:
    name, textures = asset.name, asset.textures
    write_obj(asset.folder / f"{name}.obj", asset.mesh, material=name)
    lines = [
        f"newmtl {name}",
        "Kd 1 1 1",  # a factor of the picture
        "illum 2",
        f"map_Kd {textures['albedo']}",
        f"map_Pr {textures['roughness']}",
        f"map_Pm {textures['metalness']}",
        f"map_Bump -bm 1 {textures['normal']}",
        f"norm {textures['normal']}",
    ]
    replace_file(asset.folder / f"{name}.mtl", ("\n".join(lines) + "\n").encode())
    return [f"{name}.obj", f"{name}.mtl"]
