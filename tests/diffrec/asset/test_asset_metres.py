"""An asset of a data set that knows metres has the size of its object, in every format."""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import diffrec.asset.write
from diffrec import cameras
from diffrec.asset import upright
from diffrec.asset.command import main
from diffrec.asset.finished import write_finished
from diffrec.asset.source import AssetError, Source
from diffrec.data import metres as lengths
from diffrec.data.views import ImageViews, View
from diffrec.export import textures
from diffrec.export.obj import write_obj
from diffrec.geometry.mesh import bounding_box
from diffrec.materials import TextureMaterial
from diffrec.shading.light import EnvironmentLight
from diffrec.textured_mesh import load_obj
from nvdiffrec_contract import layout
from nvdiffrec_contract.configuration import Config, Extensions

from .conftest import ball_source

SIDES = (1.0, 2.0, 0.5)


@pytest.fixture(autouse=True, scope="module")
def no_pictures() -> Iterator[None]:
    """Pictures of the asset are not what is looked at here, and take their time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diffrec.asset.write, "pictures", lambda *_: [])
        yield


def views_of(metres: float | None, up: tuple[float, float, float] | None = None) -> ImageViews:
    lens = cameras.perspective(0.6, 1.5, 0.1, 50.0)
    view = View("a.png", cameras.turntable_pose(3), lens, lambda: torch.zeros(4, 6, 4))
    views = ImageViews([view], "cpu", pre_load=False)
    views.up, views.metres = up, metres
    return views.subset([0])


def finish(source: Source, folder: Path, views: ImageViews, *formats: str) -> list[str]:
    lines: list[str] = []
    folder.mkdir(exist_ok=True)
    material = TextureMaterial.from_images(source.kd, source.ks, source.normal)
    own = Extensions(asset=formats, asset_turntable=0, asset_cameras="usd" in formats)
    assert source.light is not None
    light = EnvironmentLight.from_latlong(source.light, 16)
    config = dataclasses.replace(Config(), diffrec=own)
    write_finished(config, folder, source.mesh, material, light, lines.append, views)
    return lines


def in_glb(path: Path) -> tuple[list[float], list[float]]:
    """The bounds of its positions, as the file says."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    document = json.loads(data[20 : 20 + length])
    (primitive,) = document["meshes"][0]["primitives"]
    accessor = document["accessors"][primitive["attributes"]["POSITION"]]
    assert document["nodes"] == [{"name": path.stem, "mesh": 0}]
    return accessor["min"], accessor["max"]


@pytest.fixture
def block(new_ball: Source) -> Source:
    """The ball, of three different sides."""
    positions = new_ball.mesh.positions * torch.tensor(SIDES)
    return dataclasses.replace(
        new_ball, mesh=dataclasses.replace(new_ball.mesh, positions=positions)
    )


def test_every_format_has_the_size_of_the_object(block: Source, tmp_path: Path) -> None:
    pxr = pytest.importorskip("pxr", reason="usd-core is not installed")
    folder, metres = tmp_path / "a", 0.085
    told = finish(block, folder, views_of(metres), "obj", "glb", "usd")
    # Along x 2 units, along z 1, along y, which is up, 4.
    assert "The object is 0.17 x 0.085 x 0.34 m (height last)" in told
    place = folder / layout.ASSET
    whole = block.mesh.positions * metres
    low, high = bounding_box(whole)
    assert torch.allclose(load_obj(place / "a.obj").mesh.positions, whole, rtol=1e-5, atol=1e-8)
    assert [*map(pytest.approx, in_glb(place / "a.glb"))] == [low.tolist(), high.tolist()]
    stage = pxr.Usd.Stage.Open(str(place / "a.usd"))
    assert pxr.UsdGeom.GetStageMetersPerUnit(stage) == 1
    shape = pxr.UsdGeom.Mesh(stage.GetPrimAtPath("/a/geo/a"))
    points = torch.tensor([list(one) for one in shape.GetPointsAttr().Get()])
    assert torch.allclose(points, whole, atol=1e-6)
    extent = pxr.UsdGeom.ModelAPI(stage.GetDefaultPrim()).GetExtentsHint()
    assert [list(one) for one in extent] == [
        pytest.approx(low.tolist()),
        pytest.approx(high.tolist()),
    ]
    stage = pxr.Usd.Stage.Open(str(place / f"a{layout.ASSET_CAMERAS}"))
    assert pxr.UsdGeom.GetStageMetersPerUnit(stage) == 1
    (camera,) = stage.GetDefaultPrim().GetChildren()
    moved = pxr.UsdGeom.Xformable(camera).GetLocalTransformation()
    there = cameras.camera_position(cameras.turntable_pose(3)) * metres
    assert list(moved.ExtractTranslation()) == pytest.approx(there.tolist())
    assert moved.GetRow3(0).GetLength() == pytest.approx(1), "a camera is not scaled"


