"""The cameras of a training as USD reads them: the same pixels as by the trainer's projection."""

from __future__ import annotations

import math
from pathlib import Path

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

from pxr import Gf, Usd, UsdGeom

from diffrec.asset import usdcameras

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
)
def test_usd_projects_a_point_as_the_trainer_does(
    tmp_path_factory: pytest.TempPathFactory,
    focal: tuple[float, float],
    centre: tuple[float, float],
    seed: int,
    is_turned: bool,
) -> None:
    pose = cameras.random_pose(torch.Generator().manual_seed(seed))
    views = views_of(Camera(POSE, focal, centre, (400.0, 600.0)), [None], pose)
    up = np.array([0.6, 0.0, 0.8])
    turn = torch.from_numpy(turn_of(up)) if is_turned else None
    folder = tmp_path_factory.mktemp("cameras")
    stage = Usd.Stage.Open(str(usdcameras.write(views, folder, "ball", turn)))
    (prim,) = stage.GetDefaultPrim().GetChildren()
    frustum = UsdGeom.Camera(prim).GetCamera(Usd.TimeCode.Default()).frustum
    point = torch.tensor([0.2, -0.3, 0.1], dtype=torch.float64)
    clip = views.batch([0]).clip_from_world[0].double() @ torch.cat([point, torch.ones(1)])
    there = point if turn is None else turn @ point
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
    path = usdcameras.write(views, tmp_path / "asset", "ball", None)
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
    lens_of = UsdGeom.Camera(prims[0]).GetCamera(Usd.TimeCode.Default())
    angle = lens_of.GetFieldOfView(Gf.Camera.FOVVertical)
    assert angle == pytest.approx(math.degrees(2 * math.atan(200 / 500)), rel=1e-5)
    assert lens_of.clippingRange.min == pytest.approx(0.1, rel=1e-4)
