"""Brings a trained scene into ``/obj``: mesh, material, and the light probe as environment light.

Texture conventions are those of the toolkit: albedo is sRGB; ``texture_ks`` is linear with
roughness in green and metalness in blue; the normal map is tangent space with +Y up. Occlusion
(red) stays out: a renderer that traces light finds it itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import hou

from nvdiffrec_tops.houdini.messages import ToolError

_GREEN, _BLUE = 2, 3
"""Positions in the shader's channel menus: luminance, red, green, blue, alpha."""
_PROBE_ROTATION = (0.0, 0.0, 0.0)
"""Assumed: Houdini's environment light looks up its map as the probe is written, +Y up, with the
middle column towards -Z. To be corrected on the light where a renderer differs."""

Value = int | float | str


def load(folder: Path) -> list[str]:
    """Import the results in an output folder; gives the parameters that this Houdini lacks.

    Raises:
        ToolError: there is no trained mesh in the folder.
    """
    mesh = folder / "mesh" / "mesh.obj"
    if not mesh.is_file():
        raise ToolError(
            f"{folder} holds no trained mesh (mesh/mesh.obj); choose the output folder of a "
            "finished training"
        )
    missing: list[str] = []
    name = re.sub(r"\W", "_", folder.name, flags=re.ASCII) or "result"
    with hou.undos.group(f"Load nvdiffrec result {name}"):
        material = _material(mesh.parent, f"nvdiffrec_{name}", missing)
        geometry = _node("/obj", "geo", f"nvdiffrec_{name}")
        file = geometry.createNode("file", "mesh")
        _set(file, {"file": mesh.as_posix()}, missing)
        _set(geometry, {"shop_materialpath": material.path()}, missing)
        cast("hou.SopNode", file).setDisplayFlag(True)
        cast("hou.SopNode", file).setRenderFlag(True)
        made = [geometry]
        probe = mesh.parent / "probe.hdr"
        if probe.is_file():
            light = _node("/obj", "envlight", f"nvdiffrec_{name}_light")
            rotation = dict(zip(("rx", "ry", "rz"), _PROBE_ROTATION, strict=True))
            _set(light, {"env_map": probe.as_posix(), **rotation}, missing)
            made.append(light)
        for one in made:
            one.moveToGoodPosition()
            one.setSelected(True, clear_all_selected=one is made[0])
    return missing


def _node(network: str, type_name: str, name: str) -> hou.OpNode:
    parent = hou.node(network)
    if parent is None:
        raise ToolError(f"this scene has no {network}")
    try:
        return cast("hou.OpNode", parent).createNode(type_name, name)
    except hou.OperationFailed as error:
        raise ToolError(f"Houdini cannot make a {type_name} node in {network}: {error}") from None


def _material(folder: Path, name: str, missing: list[str]) -> hou.OpNode:
    shader = _node("/mat", "principledshader::2.0", name)
    albedo, surface, normal = (
        (folder / f"texture_{one}.png").as_posix() for one in ("kd", "ks", "n")
    )
    settings: Mapping[str, Value] = {
        "basecolorr": 1.0,
        "basecolorg": 1.0,
        "basecolorb": 1.0,
        "basecolor_usePointColor": 0,
        "basecolor_useTexture": 1,
        "basecolor_texture": albedo,
        "rough": 1.0,
        "rough_useTexture": 1,
        "rough_texture": surface,
        "rough_monoChannel": _GREEN,
        "rough_textureColorSpace": "linear",
        "metallic": 1.0,
        "metallic_useTexture": 1,
        "metallic_texture": surface,
        "metallic_monoChannel": _BLUE,
        "metallic_textureColorSpace": "linear",
        "baseBumpAndNormal_enable": 1,
        "baseBumpAndNormal_type": "normal",
        "baseNormal_useTexture": 1,
        "baseNormal_texture": normal,
        "baseNormal_colorspace": "linear",
    }
    _set(shader, settings, missing)
    return shader


def _set(node: hou.OpNode, values: Mapping[str, Value], missing: list[str]) -> None:
    """Set what there is; names of parameters that are not, or refuse the value, are collected."""
    for name, value in values.items():
        parm = node.parm(name)
        try:
            if parm is None:
                raise ToolError("no such parameter")
            parm.set(value)
        except (ToolError, hou.OperationFailed, TypeError):
            missing.append(f"{node.type().name()}: {name} = {value}")
