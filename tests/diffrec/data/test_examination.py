"""Data that train to nothing are refused before: by the trainer, by the job and by the doctor."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffrec.data import describe
from diffrec.data.load import load_views
from diffrec.data.looks import with_looks
from diffrec.errors import DataError
from nvdiffrec_contract.configuration import Config
from nvdiffrec_contract.dataset import Look
from nvdiffrec_contract.dataset import checks as datachecks
from nvdiffrec_contract.engines import DIFFREC
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.registry import all_checks
from nvdiffrec_tops.job.engines.nvdiffrec import checkout
from nvdiffrec_tops.job.jobfile import JobFileError

SIDE = 32
FOCAL = 40.0
RADIUS = 0.8
"""Of the ball that the pictures show, at the origin, from 3 units away."""


def written(folder: Path, scale: float = 1.0, alpha: str = "ball", count: int = 10) -> Path:
    """A NeRF synthetic set; ``scale``: by how much too far away its cameras are."""
    (folder / "images").mkdir(parents=True)
    y, x = np.mgrid[0:SIDE, 0:SIDE] + 0.5 - SIDE / 2
    ball = np.hypot(x, y) < FOCAL * RADIUS / math.sqrt(9 - RADIUS**2)
    frames = []
    for i in range(count):
        angle = 2 * math.pi * i / count
        back = np.array([math.cos(angle), math.sin(angle), 0.5])
        back /= np.linalg.norm(back)
        right = np.cross([0.0, 0, 1], back)
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3] = np.stack([right, np.cross(back, right), back, 3 * scale * back], axis=1)
        mask = {"ball": ball, "inverted": ~ball, "opaque": ball | True}[alpha] * np.uint8(255)
        picture = np.dstack([np.full((SIDE, SIDE, 3), 99, np.uint8), mask])
        cv2.imwrite(str(folder / "images" / f"{i}.png"), picture)
        frames.append({"file_path": f"images/{i}", "transform_matrix": pose.tolist()})
    angle = 2 * math.atan(0.5 * SIDE / FOCAL)
    (folder / "transforms_train.json").write_text(
        json.dumps({"camera_angle_x": angle, "frames": frames})
    )
    return folder


WRONG = {
    "opaque": ({"alpha": "opaque"}, "covers its whole picture"),
    "inverted": ({"alpha": "inverted"}, "inverted"),
    "far": ({"scale": 8.0}, '"mesh_scale": 15 holds it'),
    "near": ({"scale": 1 / 40}, "would vanish"),
}


def test_a_set_as_it_should_be_is_trained_from(tmp_path: Path) -> None:
    folder = written(tmp_path / "set")
    log: list[str] = []
    load_views(Config(ref_mesh=str(folder)), torch.device("cpu"), log.append)
    assert not log
    middle, size = datachecks.whereabouts(with_looks(describe(folder), quick=False)) or (None, 0)
    assert middle is not None and math.dist(middle, (0, 0, 0)) < 0.05
    assert size == pytest.approx(2 * RADIUS, rel=0.1)


@pytest.mark.parametrize("case", WRONG)
def test_trainer_job_and_doctor_refuse_alike(tmp_path: Path, case: str) -> None:
    made, said = WRONG[case]
    folder = written(tmp_path / "set", **made)  # type: ignore[arg-type]
    with pytest.raises(DataError) as trainer:
        load_views(Config(ref_mesh=str(folder)), torch.device("cpu"), lambda line: None)
    assert said in str(trainer.value)
    with pytest.raises(JobFileError) as job:
        checkout._check_views(str(folder), [sys.executable], "", 2.1)
    assert said in f"{job.value} {job.value.failure.cure}"
    config = tmp_path / "job.json"
    config.write_text(json.dumps({"ref_mesh": str(folder)}))
    context = Context(None, engine=DIFFREC, quick=True, environ={"PATH": os.environ["PATH"]},
                      config=str(config), working_dir=str(tmp_path))  # fmt: skip
    checks = {one.id: one for one in all_checks()}
    found = [
        one for name in ("masks_filled", "object_in_grid") for one in checks[name].run(context)
    ]
    errors = [one for one in found if one.severity == "error"]
    assert any(said in f"{one.evidence} {one.cure}" for one in errors)


def test_a_base_mesh_needs_no_grid(tmp_path: Path) -> None:
    folder = written(tmp_path / "set", scale=8.0)
    base = tmp_path / "base.obj"
    base.write_text("")
    config = Config(ref_mesh=str(folder), base_mesh=str(base))
    load_views(config, torch.device("cpu"), lambda line: None)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.floats(0.02, 50), st.tuples(*[st.floats(-3, 3)] * 3))
def test_the_advised_grid_is_never_refused(
    tmp_path_factory: pytest.TempPathFactory, scale: float, move: tuple[float, float, float]
) -> None:
    """Wherever the object is and however large, the value of the message holds it."""
    found = with_looks(describe(SET or _set(tmp_path_factory)), quick=False)
    cameras = []
    for one in found.cameras:
        rows = [(*row[:3], scale * row[3] + scale * move[i])
                for i, row in enumerate(one.camera_to_world)]  # fmt: skip
        cameras.append(type(one)(tuple(rows), one.focal, one.centre, one.size))  # type: ignore[arg-type]
    moved = type(found)(**{**vars(found), "cameras": tuple(cameras)})
    told = datachecks.grid(moved, 2.1)
    cures = [one.cure.split('"mesh_scale": ')[1] for one in told if " holds it" in one.cure]
    for value in (one.split()[0] for one in cures):
        assert not [one for one in datachecks.grid(moved, float(value)) if one.severity == "error"]


SET: Path | None = None


def _set(factory: pytest.TempPathFactory) -> Path:
    global SET
    SET = written(factory.mktemp("examined") / "set")
    return SET


def test_looks_tell_where_a_mask_is() -> None:
    from diffrec.data import looks

    inside = np.zeros((20, 40), bool)
    inside[5:15, 10:30] = True
    assert looks._box(inside) == pytest.approx((0.25, 0.25, 0.75, 0.75), abs=0.06)
    assert looks._edge(inside) == 0 and looks._edge(~inside) == 1
    assert looks._box(inside & False) is None
    assert Look().box is None
