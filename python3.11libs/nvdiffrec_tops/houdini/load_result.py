"""Brings a trained scene into ``/obj``: mesh, material, and the light probe as environment light;
or into ``/stage`` by the node that references its USD.

Texture conventions are those of the toolkit: albedo is sRGB; ``texture_ks`` is linear with
roughness in green and metalness in blue; the normal map is tangent space with +Y up, tangents and
bitangents along growing u and v of mesh.obj. Occlusion (red) stays out: a renderer that traces
light finds it itself.

Parameter names are those of the Principled Shader 2.0, Material, File and Environment Light nodes
of Houdini 20.5 to 22. One that is missing, or that takes another value, is told at the end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import hou

from nvdiffrec_tops.houdini import result_files
from nvdiffrec_tops.houdini.messages import ToolError

RESULT = "kartaverse::nvdiffrec_result::1.0"
"""The asset that brings a result into Solaris."""
_GREEN, _BLUE = 2, 3
"""Positions in the shader's channel menus: luminance, red, green, blue, alpha."""
_PROBE_ROTATION = (0.0, 180.0, 0.0)
"""Rotation of the light about x, y and z in degrees. The probe's middle column lies towards -Z. In
OpenEXR's latitude-longitude pictures, and so for USD's dome light, in Solaris and in Karma, it lies
towards +Z: half a turn about Y lies between the two, and no mirroring."""
_PROBE_COMMENT = (
    "The middle of probe.hdr looks along -Z. Rotate Y 180 is right where a renderer takes the "
    "middle for +Z, as OpenEXR, USD's dome light, Solaris and Karma do. That this Environment "
    "Light of /obj does so too is an assumption: if the light comes from the opposite side, set "
    "Rotate Y to 0."
)

Value = int | float | str


def load(folder: Path) -> list[str]:
    """Import the results in an output folder, as one step that can be undone.

    Gives what could not be set: missing textures, and parameters that this Houdini lacks.

    Raises:
        ToolError: there is no trained mesh in the folder, or no place for it in the scene.
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
        made = [_geometry(mesh, f"nvdiffrec_{name}", material, missing)]
        probe = mesh.parent / "probe.hdr"
        if probe.is_file():
            made.append(_light(probe, f"nvdiffrec_{name}_light", missing))
        else:
            missing.append(f"no light: {probe} does not exist")
        for one in made:
            one.moveToGoodPosition()
            one.setSelected(True, clear_all_selected=one is made[0])
    return missing


def has_component(folder: Path) -> bool:
    """Whether a result has a USD component that can be loaded into Solaris."""
    try:
        result_files.component(folder)
    except ToolError:
        return False
    return True


def load_into_solaris(folder: Path) -> None:
    """Make an *nvdiffrec Result* node in ``/stage`` that shows the results in an output folder.

    Raises:
        ToolError: there is no USD component in the folder, or no place for the node.
    """
    result_files.component(folder)
    name = re.sub(r"\W", "_", folder.name, flags=re.ASCII) or "result"
    with hou.undos.group(f"Load nvdiffrec result {name}"):
        made = cast("hou.LopNode", _node("/stage", RESULT, f"nvdiffrec_{name}"))
        missing: list[str] = []
        _set(made, {"result": folder.as_posix()}, missing)
        if missing:
            raise ToolError(f"{missing[0]}; install asset and package of one version")
        made.moveToGoodPosition()
        made.setDisplayFlag(True)
        made.setSelected(True, clear_all_selected=True)


def _geometry(mesh: Path, name: str, material: hou.OpNode, missing: list[str]) -> hou.OpNode:
    geometry = _node("/obj", "geo", name)
    file = geometry.createNode("file", "mesh")
    _set(file, {"file": mesh.as_posix()}, missing)
    # On the primitives: a material that the file names for them would win over the object's.
    assigned = cast("hou.SopNode", geometry.createNode("material", "material"))
    assigned.setInput(0, file)
    _set(assigned, {"shop_materialpath1": material.path()}, missing)
    assigned.setDisplayFlag(True)
    assigned.setRenderFlag(True)
    assigned.moveToGoodPosition()
    return geometry


def _light(probe: Path, name: str, missing: list[str]) -> hou.OpNode:
    light = _node("/obj", "envlight", name)
    rotation = dict(zip(("rx", "ry", "rz"), _PROBE_ROTATION, strict=True))
    _set(light, {"env_map": probe.as_posix(), **rotation}, missing)
    light.setComment(_PROBE_COMMENT)
    light.setGenericFlag(hou.nodeFlag.DisplayComment, True)
    return light


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
    shader.moveToGoodPosition()
    albedo, surface, normal = (folder / f"texture_{one}.png" for one in ("kd", "ks", "n"))
    settings: dict[Path, Mapping[str, Value]] = {
        albedo: {
            # The texture is multiplied with these.
            "basecolorr": 1.0,
            "basecolorg": 1.0,
            "basecolorb": 1.0,
            "basecolor_usePointColor": 0,
            "basecolor_useTexture": 1,
            "basecolor_texture": albedo.as_posix(),
            "basecolor_textureColorSpace": "sRGB",
        },
        surface: {
            "rough": 1.0,
            "rough_useTexture": 1,
            "rough_texture": surface.as_posix(),
            "rough_monoChannel": _GREEN,
            "rough_textureColorSpace": "linear",
            "metallic": 1.0,
            "metallic_useTexture": 1,
            "metallic_texture": surface.as_posix(),
            "metallic_monoChannel": _BLUE,
            "metallic_textureColorSpace": "linear",
        },
        normal: {
            "baseBumpAndNormal_enable": 1,
            "baseBumpAndNormal_type": "normal",
            "baseNormal_useTexture": 1,
            "baseNormal_texture": normal.as_posix(),
            "baseNormal_colorspace": "linear",
            "baseNormal_vectorSpace": "uvtangent",
        },
    }
    for texture, values in settings.items():
        if texture.is_file():
            _set(shader, values, missing)
        else:
            missing.append(f"no texture: {texture} does not exist")
    return shader


def _set(node: hou.OpNode, values: Mapping[str, Value], missing: list[str]) -> None:
    """Set what there is; names of parameters that are not, or refuse the value, are collected."""
    for name, value in values.items():
        parm = node.parm(name)
        try:
            if parm is None:
                raise ToolError("no such parameter")
            parm.set(value)
        except (ToolError, hou.Error, TypeError):
            missing.append(f"{node.type().name()} lacks the parameter {name} ({value})")
