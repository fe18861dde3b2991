"""What the *nvdiffrec Result* nodes do: a finished training as a stage, or as geometry.

Each asset holds one Python node with a line that calls in here. It reads the asset's parameters by
way of its parent. Should Houdini not notice a change of these, *Reload* and each parameter's
callback cook the node again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import hou

from nvdiffrec_tops.houdini import live_results, messages, result_files, surfaces
from nvdiffrec_tops.houdini.messages import ToolError

DETAIL = "LOD"
"""The component's variant set."""
CAMERA_SIZE = 0.1
"""How long a camera's pyramid is, as a share of how far the mesh reaches."""


def cook_stage(script: hou.LopNode) -> None:
    """Add a result to the stage: its component with the chosen variant and binding, its light.

    Raises:
        hou.NodeError: in a sentence, what is missing.
    """
    asset = cast("hou.OpNode", script.parent())
    stage = script.editableStage()
    try:
        _add_to_stage(stage, asset)
    except ToolError as error:
        raise hou.NodeError(str(error)) from None


def _add_to_stage(stage: Any, asset: hou.OpNode) -> None:
    from pxr import Sdf, Usd, UsdGeom, UsdShade

    result = Path(_text(asset, "result"))
    prim = stage.DefinePrim(_prim_path(Sdf, asset, "primpath"), "Xform")
    prim.GetReferences().AddReference(result_files.component(result).as_posix())
    detail = _text(asset, "lod")
    if detail:
        variants = prim.GetVariantSet(DETAIL)
        if detail not in variants.GetVariantNames():
            known = ", ".join(variants.GetVariantNames()) or "none"
            raise ToolError(
                f"this result has no level of detail {detail}; there are: {known}. Make some: "
                "nvdiffrec-tops export RESULT --lods 0.25 0.05"
            )
        variants.SetVariantSelection(detail)
    if _text(asset, "material") == "none":
        for one in list(Usd.PrimRange(prim)):
            if one.IsA(UsdGeom.Mesh):
                UsdShade.MaterialBindingAPI.Apply(one).UnbindAllBindings()
    if _whole(asset, "cameras"):
        path = _prim_path(Sdf, asset, "cameraspath")
        seen = stage.DefinePrim(path, "Xform")
        seen.GetReferences().AddReference(result_files.cameras(result).as_posix())
    if _whole(asset, "light"):
        light = result_files.light(result)
        if light is None:
            raise ToolError(f"{result} has no light; turn the dome light off")
        path = _prim_path(Sdf, asset, "lightpath")
        dome = stage.DefinePrim(path, "DomeLight")
        dome.GetReferences().AddReference(light.as_posix())


def _prim_path(sdf: Any, asset: hou.OpNode, name: str) -> Any:
    text = _text(asset, name)
    path = sdf.Path(text) if sdf.Path.IsValidPathString(text) else sdf.Path.emptyPath
    if not path.IsAbsolutePath() or not path.IsPrimPath():
        raise ToolError(f"{text!r} is no place for a primitive; write for example /asset")
    return path


def cook_geometry(script: hou.SopNode) -> None:
    """Make the geometry of a result: points, triangles, uv, N, tangentu, tangentv, cameras.

    With *Live* it is the preview of the training, while one runs, which has Cd instead of uv and
    tangents until its textures begin.

    Raises:
        hou.NodeError: in a sentence, what is missing.
    """
    asset = cast("hou.OpNode", script.parent())
    try:
        result = Path(_text(asset, "result"))
        live = _whole(asset, "live")
        if live:
            live_results.watch(asset)
        path = result_files.live_mesh(result) if live else None
        if path is None:
            path = result_files.mesh(result, _whole(asset, "lod"))
        surface = surfaces.read_surface(path)
        seen = []
        if _whole(asset, "cameras"):
            seen = result_files.read_cameras(result_files.cameras(result))
    except ToolError as error:
        raise hou.NodeError(str(error)) from None
    geometry = cast("hou.Geometry", script.geometry())
    geometry.clear()
    _triangles(geometry, surface)
    size = max(map(abs, surface.points), default=1.0) * CAMERA_SIZE
    made = [_camera(geometry, one, size) for one in seen]
    count = len(surface.corners) // 3
    material = _text(asset, "materialpath")
    strings = {"shop_materialpath": [material] * count + [""] * len(made) if material else []}
    if made:
        strings["name"] = [""] * count + [one.name for one in seen]
        strings["photograph"] = [""] * count + [one.photograph for one in seen]
    for name, values in strings.items():
        if values:
            geometry.addAttrib(hou.attribType.Prim, name, "")
            geometry.setPrimStringAttribValues(name, values)


def _triangles(geometry: hou.Geometry, surface: surfaces.Surface) -> None:
    values, corners = surface.points, surface.corners
    geometry.createPoints([tuple(values[at : at + 3]) for at in range(0, len(values), 3)])
    geometry.createPolygons([tuple(corners[at : at + 3]) for at in range(0, len(corners), 3)])
    for name, table in (
        ("uv", surface.uv),
        ("N", surface.normal),
        ("tangentu", surface.tangent),
        ("tangentv", surface.bitangent),
        ("Cd", surface.colour),
    ):
        if table:
            geometry.addAttrib(hou.attribType.Vertex, name, (0.0, 0.0, 0.0))
            geometry.setVertexFloatAttribValuesFromString(name, table.tobytes())


def _camera(geometry: hou.Geometry, lens: result_files.Lens, size: float) -> hou.PackedPrim:
    """A packed pyramid that stands where a camera stood, its tip there, open towards its view."""
    pyramid = hou.Geometry()
    corners = [(x * size, y * size, -size) for x, y in lens.corners]
    pyramid.createPoints([(0.0, 0.0, 0.0), *corners])
    around = zip((1, 2, 3, 4), (2, 3, 4, 1), strict=True)
    pyramid.createPolygons([(0, one, other) for one, other in around], False)
    packed = cast("hou.PackedGeometry", geometry.createPacked("PackedGeometry"))
    packed.setEmbeddedGeometry(pyramid)
    packed.setTransform(hou.Matrix4(lens.transform))
    return packed


@messages.told
def reload(kwargs: Mapping[str, Any]) -> None:
    """Read the files once more."""
    inner = cast("hou.OpNode", kwargs["node"]).node(live_results.INNER)
    if inner is None:
        raise ToolError("the node's inside has been changed; make a new one")
    inner.cook(force=True)


def _parm(asset: hou.OpNode, name: str) -> hou.Parm:
    parm = asset.parm(name)
    if parm is None:
        raise ToolError(
            f"this node has no parameter {name}: its library is of another version than the "
            "package; install both anew"
        )
    return parm


def _text(asset: hou.OpNode, name: str) -> str:
    return str(_parm(asset, name).evalAsString())


def _whole(asset: hou.OpNode, name: str) -> int:
    return int(_parm(asset, name).evalAsInt())
