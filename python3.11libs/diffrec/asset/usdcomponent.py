"""The layers of a USD component, in the form of Houdini's Component Builder and ASWF's guidelines.

    NAME.usd       /NAME, kind component, inherits /__class__/NAME; payload, thumbnail, extents
    payload.usda   /NAME, made of the two below
    geo.usdc       /NAME/geo/NAME, the mesh
    mtl.usda       /NAME/mtl/NAME, the material, and its binding

With levels of detail there is a variant set `LOD`: its variants LOD0, LOD1 … hold the meshes in
geo.usdc and the normal maps in mtl.usda.

The material has two outputs: UsdPreviewSurface for any renderer, MaterialX's standard surface for
those that know it. Both read the same pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pxr import Gf, Kind, Sdf, Usd, UsdGeom, UsdLux, UsdMedia, UsdShade, UsdUtils, Vt

from diffrec.asset.asset import Asset
from diffrec.asset.formats import mtlx
from diffrec.asset.texturefiles import is_linear
from diffrec.errors import DiffrecError
from diffrec.geometry.mesh import bounding_box
from nvdiffrec_contract import layout

GEOMETRY, MATERIAL, PAYLOAD = layout.ASSET_LAYERS
DETAIL = "LOD"
"""The set of variants, and how the name of each begins."""
METERS_PER_UNIT = 1.0
"""What is written is in metres, or has no scale of its own and is taken for that."""

# Input of UsdPreviewSurface: the texture, output of its reader, type.
PREVIEW = {
    "diffuseColor": ("albedo", "rgb", Sdf.ValueTypeNames.Color3f),
    "roughness": ("roughness", "r", Sdf.ValueTypeNames.Float),
    "metallic": ("metalness", "r", Sdf.ValueTypeNames.Float),
    "normal": ("normal", "rgb", Sdf.ValueTypeNames.Normal3f),
}
_MATERIALX_TYPES = {
    "color3": Sdf.ValueTypeNames.Color3f,
    "float": Sdf.ValueTypeNames.Float,
    "vector3": Sdf.ValueTypeNames.Float3,
}


def write(asset: Asset) -> list[str]:
    """Write the component into the asset's folder; its files, the one to open first."""
    name, folder = asset.name, asset.folder
    layers = {
        GEOMETRY: _geometry,
        MATERIAL: _material,
        PAYLOAD: _payload,
        f"{name}.usd": _interface,
    }
    if "light" in asset.textures:
        layers[f"{name}{layout.ASSET_LIGHT}"] = _light
    for file, fill in layers.items():
        root = f"{name}_light" if fill is _light else name
        stage = _new(folder / file, root)
        fill(stage, asset)
        stage.Save()
    return [f"{name}.usd", *(file for file in layers if file != f"{name}.usd")]


def package(asset: Asset) -> list[str]:
    """Write the component as one USDZ file: one layer and its pictures, without coarser levels."""
    asset = replace(asset, details=())
    file = f"{asset.name}.usdz"
    # Beside the textures: the pictures keep their paths in the package.
    layer = asset.folder / f"{asset.name}.usdc"
    stage = _new(layer, asset.name)
    _geometry(stage, asset)
    _material(stage, asset)
    Usd.ModelAPI(stage.GetDefaultPrim()).SetKind(Kind.Tokens.component)
    stage.Save()
    whole, target = Sdf.AssetPath(str(layer)), str(asset.folder / file)
    if not UsdUtils.CreateNewUsdzPackage(whole, target, layer.name):
        raise DiffrecError(f"usd-core could not write {file}")
    layer.unlink()
    return [file]


def _new(path: Path, name: str) -> Any:
    """A stage for a new layer whose default prim is /name."""
    binary = path.suffix == ".usdc"
    layer = Sdf.Layer.CreateNew(str(path), args={"format": "usdc" if binary else "usda"})
    stage = Usd.Stage.Open(layer)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, METERS_PER_UNIT)
    stage.SetDefaultPrim(stage.DefinePrim(f"/{name}"))
    return stage


def _levels(stage: Any, asset: Asset) -> Iterator[Asset]:
    """The asset and its coarser levels; what is written of each goes into its variant."""
    if not asset.details:
        yield asset
        return
    variants = stage.GetDefaultPrim().GetVariantSets().AddVariantSet(DETAIL)
    for number, level in enumerate((asset, *asset.details)):
        variants.AddVariant(f"{DETAIL}{number}")
        variants.SetVariantSelection(f"{DETAIL}{number}")
        with variants.GetVariantEditContext():
            yield level
    variants.SetVariantSelection(f"{DETAIL}0")


