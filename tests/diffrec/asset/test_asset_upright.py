"""An asset whose training knew up from the cameras alone stands upright."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffrec import cameras
from diffrec.asset import upright
from diffrec.asset.command import main
from diffrec.asset.finished import write_finished
from diffrec.asset.source import AssetError, Source
from diffrec.data.upright import turn_of, up_of
from diffrec.data.views import ImageViews, View
from diffrec.materials import TextureMaterial
from diffrec.shading.light import EnvironmentLight, sample_latlong
from diffrec.textured_mesh import load_obj
from nvdiffrec_contract import layout
from nvdiffrec_contract.configuration import Config, Extensions

DOWN = (0.0, -1.0, 0.0)
directions = st.one_of(
    st.tuples(*[st.floats(-1, 1) for _ in range(3)]),
    # Nearly straight down, where the shortest way is hardly known.
    st.tuples(st.floats(-1e-3, 1e-3), st.just(-1.0), st.floats(-1e-3, 1e-3)),
    st.tuples(st.floats(-1e-9, 1e-9), st.just(-1.0), st.floats(-1e-9, 1e-9)),
).filter(lambda one: np.linalg.norm(one) > 0.1)


def unit(direction: object) -> np.ndarray:
    found = np.asarray(direction, dtype=np.float64)
    return found / np.linalg.norm(found)


@given(direction=directions)
def test_up_becomes_y_by_a_rotation(direction: tuple[float, ...]) -> None:
    turn = turn_of(unit(direction))
    assert turn @ unit(direction) == pytest.approx([0, 1, 0], abs=1e-6)
    assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(turn) == pytest.approx(1)


@given(direction=directions, seed=st.integers(0, 1000), around=st.booleans())
def test_up_is_how_the_cameras_were_held(
    direction: tuple[float, ...], seed: int, around: bool
) -> None:
    """Around the object, looking down at it more or less, or all from one side."""
    up, draw = unit(direction), np.random.default_rng(seed)
    first = unit(np.cross(up, [0.3, -0.51, 0.8]))
    second = np.cross(up, first)
    angle = draw.uniform(0, 2 * np.pi if around else 0.3, 24)
    right = np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * second
    ahead = np.cross(up, right)
    tilt = draw.uniform(0.1, 0.9, 24)[:, None]
    found = up_of(right, np.cos(tilt) * up + np.sin(tilt) * ahead)
    assert found is not None
    assert found @ up > (0.999 if around else 0.8)


def finish(source: Source, folder: Path, up: tuple[float, ...] | None, **own: object) -> list[str]:
    lines: list[str] = []
    folder.mkdir(exist_ok=True)
    material = TextureMaterial.from_images(source.kd, source.ks, source.normal)
    config = dataclasses.replace(
        Config(),
        diffrec=Extensions(asset=("obj",), asset_turntable=0, **own),  # type: ignore[arg-type]
    )
    assert source.light is not None
    light = EnvironmentLight.from_latlong(source.light, 16)
    views = None
    if up is not None:
        lens = cameras.perspective(0.6, 1.5, 0.1, 50.0)
        view = View("a.png", cameras.turntable_pose(3), lens, lambda: torch.zeros(4, 6, 4))
        views = ImageViews([view], "cpu", pre_load=False)
        x, y, z = up
        views.up = (x, y, z)
    write_finished(config, folder, source.mesh, material, light, lines.append, views)
    return lines


def test_what_stood_on_its_head_stands_upright(new_ball: Source, tmp_path: Path) -> None:
    """The mesh and its light turn together, the record says how, and the textures stay."""
    mesh = dataclasses.replace(
        new_ball.mesh, positions=new_ball.mesh.positions * torch.tensor([1.0, 2.0, 0.5])
    )
    source = dataclasses.replace(new_ball, mesh=mesh)
    told = finish(source, tmp_path / "a", DOWN)
    assert any("upright" in line for line in told)
    written = load_obj(tmp_path / "a" / layout.ASSET / "a.obj").mesh
    flip = torch.tensor([1.0, -1.0, -1.0])
    assert torch.allclose(written.positions, mesh.positions * flip, atol=1e-5)
    record = json.loads((tmp_path / "a" / layout.UPRIGHT).read_text(encoding="utf-8"))
    assert record[upright.ROTATION] == [[1, 0, 0], [0, -1, 0], [0, 0, -1]]

    turn = torch.from_numpy(turn_of(unit([0.4, -0.8, 0.3]))).float()
    moved = upright.turned(source, turn)
    assert torch.equal(moved.kd, source.kd) and torch.equal(moved.normal, source.normal)
    assert moved.mesh.normals is not None and mesh.normals is not None
    assert torch.allclose(moved.mesh.normals, mesh.normals @ turn.T, atol=1e-6)
    assert moved.light is not None and source.light is not None
    towards = torch.nn.functional.normalize(torch.randn(200, 3, generator=torch.manual_seed(0)))
    before = sample_latlong(source.light, towards)
    after = sample_latlong(moved.light, towards @ turn.T)
    assert (after - before).abs().mean() < 0.03 * before.mean()
    still = upright.turned(source, turn, lit_from_camera=True)
    assert still.light is source.light


def test_nothing_is_turned_where_up_is_known_or_not_wanted(
    new_ball: Source, tmp_path: Path
) -> None:
    finish(new_ball, tmp_path / "a", DOWN)
    for up, own in ((None, {}), (DOWN, {"asset_upright": False})):
        finish(new_ball, tmp_path / "a", up, **own)
        written = load_obj(tmp_path / "a" / layout.ASSET / "a.obj").mesh
        assert torch.allclose(written.positions, new_ball.mesh.positions, atol=1e-5)
        assert not (tmp_path / "a" / layout.UPRIGHT).exists(), "a former record is gone"


def test_cameras_are_written_on_request_and_turn_with_the_asset(
    new_ball: Source, tmp_path: Path
) -> None:
    pxr = pytest.importorskip("pxr", reason="usd-core is not installed")
    file = tmp_path / "a" / layout.ASSET / f"a{layout.ASSET_CAMERAS}"
    finish(new_ball, tmp_path / "a", DOWN)
    assert not file.exists()
    finish(new_ball, tmp_path / "a", DOWN, asset_cameras=True)
    stage = pxr.Usd.Stage.Open(str(file))
    (camera,) = stage.GetDefaultPrim().GetChildren()
    there = pxr.UsdGeom.Xformable(camera).GetLocalTransformation().ExtractTranslation()
    trained = cameras.camera_position(cameras.turntable_pose(3))
    assert torch.allclose(torch.tensor(list(there)).float(), trained * torch.tensor([1, -1, -1]))


@pytest.mark.parametrize("text", ["{}", "[]", "no", '{"format": "x", "asset_from_training": 1}'])
def test_a_damaged_record_is_named(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert upright.read(tmp_path) == upright.Standing()
    (tmp_path / layout.UPRIGHT).write_text(text, encoding="utf-8")
    with pytest.raises(AssetError, match=r"upright\.json"):
        upright.read(tmp_path)
    assert main([str(tmp_path)]) == 1
    assert "Error:" in capsys.readouterr().err
