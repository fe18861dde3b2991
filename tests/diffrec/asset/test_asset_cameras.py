"""The cameras of a training as USD reads them: the same pixels as by the trainer's projection."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffrec import cameras
from diffrec.data.upright import turn_of
from diffrec.data.views import ImageViews, View, projection
from nvdiffrec_contract import layout
from nvdiffrec_contract.dataset import Camera

pytest.importorskip("pxr", reason="usd-core is not installed")

from pxr import Gf, Usd, UsdGeom, UsdValidation

import diffrec.asset.write
from diffrec.asset import usdcameras
from diffrec.asset.command import main
from diffrec.asset.source import Source
from diffrec.asset.upright import Standing
from diffrec.export.obj import write_obj

POSE = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0))


def views_of(
    lens: Camera, photographs: list[Path | None], pose: torch.Tensor | None = None
) -> ImageViews:
    seen = cameras.turntable_pose(7) if pose is None else pose
    picture = torch.zeros(4, 6, 4)
    made = [
        View(
            f"{number}.png" if one is None else one.name,
            seen,
            projection(lens, 0.1, 50.0),
            lambda: picture,
            one,
        )
        for number, one in enumerate(photographs)
    ]
    return ImageViews(made, "cpu", pre_load=False)


@given(
    focal=st.tuples(st.floats(200, 2000), st.floats(200, 2000)),
    centre=st.tuples(st.floats(100, 500), st.floats(50, 350)),
    seed=st.integers(0, 1000),
    is_turned=st.booleans(),
    metres=st.none() | st.floats(1e-3, 1e3),
)
def test_usd_projects_a_point_as_the_trainer_does(
    tmp_path_factory: pytest.TempPathFactory,
    focal: tuple[float, float],
    centre: tuple[float, float],
    seed: int,
    is_turned: bool,
    metres: float | None,
) -> None:
    pose = cameras.random_pose(torch.Generator().manual_seed(seed))
    views = views_of(Camera(POSE, focal, centre, (400.0, 600.0)), [None], pose)
    up = np.array([0.6, 0.0, 0.8])
    turn = torch.from_numpy(turn_of(up)) if is_turned else None
    standing = Standing(turn, metres)
    folder = tmp_path_factory.mktemp("cameras")
    stage = Usd.Stage.Open(str(usdcameras.write(views, folder, "ball", standing)))
    (prim,) = stage.GetDefaultPrim().GetChildren()
    frustum = UsdGeom.Camera(prim).GetCamera(Usd.TimeCode.Default()).frustum
    point = torch.tensor([0.2, -0.3, 0.1], dtype=torch.float64)
    clip = views.batch([0]).clip_from_world[0].double() @ torch.cat([point, torch.ones(1)])
    there = (point if turn is None else turn @ point) * (metres or 1.0)
    shown = (frustum.ComputeViewMatrix() * frustum.ComputeProjectionMatrix()).Transform(
        Gf.Vec3d(*there.tolist())
    )
    assert list(shown) == pytest.approx((clip[:3] / clip[3]).tolist(), rel=1e-4, abs=1e-4)


def test_photographs_are_named_and_cameras_have_names_of_their_own(tmp_path: Path) -> None:
    inside, outside = tmp_path / "asset" / "photos" / "a 1.png", tmp_path / "other" / "a@1.png"
    (tmp_path / "asset").mkdir()
    lens = Camera(POSE, (500.0, 500.0), (300.0, 200.0), (400.0, 600.0))
    hostile = tmp_path / "new\nline.png"
    views = views_of(lens, [inside, outside, hostile, None])
    path = usdcameras.write(views, tmp_path / "asset", "ball", Standing())
    assert layout.tag(str(path)) == "file/usdlayer"
    assert [one.name for one in (tmp_path / "asset").iterdir()] == ["ball_cameras.usda"]
    stage = Usd.Stage.Open(str(path))
    prims = stage.GetDefaultPrim().GetChildren()
    named = [one.GetAttribute(usdcameras.PHOTOGRAPH).Get() for one in prims]
    assert [None if one is None else one.path for one in named] == [
        "./photos/a 1.png",
        outside.as_posix(),
        None,
        None,
    ]
    assert len({one.GetName() for one in prims}) == 4
    plates = [one.GetAttribute(usdcameras.PLATE).Get() for one in prims]
    assert plates == named
    lens_of = UsdGeom.Camera(prims[0]).GetCamera(Usd.TimeCode.Default())
    angle = lens_of.GetFieldOfView(Gf.Camera.FOVVertical)
    assert angle == pytest.approx(math.degrees(2 * math.atan(200 / 500)), rel=1e-5)
    assert lens_of.clippingRange.min == pytest.approx(0.1, rel=1e-4)


def test_views_that_were_held_out_are_named_so_and_all_validators_are_content(
    tmp_path: Path,
) -> None:
    lens = Camera(POSE, (500.0, 500.0), (300.0, 200.0), (400.0, 600.0))
    one, other, third = (tmp_path / f"{name}.png" for name in ("one", "other", "third"))
    for path in (one, other, third):
        cv2.imwrite(str(path), np.zeros((4, 6, 3), np.uint8))
    path = usdcameras.write(
        views_of(lens, [one, other]), tmp_path, "ball", Standing(), views_of(lens, [other, third])
    )
    stage = Usd.Stage.Open(str(path))
    names = [prim.GetName() for prim in stage.GetDefaultPrim().GetChildren()]
    assert names == ["one", "other", "held_out_third"]
    registry = UsdValidation.ValidationRegistry()
    context = UsdValidation.ValidationContext(registry.GetOrLoadAllValidators())
    assert [error.GetMessage() for error in context.Validate(stage)] == []


@pytest.fixture
def result(tmp_path: Path, new_ball: Source) -> Path:
    """A result that records a training from three photographs, the first of them held out."""
    photographs = tmp_path / "photographs"
    (photographs / "train").mkdir(parents=True)
    rows, columns = np.mgrid[:32, :32]
    disc = (((rows - 15.5) ** 2 + (columns - 15.5) ** 2) < 90).astype(np.uint8) * 255
    frames = []
    for number in range(3):
        cv2.imwrite(str(photographs / "train" / f"r_{number}.png"), cv2.merge([disc] * 4))
        pose = torch.linalg.inv(cameras.turntable_pose(number, 3))
        frames.append({"file_path": f"./train/r_{number}", "transform_matrix": pose.tolist()})
    document = {"camera_angle_x": 0.785, "frames": frames}
    (photographs / "transforms_train.json").write_text(json.dumps(document))
    folder = tmp_path / "hero"
    (folder / "mesh").mkdir(parents=True)
    write_obj(folder / "mesh" / "mesh.obj", new_ball.mesh)
    for name in ("texture_kd.png", "texture_ks.png", "texture_n.png"):
        cv2.imwrite(str(folder / "mesh" / name), np.full((8, 8, 3), 200, np.uint8))
    config = {"ref_mesh": str(photographs), "train_res": [32, 32], "diffrec": {"holdout": 3}}
    (folder / "preview").mkdir()
    (folder / "preview" / "scene.json").write_text(json.dumps({"configuration": config}))
    return folder


def test_an_export_writes_the_cameras_that_the_result_records(
    result: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diffrec.asset.write, "pictures", lambda *_: [])
    layer = result / "asset" / "hero_cameras.usda"
    assert main([str(result), "--formats", "obj", "--cameras"]) == 0
    stage = Usd.Stage.Open(str(layer))
    prims = stage.GetDefaultPrim().GetChildren()
    assert [one.GetName() for one in prims] == ["r_1", "r_2", "held_out_r_0"]
    shown = prims[2].GetAttribute(usdcameras.PLATE).Get().path
    del prims, stage  # a layer that is open is not read anew
    assert Path(shown) == result.parent / "photographs" / "train" / "r_0.png"
    # Not asked for any more, the layer goes: it may be of another training.
    assert main([str(result), "--formats", "obj"]) == 0
    assert not layer.exists()
    capsys.readouterr()
    (result.parent / "photographs").rename(result.parent / "moved")
    assert main([str(result), "--cameras"]) == 1
    assert "photographs" in capsys.readouterr().err
    record = result / "preview" / "scene.json"
    for broken in ("no JSON", "[]", "{}", '{"configuration": {"iter": "x"}}'):
        record.write_text(broken)
        assert main([str(result), "--cameras"]) == 1
        told = capsys.readouterr().err
        assert "scene.json" in told and "Traceback" not in told
    record.unlink()
    assert main([str(result), "--cameras"]) == 1
    assert "does not record what it was trained on" in capsys.readouterr().err