def test_nothing_changes_where_no_length_is_known(block: Source, tmp_path: Path) -> None:
    told = finish(block, tmp_path / "a", views_of(0.1), "obj")
    assert any("metre" in line for line in told)
    told = finish(block, tmp_path / "a", views_of(None), "obj")
    assert not any("metre" in line or "The object" in line for line in told)
    written = load_obj(tmp_path / "a" / layout.ASSET / "a.obj").mesh
    assert torch.allclose(written.positions, block.mesh.positions, atol=1e-5)
    assert not (tmp_path / "a" / layout.UPRIGHT).exists(), "a former record is gone"


@settings(max_examples=5)
@given(
    metres=st.none() | st.floats(1e-4, 1e4),
    up=st.none() | st.tuples(st.floats(-1, 1), st.just(1.0), st.floats(-1, 1)),
    lods=st.booleans(),
)
def test_an_export_without_photographs_places_it_likewise(
    tmp_path_factory: pytest.TempPathFactory,
    metres: float | None,
    up: tuple[float, float, float] | None,
    lods: bool,
) -> None:
    """By the record alone; and the record takes what is written back to the training's world."""
    source, folder = ball_source(32), tmp_path_factory.mktemp("results") / "a"
    if up is not None:
        length = sum(one * one for one in up) ** 0.5
        up = (up[0] / length, up[1] / length, up[2] / length)
    finish(source, folder, views_of(metres, up), "obj")
    before = load_obj(folder / layout.ASSET / "a.obj").mesh.positions
    (folder / layout.FINAL).mkdir()
    write_obj(folder / layout.FINAL / "mesh.obj", source.mesh)
    for name in textures.FILES:
        cv2.imwrite(str(folder / layout.FINAL / name), np.full((8, 8, 3), 200, np.uint8))
    again = ["--formats", "obj", "--turntable", "0", "--out", str(folder / "again")]
    assert main([str(folder), *again, *(["--lods", "0.5"] if lods else [])]) == 0
    after = load_obj(folder / "again" / "a.obj").mesh.positions
    unit = metres or 1.0
    assert torch.allclose(after / unit, before / unit, atol=1e-5)
    back = torch.linalg.inv(upright.read(folder).matrix())
    points = torch.cat([after.double(), torch.ones(len(after), 1).double()], dim=1) @ back.T
    assert torch.allclose(points[:, :3].float(), source.mesh.positions, atol=1e-5)
    if lods:
        coarse = load_obj(folder / "again" / "a_lod1.obj").mesh.positions
        sides = torch.stack(bounding_box(coarse)).diff(dim=0) / torch.stack(
            bounding_box(after)
        ).diff(dim=0)
        assert ((sides > 0.8) & (sides < 1.2)).all()


@settings(max_examples=40)
@given(
    said=st.one_of(
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from([None, True, "0.1", [0.1], -1, 0, 10**400]),
    )
)
def test_a_data_set_says_how_long_its_unit_is_or_why_not(
    tmp_path_factory: pytest.TempPathFactory, said: object
) -> None:
    folder, told = tmp_path_factory.mktemp("set"), list[str]()
    assert lengths.of_data_set(folder, told.append) is None and not told
    document = {"format": lengths.FORMAT, lengths.METRES: said}
    (folder / lengths.PLACEMENT).write_text(json.dumps(document), encoding="utf-8")
    found = lengths.of_data_set(folder, told.append)
    if found is None:
        assert (said is None) == (not told)
        assert all("placement.json" in line and "prepare" in line for line in told)
    else:
        assert found == said and found > 0 and not told


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": "tops-nvdiffrec-placement"}', "\0"])
def test_a_damaged_placement_stops_no_training(tmp_path: Path, text: str) -> None:
    (tmp_path / lengths.PLACEMENT).write_text(text, encoding="utf-8")
    assert lengths.of_data_set(tmp_path, lambda _line: None) is None


@pytest.mark.parametrize("said", [-1.0, 0, "1", True, [1]])
def test_a_record_with_an_impossible_length_is_named(tmp_path: Path, said: object) -> None:
    upright.write(tmp_path, None, 0.1)
    document = json.loads((tmp_path / layout.UPRIGHT).read_text(encoding="utf-8"))
    document[lengths.METRES] = said
    (tmp_path / layout.UPRIGHT).write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(AssetError, match=r"upright\.json"):
        upright.read(tmp_path)
    del document[lengths.METRES]  # as records were before lengths were known
    (tmp_path / layout.UPRIGHT).write_text(json.dumps(document), encoding="utf-8")
    assert upright.read(tmp_path) == upright.Standing()
