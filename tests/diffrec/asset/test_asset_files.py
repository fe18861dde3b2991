"""What an asset's files are, by the checkers of those who define them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

import diffrec.asset.write
from diffrec.asset.command import main
from diffrec.asset.formats import formats
from diffrec.asset.names import asset_name
from diffrec.asset.source import AssetError
from diffrec.asset.texels import texels_of
from diffrec.asset.write import write_asset
from diffrec.export.obj import write_obj
from diffrec.imagefiles import read_linear
from diffrec.textured_mesh import load_obj
from nvdiffrec_contract.configuration import ASSET_FORMATS, from_mapping

MaterialX = pytest.importorskip("MaterialX")
pxr = pytest.importorskip("pxr")
from pxr import Usd, UsdGeom, UsdLux, UsdMedia, UsdShade, UsdUtils, UsdValidation  # noqa: E402

VALIDATE = """
const validator = require('gltf-validator'), fs = require('fs');
validator.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1]))).then(
    (report) => console.log(JSON.stringify(report)));
"""


@pytest.fixture(scope="module")
def library() -> Any:
    """MaterialX's own nodes."""
    found = MaterialX.createDocument()
    MaterialX.loadLibraries(
        MaterialX.getDefaultDataLibraryFolders(), MaterialX.getDefaultDataSearchPath(), found
    )
    return found


def test_the_formats_are_those_of_the_configuration() -> None:
    assert sorted(formats()) == sorted(ASSET_FORMATS)
    fields = from_mapping({"diffrec": {"asset": ["glb"]}}, "here").diffrec
    assert fields.asset == ("glb",)


def test_every_file_is_told_of_and_nothing_else_is_left(written: Any) -> None:
    there = sorted(path for path in written.folder.rglob("*") if path.is_file())
    assert there == sorted(written.files)
    names = {path.relative_to(written.folder).as_posix() for path in there}
    assert {f"ball.{ending}" for ending in ("usd", "usdz", "glb", "mtlx", "obj", "mtl")} <= names
    assert {"thumbnail.png", "turntable/ball.0001.png", "turntable/ball.0002.png"} <= names
    assert not any(line.startswith("Warning") for line in written.lines)


def errors_of(path: Path) -> list[Any]:
    registry = UsdValidation.ValidationRegistry()
    context = UsdValidation.ValidationContext(registry.GetOrLoadAllValidators())
    return list(context.Validate(Usd.Stage.Open(str(path))))


@pytest.mark.parametrize("file", ["ball.usd", "ball.usdz", "ball_light.usda"])
def test_all_validators_of_usd_are_content(written: Any, library: Any, file: str) -> None:
    for error in errors_of(written.folder / file):
        # usd-core is built without MaterialX, so it knows none of its nodes; MaterialX does.
        assert error.GetName() == "MissingShaderIdInRegistry", error.GetMessage()
        node = error.GetMessage().split("'")[1]
        assert library.getNodeDef(node) or library.getNodeDef(f"{node}_float"), node


def test_the_component_has_the_form_of_the_guidelines(written: Any) -> None:
    path = written.folder / "ball.usd"
    stage = Usd.Stage.Open(str(path))
    prim = stage.GetDefaultPrim()
    model = Usd.ModelAPI(prim)
    assert prim.GetPath() == "/ball" and model.GetKind() == "component"
    assert prim.HasAuthoredPayloads() and model.GetAssetName() == "ball"
    assert [str(one) for one in prim.GetInherits().GetAllDirectInherits()] == ["/__class__/ball"]
    assert UsdGeom.GetStageUpAxis(stage) == "Y" and UsdGeom.GetStageMetersPerUnit(stage) == 1
    shown = UsdMedia.AssetPreviewsAPI(prim).GetDefaultThumbnails().defaultImage
    assert Path(shown.resolvedPath) == written.folder / "thumbnail.png"
    np.testing.assert_allclose(
        UsdGeom.ModelAPI(prim).GetExtentsHint(), [[-1] * 3, [1] * 3], atol=5e-3
    )
    _layers, assets, missing = UsdUtils.ComputeAllDependencies(str(path))
    assert not missing and len(assets) == 5
    # Without the payload nothing heavy is loaded.
    light = Usd.Stage.Open(str(path), Usd.Stage.LoadNone)
    assert not light.GetPrimAtPath("/ball/geo").IsValid()
    # A change of the class reaches the asset.
    over = stage.OverridePrim("/__class__/ball")
    UsdGeom.Imageable(over).CreateVisibilityAttr("invisible")
    assert UsdGeom.Imageable(prim).ComputeVisibility() == "invisible"


