"""The files of an asset over UDIM tiles, by the checkers and readers of others."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch

from diffrec import cameras, imagefiles
from diffrec.asset.command import main
from diffrec.asset.source import Source
from diffrec.asset.udim.numbers import pattern_of
from diffrec.asset.write import write_asset
from diffrec.colour import linear_to_srgb
from diffrec.export.obj import write_obj
from diffrec.textured_mesh import load_obj
from nvdiffrec_contract import exporting
from nvdiffrec_contract.configuration import ASSET_FORMATS, from_mapping
from nvdiffrec_contract.errors import ConfigError

from .conftest import ball_source
from .test_asset_files import errors_of, library  # noqa: F401
from .test_asset_udim_charts import in_usd, waves

MaterialX = pytest.importorskip("MaterialX")
pxr = pytest.importorskip("pxr")
from pxr import Usd, UsdGeom, UsdShade, UsdUtils  # noqa: E402

KINDS = ("albedo_srgb", "roughness_raw", "metalness_raw", "occlusion_raw", "normal_raw")


def complaints(file: Path) -> set[str]:
    """What the validators of USD say, but for what usd-core does not know.

    That are the nodes of MaterialX, and to its validator of normal maps a file with <UDIM> is one
    that is not there.
    """
    return {
        error.GetName()
        for error in errors_of(file)
        if not (error.GetName() == "InvalidFile" and "_normal_raw.<UDIM>." in error.GetMessage())
    } - {"MissingShaderIdInRegistry"}


@pytest.fixture(scope="module")
def tiled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The ball's asset over four tiles, with a level of detail, and what was told."""
    folder, lines = tmp_path_factory.mktemp("udim") / "ball", list[str]()
    files = write_asset(
        ball_source(), folder, "ball", ASSET_FORMATS, lines.append, udim=4, lods=(0.3,), turntable=2
    )
    assert sorted(files) == sorted(path for path in folder.rglob("*") if path.is_file())
    return folder, lines


def test_each_tile_that_faces_use_has_a_file_of_each_texture(tiled: Any) -> None:
    folder, lines = tiled
    _, uv = in_usd(folder / "ball.usd")
    tile = torch.floor(uv[:, 0])
    used = set((1001 + tile[:, 0] + 10 * tile[:, 1]).long().tolist())
    assert used == {1001, 1002, 1003, 1004}
    names = {f"ball_{kind}.{number}.png" for kind in KINDS for number in used}
    names |= {f"ball_normal_directx_raw.{number}.png" for number in used}
    names |= {
        f"ball_lod1_normal_{kind}.{number}.png"
        for kind in ("raw", "directx_raw")
        for number in used
    }
    linear = {
        f"ball_{kind}_raw.{number}.exr"
        for kind in ("roughness", "metalness", "normal", "lod1_normal")
        for number in used
    }
    there = {path.name for path in (folder / "textures").iterdir()}
    assert there == names | linear | {"ball_light_linear.hdr"}
    for name in names:
        assert imagefiles.read_linear(folder / "textures" / name).shape[:2] == (128, 128)
    assert "4 UDIM tiles of 128 x 128" in next(line for line in lines if "Asset" in line)
    (warning,) = [line for line in lines if line.startswith("Warning")]
    assert "show no more" in warning and "texture_res" in warning


def test_the_density_is_that_of_the_tiles(tiled: Any, written: Any) -> None:
    def density(folder: Path) -> float:
        stage = Usd.Stage.Open(str(folder / "ball.usd"))
        found: float = stage.GetDefaultPrim().GetCustomDataByKey("texelsPerUnit")
        return found

    assert 1.7 < density(tiled[0]) / density(written.folder) < 2.5


@pytest.mark.parametrize("level", ["LOD0", "LOD1"])
def test_all_validators_of_usd_are_content_and_find_every_tile(
    tiled: Any, tmp_path: Path, level: str
) -> None:
    folder, _ = tiled
    shot = tmp_path / "shot.usda"
    stage = Usd.Stage.CreateNew(str(shot))
    prim = stage.DefinePrim("/ball", "Xform")
    prim.GetReferences().AddReference(str(folder / "ball.usd"))
    prim.GetVariantSet("LOD").SetVariantSelection(level)
    stage.SetDefaultPrim(prim)
    stage.SetMetadata("upAxis", "Y")
    stage.SetMetadata("metersPerUnit", 1.0)
    stage.Save()
    assert not complaints(shot)
    readers = 0
    for prim in stage.Traverse():
        named = UsdShade.Shader(prim).GetInput("file") if UsdShade.Shader(prim) else None
        if not named:
            continue
        readers += 1
        text = named.Get().path
        assert UsdShade.UdimUtils.IsUdimIdentifier(text)
        layer = named.GetAttr().GetPropertyStack(Usd.TimeCode.Default())[0].layer
        assert layer.realPath == str(folder / "mtl.usda")
        found = UsdShade.UdimUtils.ResolveUdimTilePaths(text, layer)
        assert [number for _, number in found] == ["1001", "1002", "1003", "1004"]
        assert ("lod1" in text) == (level == "LOD1" and "normal" in text)
    assert readers == 8
    _layers, _assets, missing = UsdUtils.ComputeAllDependencies(str(folder / "ball.usd"))
    assert not missing