def _geometry(stage: Any, asset: Asset) -> None:
    name = asset.name
    UsdGeom.Xform.Define(stage, f"/{name}")
    UsdGeom.Scope.Define(stage, f"/{name}/geo")
    for level in _levels(stage, asset):
        _shape(UsdGeom.Mesh.Define(stage, f"/{name}/geo/{name}"), level)


def _shape(shape: Any, asset: Asset) -> None:
    mesh = asset.mesh
    triangles = mesh.triangles.numpy()
    points = Vt.Vec3fArray.FromNumpy(mesh.positions.numpy())
    shape.CreatePointsAttr(points)
    shape.CreateFaceVertexCountsAttr(Vt.IntArray(len(triangles), 3))
    shape.CreateFaceVertexIndicesAttr(_indices(triangles))
    shape.CreateExtentAttr(UsdGeom.PointBased.ComputeExtent(points))
    shape.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    shape.CreateDoubleSidedAttr(True)
    assert mesh.normals is not None and mesh.normal_triangles is not None
    normals, corners = mesh.normals.numpy(), mesh.normal_triangles.numpy()
    shared = len(normals) == len(points) and np.array_equal(corners, triangles)
    values = normals if shared else normals[corners.reshape(-1)]
    shape.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(values)))
    shape.SetNormalsInterpolation(UsdGeom.Tokens.vertex if shared else UsdGeom.Tokens.faceVarying)
    assert mesh.texcoords is not None and mesh.texcoord_triangles is not None
    # USD's texture coordinates begin at the bottom.
    uv = (mesh.texcoords * torch.tensor([1.0, -1.0]) + torch.tensor([0.0, 1.0])).numpy()
    api = UsdGeom.PrimvarsAPI(shape)
    st = api.CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.faceVarying)
    st.Set(Vt.Vec2fArray.FromNumpy(np.ascontiguousarray(uv)))
    st.SetIndices(_indices(mesh.texcoord_triangles.numpy()))
    mean = asset.maps.albedo.mean(dim=(0, 1)).tolist()
    shape.CreateDisplayColorAttr([Gf.Vec3f(*mean)])


def _indices(triangles: np.ndarray[Any, Any]) -> Any:
    return Vt.IntArray.FromNumpy(np.ascontiguousarray(triangles.reshape(-1).astype(np.int32)))


def _material(stage: Any, asset: Asset) -> None:
    name = asset.name
    UsdGeom.Xform.Define(stage, f"/{name}")
    UsdGeom.Scope.Define(stage, f"/{name}/mtl")
    material = UsdShade.Material.Define(stage, f"/{name}/mtl/{name}")
    _preview_surface(stage, material, asset)
    _standard_surface(stage, material, asset)
    for level in _levels(stage, asset):
        for reader in ("preview_normal", "mtlx_normal"):
            path = material.GetPath().AppendChild(reader)
            _file(UsdShade.Shader(stage.GetPrimAtPath(path)), level, "normal")
    shape = stage.OverridePrim(f"/{name}/geo/{name}")
    UsdShade.MaterialBindingAPI.Apply(shape).Bind(material)


def _shader(stage: Any, parent: Any, name: str, id: str) -> Any:
    shader = UsdShade.Shader.Define(stage, parent.GetPath().AppendChild(name))
    shader.CreateIdAttr(id)
    return shader


def _preview_surface(stage: Any, material: Any, asset: Asset) -> None:
    surface = _shader(stage, material, "preview_surface", "UsdPreviewSurface")
    uv = _shader(stage, material, "preview_st", "UsdPrimvarReader_float2")
    uv.CreateInput("varname", Sdf.ValueTypeNames.String).Set("st")
    st = uv.CreateOutput("result", Sdf.ValueTypeNames.Float2)
    for name, (texture, output, kind) in PREVIEW.items():
        reader = _shader(stage, material, f"preview_{texture}", "UsdUVTexture")
        if texture != "normal":
            _file(reader, asset, texture)
        is_srgb = texture == "albedo" and not is_linear(asset.textures[texture])
        space = "sRGB" if is_srgb else "raw"
        reader.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set(space)
        reader.CreateInput("st", Sdf.ValueTypeNames.Float2).ConnectToSource(st)
        for wrap in ("wrapS", "wrapT"):
            reader.CreateInput(wrap, Sdf.ValueTypeNames.Token).Set("repeat")
        if texture == "normal":
            reader.CreateInput("scale", Sdf.ValueTypeNames.Float4).Set(Gf.Vec4f(2, 2, 2, 1))
            reader.CreateInput("bias", Sdf.ValueTypeNames.Float4).Set(Gf.Vec4f(-1, -1, -1, 0))
        read = Sdf.ValueTypeNames.Float if output == "r" else Sdf.ValueTypeNames.Float3
        surface.CreateInput(name, kind).ConnectToSource(reader.CreateOutput(output, read))
    made = surface.CreateOutput("surface", Sdf.ValueTypeNames.Token)
    material.CreateSurfaceOutput().ConnectToSource(made)