def test_the_mesh_in_usd_is_the_mesh(written: Any) -> None:
    mesh = written.source.mesh
    for file in ("ball.usd", "ball.usdz"):
        stage = Usd.Stage.Open(str(written.folder / file))
        shape = UsdGeom.Mesh(stage.GetPrimAtPath("/ball/geo/ball"))
        assert shape.GetSubdivisionSchemeAttr().Get() == "none"
        corners = np.array(shape.GetFaceVertexIndicesAttr().Get()).reshape(-1, 3)
        np.testing.assert_array_equal(corners, mesh.triangles)
        np.testing.assert_allclose(shape.GetPointsAttr().Get(), mesh.positions)
        uv = np.array(UsdGeom.PrimvarsAPI(shape).GetPrimvar("st").ComputeFlattened())
        expected = mesh.texcoords[mesh.texcoord_triangles.reshape(-1)].numpy()
        np.testing.assert_allclose(uv, expected * [1, -1] + [0, 1], atol=1e-6)
        material, _ = UsdShade.MaterialBindingAPI(shape).ComputeBoundMaterial()
        for context, shader in (
            ("", "UsdPreviewSurface"),
            ("mtlx", "ND_standard_surface_surfaceshader"),
        ):
            surface, _name, _kind = material.ComputeSurfaceSource(context)
            assert surface.GetIdAttr().Get() == shader


def test_the_nodes_of_materialx_in_usd_are_those_of_materialx(written: Any, library: Any) -> None:
    stage = Usd.Stage.Open(str(written.folder / "ball.usd"))
    seen = 0
    for prim in stage.Traverse():
        shader = UsdShade.Shader(prim)
        id = shader.GetIdAttr().Get() if shader else ""
        if not (id or "").startswith("ND_"):
            continue
        node = library.getNodeDef(id) or library.getNodeDef(f"{id}_float")
        kinds = {one.getName(): one.getType() for one in node.getActiveInputs()}
        for given_input in shader.GetInputs():
            seen += 1
            kind = str(given_input.GetTypeName()).replace("asset", "filename")
            wanted = kinds[given_input.GetBaseName()]
            same = {"float3": "vector3", "float2": "vector2", "color3f": "color3"}
            assert same.get(kind, kind) == wanted, (id, given_input.GetBaseName())
    assert seen > 10


def test_the_material_alone_is_a_valid_document(written: Any, library: Any) -> None:
    document = MaterialX.createDocument()
    document.setDataLibrary(library)
    MaterialX.readFromXmlFile(document, str(written.folder / "ball.mtlx"))
    assert document.validate() == (True, "")
    files = [
        node.getInputValue("file")
        for node in document.getNodeGraph("NG_ball").getNodes()
        if node.getInput("file")
    ]
    assert len(files) == 4 and all((written.folder / file).is_file() for file in files)
    assert document.getNode("ball").getType() == "material"


def test_the_khronos_validator_is_content(
    written: Any, node: Callable[[str, str, list[str]], str]
) -> None:
    report = json.loads(node("gltf-validator", VALIDATE, [str(written.folder / "ball.glb")]))
    assert report["issues"]["messages"] == []


def test_a_reader_of_obj_finds_every_map(written: Any) -> None:
    found = load_obj(written.folder / "ball.obj")
    assert [slot.material.name for slot in found.slots] == ["ball"] and not found.warnings
    assert all(picture.path.is_file() for picture in found.slots[0].material.pictures)
    assert len(found.mesh.triangles) == len(written.source.mesh.triangles)
    raw = trimesh.load(written.folder / "ball.obj", process=False)
    assert raw.visual.material.name == "ball"
    named = {}
    for line in (written.folder / "ball.mtl").read_text().splitlines():
        keyword, *words = line.split()
        if keyword.startswith(("map", "norm")):
            assert (written.folder / words[-1]).is_file(), line
            named[keyword] = words[-1]
    # An MTL names no colour spaces: what is no colour is where no reader looks for a curve.
    linear = {"map_Pr": "roughness", "map_Pm": "metalness", "map_Bump": "normal"}
    for keyword, kind in linear.items():
        assert named[keyword] == f"textures/ball_{kind}_raw.exr"
        plain = read_linear(written.folder / f"textures/ball_{kind}_raw.png").numpy()
        exact = read_linear(written.folder / named[keyword]).numpy()
        np.testing.assert_allclose(exact[..., :1], plain[..., :1], atol=3e-3)


def test_normals_have_sixteen_bits_in_both_conventions(written: Any) -> None:
    textures = written.folder / "textures"
    up, down = (
        cv2.imread(str(textures / f"ball_{name}_raw.png"), cv2.IMREAD_UNCHANGED)
        for name in ("normal", "normal_directx")
    )
    assert up.dtype == np.uint16
    np.testing.assert_array_equal(up[..., [0, 2]], down[..., [0, 2]])
    assert np.abs(up[..., 1].astype(int) + down[..., 1] - 65535).max() <= 1


def test_the_dome_is_turned_by_half(written: Any) -> None:
    stage = Usd.Stage.Open(str(written.folder / "ball_light.usda"))
    light = UsdLux.DomeLight(stage.GetDefaultPrim())
    turn = UsdGeom.Xformable(light).GetLocalTransformation()
    # USD: the middle column looks along +z, the column a quarter to its right along -x.
    assert turn.TransformDir((0, 0, 1)) == pytest.approx((0, 0, -1), abs=1e-6)
    assert turn.TransformDir((-1, 0, 0)) == pytest.approx((1, 0, 0), abs=1e-6)
    assert turn.TransformDir((0, 1, 0)) == pytest.approx((0, 1, 0), abs=1e-6)