def test_the_material_alone_names_the_tiles_and_is_valid(tiled: Any, library: Any) -> None:  # noqa: F811
    folder, _ = tiled
    document = MaterialX.createDocument()
    document.setDataLibrary(library)
    MaterialX.readFromXmlFile(document, str(folder / "ball.mtlx"))
    assert document.validate() == (True, "")
    numbers = document.getGeomPropValue(MaterialX.UDIM_SET_PROPERTY).getData()
    assert numbers == ["1001", "1002", "1003", "1004"]
    files = [
        node.getInputValue("file")
        for node in document.getNodeGraph("NG_ball").getNodes()
        if node.getInput("file")
    ]
    assert len(files) == 4
    for file in files:
        assert MaterialX.UDIM_TOKEN in file
        for number in numbers:
            assert (folder / file.replace(MaterialX.UDIM_TOKEN, number)).is_file()


@pytest.mark.parametrize("name", ["ball", "ball_lod1"])
def test_obj_has_a_material_for_each_tile(tiled: Any, name: str) -> None:
    folder, _ = tiled
    found = load_obj(folder / f"{name}.obj")
    assert not found.warnings
    names = [slot.material.name for slot in found.slots]
    assert names == [f"{name}_{number}" for number in (1001, 1002, 1003, 1004)]
    assert found.mesh.texcoords is not None and found.mesh.texcoord_triangles is not None
    tile = torch.floor(found.mesh.texcoords[found.mesh.texcoord_triangles][:, 0, 0]).long()
    assert torch.equal(tile, found.of_triangle)
    for number, slot in enumerate(found.slots):
        paths = [picture.path for picture in slot.material.pictures]
        assert paths and all(path.is_file() and f".{1001 + number}." in path.name for path in paths)
    corners = found.mesh.positions[found.mesh.triangles].reshape(-1, 9)
    assert len(torch.unique(corners, dim=0)) == len(corners)


def test_formats_that_know_no_tiles_are_as_without(tiled: Any, written: Any) -> None:
    folder, _ = tiled
    assert (folder / "ball.glb").read_bytes() == (written.folder / "ball.glb").read_bytes()
    _, uv = in_usd(folder / "ball.usdz")
    assert torch.equal(uv, in_usd(written.folder / "ball.usdz")[1])
    assert uv.min() >= 0 and uv.max() <= 1
    _, assets, missing = UsdUtils.ComputeAllDependencies(str(folder / "ball.usdz"))
    assert len(assets) == 4 and not missing


def test_a_level_over_tiles_is_the_level_in_one_picture(tiled: Any) -> None:
    folder, _ = tiled
    stage = Usd.Stage.Open(str(folder / "ball.usd"))
    stage.GetDefaultPrim().GetVariantSet("LOD").SetVariantSelection("LOD1")
    shape = UsdGeom.Mesh(stage.GetPrimAtPath("/ball/geo/ball"))
    points = np.array(shape.GetPointsAttr().Get())
    corners = points[np.array(shape.GetFaceVertexIndicesAttr().Get()).reshape(-1, 3)]
    import trimesh

    (other,) = trimesh.load(folder / "ball_lod1.glb", process=False).geometry.values()
    theirs = np.array(other.vertices)[np.array(other.faces)]
    np.testing.assert_allclose(corners, theirs, atol=1e-6)