def _standard_surface(stage: Any, material: Any, asset: Asset) -> None:
    surface = _shader(stage, material, "mtlx_surface", "ND_standard_surface_surfaceshader")
    surface.CreateInput("base", Sdf.ValueTypeNames.Float).Set(1.0)
    uv = _shader(stage, material, "mtlx_st", "ND_geompropvalue_vector2")
    uv.CreateInput("geomprop", Sdf.ValueTypeNames.String).Set("st")
    st = uv.CreateOutput("out", Sdf.ValueTypeNames.Float2)
    for name, (texture, kind) in mtlx.INPUTS.items():
        value = _MATERIALX_TYPES[kind]
        reader = _shader(stage, material, f"mtlx_{texture}", f"ND_image_{kind}")
        if texture != "normal":
            file = _file(reader, asset, texture)
            if kind == "color3":
                file.GetAttr().SetColorSpace(mtlx.space_of(asset.textures[texture]))
        reader.CreateInput("texcoord", Sdf.ValueTypeNames.Float2).ConnectToSource(st)
        last = reader.CreateOutput("out", value)
        if texture == "normal":
            # MaterialX 1.39 has another name for it; USD's readers know this one under both.
            node = _shader(stage, material, "mtlx_normal_map", "ND_normalmap")
            node.CreateInput("in", value).ConnectToSource(last)
            last = node.CreateOutput("out", value)
        surface.CreateInput(name, value).ConnectToSource(last)
    made = surface.CreateOutput("out", Sdf.ValueTypeNames.Token)
    material.CreateSurfaceOutput("mtlx").ConnectToSource(made)


def _file(reader: Any, asset: Asset, texture: str) -> Any:
    path = asset.textures[texture]
    found = reader.CreateInput("file", Sdf.ValueTypeNames.Asset)
    found.Set(Sdf.AssetPath(path if path.startswith(".") else f"./{path}"))
    return found


def _payload(stage: Any, asset: Asset) -> None:
    prim = stage.GetDefaultPrim()
    # The stronger one first: it binds what the other holds.
    for layer in (MATERIAL, GEOMETRY):
        prim.GetReferences().AddReference(f"./{layer}")


def _interface(stage: Any, asset: Asset) -> None:
    name = asset.name
    stage.CreateClassPrim("/__class__")
    stage.CreateClassPrim(f"/__class__/{name}")
    prim = UsdGeom.Xform.Define(stage, f"/{name}").GetPrim()
    prim.GetInherits().AddInherit(f"/__class__/{name}")
    prim.GetPayloads().AddPayload(f"./{PAYLOAD}")
    model = Usd.ModelAPI(prim)
    model.SetKind(Kind.Tokens.component)
    model.SetAssetName(name)
    model.SetAssetIdentifier(Sdf.AssetPath(f"./{name}.usd"))
    prim.SetCustomDataByKey("texelsPerUnit", asset.maps.density)
    if asset.details:
        # Named here too, so that they can be chosen before anything heavy is loaded.
        variants = prim.GetVariantSets().AddVariantSet(DETAIL)
        for number in range(len(asset.details) + 1):
            variants.AddVariant(f"{DETAIL}{number}")
        variants.SetVariantSelection(f"{DETAIL}0")
    low, high = bounding_box(asset.mesh.positions)
    extents = Vt.Vec3fArray([Gf.Vec3f(*low.tolist()), Gf.Vec3f(*high.tolist())])
    UsdGeom.ModelAPI.Apply(prim).SetExtentsHint(extents)
    if asset.thumbnail is not None:
        shown = UsdMedia.AssetPreviewsAPI.Apply(prim)
        thumbnail = Sdf.AssetPath(f"./{asset.thumbnail}")
        shown.SetDefaultThumbnails(UsdMedia.AssetPreviewsAPI.Thumbnails(defaultImage=thumbnail))


def _light(stage: Any, asset: Asset) -> None:
    name = f"{asset.name}_light"
    light = UsdLux.DomeLight.Define(stage, f"/{name}")
    light.CreateTextureFileAttr(Sdf.AssetPath(f"./{asset.textures['light']}"))
    light.CreateTextureFormatAttr(UsdLux.Tokens.latlong)
    # USD looks along +z in the middle of such a picture, this one along -z.
    light.AddRotateYOp().Set(180.0)