def test_a_package_that_is_missing_costs_its_own_files_alone(
    written: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(diffrec.asset.write, "import_module", without)
    lines: list[str] = []
    write_asset(written.source, tmp_path / "a", "a", ("usd", "mtlx", "usdz"), lines.append)
    assert (tmp_path / "a" / "a.mtlx").is_file() and not list((tmp_path / "a").glob("*.usd*"))
    warnings = [line for line in lines if line.startswith("Warning")]
    assert len(warnings) == 2 and all("pip install usd-core" in line for line in warnings)


@given(st.text(max_size=80))
def test_a_name_is_one_everywhere(text: str) -> None:
    name = asset_name(text)
    assert name.isascii() and name.isidentifier() and len(name) <= 65
    assert name.lower().split(".")[0] not in {"con", "prn", "aux", "nul", "com1", "lpt1"}
    assert asset_name(name).strip("_") == name.strip("_")


def test_what_cannot_be_exported_is_told_in_a_sentence(
    written: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*arguments: str) -> str:
        assert main(list(arguments)) == 1
        return capsys.readouterr().err

    assert "does not exist" in told(str(tmp_path / "no such"))
    (tmp_path / "r" / "mesh").mkdir(parents=True)
    assert "has no mesh/mesh.obj" in told(str(tmp_path / "r"))
    mesh = written.source.mesh
    write_obj(tmp_path / "r" / "mesh" / "mesh.obj", mesh)
    found = told(str(tmp_path / "r"))
    assert "texture_kd.png" in found and "Traceback" not in found
    for name in ("texture_kd.png", "texture_ks.png", "texture_n.png"):
        (tmp_path / "r" / "mesh" / name).write_bytes(b"no picture")
    assert "no picture that can be read" in told(str(tmp_path / "r"))
    for name in ("texture_kd.png", "texture_ks.png", "texture_n.png"):
        cv2.imwrite(str(tmp_path / "r" / "mesh" / name), np.full((8, 8, 3), 200, np.uint8))
    (tmp_path / "r" / "asset").write_text("a file of the artist's")
    assert "cannot be written to" in told(str(tmp_path / "r"), "--formats", "obj")
    assert (tmp_path / "r" / "asset").read_text() == "a file of the artist's"
    # Without a light there is an asset all the same.
    out = tmp_path / "out"
    assert main([str(tmp_path / "r"), "--out", str(out), "--formats", "usd", "--name", "a b"]) == 0
    assert "called a_b" in capsys.readouterr().out
    assert (out / "a_b.usd").is_file() and not list(out.rglob("*light*"))


def test_textures_as_openexr_are_linear_and_named_so_everywhere(
    written: Any, library: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exr = pytest.importorskip("OpenEXR", reason="OpenEXR is not installed")
    folder = tmp_path / "a"
    source = written.source
    write_asset(source, folder, "a", ("usd", "usdz", "mtlx", "obj"), print, textures="exr")
    assert not list((folder / "textures").glob("*.png"))
    albedo = exr.File(str(folder / "textures" / "a_albedo_linear.exr")).channels()["RGB"].pixels
    inside = texels_of(source.mesh, (128, 128)).used.numpy()
    expected = (source.kd * (1 - source.ks[..., :1])).numpy()
    np.testing.assert_allclose(albedo[inside], expected[inside], atol=1e-3)
    normal = exr.File(str(folder / "textures" / "a_normal_raw.exr")).channels()["RGB"].pixels
    assert normal.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(normal * 2 - 1, axis=2), 1, atol=1e-5)
    rough = exr.File(str(folder / "textures" / "a_roughness_raw.exr")).channels()["Y"].pixels
    np.testing.assert_allclose(rough[inside], source.ks[..., 1].numpy()[inside], atol=1e-3)
    for file in ("a.usd", "a.usdz"):
        stage = Usd.Stage.Open(str(folder / file))
        for error in errors_of(folder / file):
            assert error.GetName() == "MissingShaderIdInRegistry", error.GetMessage()
        reader = UsdShade.Shader(stage.GetPrimAtPath("/a/mtl/a/preview_albedo"))
        assert reader.GetInput("sourceColorSpace").Get() == "raw"
        other = stage.GetPrimAtPath("/a/mtl/a/mtlx_albedo").GetAttribute("inputs:file")
        assert other.GetColorSpace() == "lin_rec709"
        assert other.Get().path.endswith("textures/a_albedo_linear.exr")
    document = MaterialX.createDocument()
    document.setDataLibrary(library)
    MaterialX.readFromXmlFile(document, str(folder / "a.mtlx"))
    assert document.validate() == (True, "")
    image = document.getNodeGraph("NG_a").getNode("albedo").getInput("file")
    assert image.getColorSpace() == "lin_rec709" and (folder / image.getValueString()).is_file()

    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    with pytest.raises(AssetError, match="pip install OpenEXR"):
        write_asset(source, tmp_path / "b", "b", ("obj",), print, textures="exr")