def test_mitsuba_shows_the_same_with_tiles_as_without(
    new_ball: Source,
    tmp_path: Path,
    mitsuba_render: Callable[..., Any],
    as_usd_says: Callable[[Path, Path, Path], None],
) -> None:
    pose = cameras.translation(0, 0, -2.76) @ cameras.rotation_x(0.26) @ cameras.rotation_y(-0.23)
    # Without edges, which are interpolated otherwise between finer texels.
    soft = replace(new_ball, kd=waves(128, 128, 3, 0), ks=waves(128, 128, 3, 1))
    shown = []
    for tiles in (0, 4):
        folder, place = tmp_path / f"asset {tiles}", tmp_path / f"read {tiles}"
        with patch("diffrec.asset.write.pictures", return_value=[]):
            write_asset(soft, folder, "ball", ("usd",), print, udim=tiles)
        as_usd_says(folder / "ball.usd", folder / "ball_light.usda", place)
        image = mitsuba_render(place, pose.double().numpy(), 48, samples=16)
        shown.append(linear_to_srgb(torch.from_numpy(image)[..., :3]).clamp(0, 1))
    one, other = shown
    assert one.std() > 0.1
    assert -10 * math.log10(float((one - other).square().mean())) > 45


def test_another_export_leaves_no_tile_of_the_one_before(
    new_ball: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    textures = tmp_path / "textures"
    monkeypatch.setattr("diffrec.asset.write.pictures", lambda *_: [])
    write_asset(new_ball, tmp_path, "ball", ("mtlx",), print, udim=4)
    for name in ("other_albedo_srgb.1004.png", "ball_mask.1004.png", "ball_albedo_srgb.png"):
        (textures / name).write_text("the artist's")
    (textures / "ball_albedo_srgb.1009.png").mkdir()
    write_asset(new_ball, tmp_path, "ball", ("mtlx",), print, udim=2)
    numbers = {path.name for path in textures.iterdir() if "1003" in path.name}
    assert not numbers
    assert {path.name for path in textures.glob("*1004*")} == {
        "other_albedo_srgb.1004.png",
        "ball_mask.1004.png",
    }
    assert (textures / "ball_albedo_srgb.png").read_text() == "the artist's"


def test_the_number_of_a_file_is_its_last_part_but_one() -> None:
    assert pattern_of("textures/a_normal_raw.1014.png") == "textures/a_normal_raw.<UDIM>.png"
    for file in ("textures/1001/a.png", "a_1001.png", "thumbnail.png", "a.0001.png"):
        assert pattern_of(file) == file


def test_exr_tiles_are_linear_and_named_so(new_ball: Source, tmp_path: Path) -> None:
    pytest.importorskip("OpenEXR", reason="OpenEXR is not installed")
    write_asset(new_ball, tmp_path, "a", ("usd", "mtlx"), print, udim=2, textures="exr", size=256)
    text = (tmp_path / "a.mtlx").read_text()
    assert 'value="textures/a_albedo_linear.&lt;UDIM&gt;.exr"' in text and "lin_rec709" in text
    assert (tmp_path / "textures" / "a_albedo_linear.1002.exr").is_file()
    assert not list((tmp_path / "textures").glob("*.png"))
    assert not complaints(tmp_path / "a.usd")


def test_the_command_writes_tiles_under_any_name(
    new_ball: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "r é.1001.png"
    (result / "mesh").mkdir(parents=True)
    write_obj(result / "mesh" / "mesh.obj", new_ball.mesh)
    imagefiles.write_png(result / "mesh" / "texture_kd.png", new_ball.kd)
    imagefiles.write_png(result / "mesh" / "texture_ks.png", new_ball.ks)
    imagefiles.write_png(result / "mesh" / "texture_n.png", new_ball.normal * 0.5 + 0.5)
    name = "a/<UDIM>\n.1001.png"
    assert main([str(result), "--udim", "3", "--formats", "usd", "obj", "--name", name]) == 0
    assert "UDIM tiles of 128 x 128" in capsys.readouterr().out
    folder = result / "asset"
    assert {path.name for path in folder.glob("textures/*albedo*")} == {
        f"a_UDIM_1001_png_albedo_srgb.{number}.png" for number in (1001, 1002, 1003)
    }
    assert not complaints(folder / "a_UDIM_1001_png.usd")


@pytest.mark.parametrize("value", [-1, 17, 2.5, "4", True, [4]])
def test_tiles_that_cannot_be_are_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="asset_udim"):
        from_mapping({"diffrec": {"asset_udim": value}}, "here")


def test_tiles_are_asked_for_by_field_and_by_option() -> None:
    assert from_mapping({"diffrec": {"asset_udim": 4}}, "here").diffrec.asset_udim == 4
    parser = argparse.ArgumentParser()
    exporting.add_arguments(parser)
    asked = parser.parse_args(["r", "--udim", "16"])
    assert parser.parse_args(exporting.arguments(asked)).udim == 16
    assert parser.parse_args(["r"]).udim == 0
    for wrong in ("17", "-1", "four"):
        with pytest.raises(SystemExit):
            parser.parse_args(["r", "--udim", wrong])
