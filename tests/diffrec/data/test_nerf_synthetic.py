"""The NeRF-synthetic reader, on a data set drawn from the sample's surface."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from diffrec import cameras
from diffrec.data import metres
from diffrec.data.load import load_views
from diffrec.data.views import ImageViews
from diffrec.errors import DataError
from diffrec.sample.shape import sample_surface
from nvdiffrec_contract.configuration import Config, Extensions

HEIGHT, WIDTH = 40, 60
ANGLE = 0.9


def load_nerf_synthetic(folder: Path, config: Config) -> tuple[ImageViews, ImageViews]:
    """The views as a training gets them."""
    given = dataclasses.replace(config, ref_mesh=str(folder))
    training, validation = load_views(given, torch.device("cpu"), lambda line: None)
    assert isinstance(training, ImageViews)
    assert isinstance(validation, ImageViews)
    return training, validation


def _z_up(pose: Tensor) -> list[list[float]]:
    """camera_from_world (y up) as Blender's camera-to-world (z up)."""
    # Our (x, y, z) is Blender's (x, -z, y).
    blender_from_world = torch.tensor([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    rows: list[list[float]] = (blender_from_world @ torch.linalg.inv(pose)).tolist()
    return rows


def _write(root: Path, split: str, poses: list[Tensor]) -> None:
    (root / split).mkdir(parents=True)
    frames = []
    for i, pose in enumerate(poses):
        rgba = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
        rgba[..., :3] = (255, 128, 10 * i)
        points = torch.from_numpy(sample_surface(40, 20).positions).float()
        world = torch.cat([points, torch.ones(len(points), 1)], dim=1)
        fovy = 2 * math.atan(math.tan(ANGLE / 2) * HEIGHT / WIDTH)
        clip = world @ (cameras.perspective(fovy, WIDTH / HEIGHT, 0.1, 100) @ pose).T
        column = ((clip[:, 0] / clip[:, 3] + 1) / 2 * WIDTH).long()
        row = ((1 - clip[:, 1] / clip[:, 3]) / 2 * HEIGHT).long()
        rgba[row, column, 3] = 255
        rgba[0, 0, 3] = 128
        cv2.imwrite(str(root / split / f"r_{i}.png"), rgba)
        frames.append(
            {"file_path": f"./{split}/r_{i}", "rotation": 0.01, "transform_matrix": _z_up(pose)}
        )
    values = {"camera_angle_x": ANGLE, "frames": frames}
    (root / f"transforms_{split}.json").write_text(json.dumps(values), encoding="utf-8")


def _poses(count: int) -> list[Tensor]:
    return [cameras.turntable_pose(i, count, radius=4.0) for i in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("nerf") / "ring"
    _write(root, "train", _poses(6))
    _write(root, "test", _poses(4))
    return root


@pytest.mark.parametrize("split", [False, True])
def test_a_prepared_folder_says_how_long_a_metre_is(
    folder: Path, tmp_path: Path, split: bool
) -> None:
    root = tmp_path / "ring"
    shutil.copytree(folder, root)
    own = Extensions(holdout=3) if split else Extensions()
    config = dataclasses.replace(Config(), diffrec=own)
    assert load_nerf_synthetic(root, config)[0].metres is None
    placement = {"format": metres.FORMAT, metres.METRES: 0.12}
    (root / metres.PLACEMENT).write_text(json.dumps(placement), encoding="utf-8")
    assert load_nerf_synthetic(root, config)[0].metres == 0.12


def test_what_is_read_is_what_was_drawn(folder: Path) -> None:
    training, validation = load_nerf_synthetic(folder, Config())
    assert (len(training), len(validation)) == (6, 4)
    assert training.resolution == (HEIGHT, WIDTH)
    batch = training.batch(range(6))
    assert torch.allclose(batch.camera_from_world, torch.stack(_poses(6)), atol=1e-5)
    assert batch.image is not None
    points = torch.from_numpy(sample_surface(40, 20).positions).float()
    world = torch.cat([points, torch.ones(len(points), 1)], dim=1)
    for image, matrix in zip(batch.image, batch.clip_from_world, strict=True):
        clip = world @ matrix.T
        column = (clip[:, 0] / clip[:, 3] + 1) / 2 * WIDTH
        row = (1 - clip[:, 1] / clip[:, 3]) / 2 * HEIGHT
        drawn = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
        drawn[row.long(), column.long()] = True
        drawn[0, 0] = True
        # Points that rounding moves over the edge of a pixel are few.
        assert ((image[..., 3] > 0) != drawn).sum() <= 2
    corner = batch.image[2, 0, 0]
    srgb = torch.tensor([20.0, 128.0, 255.0]) / 255
    linear = torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    assert torch.allclose(corner[3], torch.tensor(128 / 255), atol=1e-3)
    assert torch.allclose(corner[:3], linear * 128 / 255, atol=1e-3), "premultiplied, linear"


def test_splitting_and_limits(folder: Path, tmp_path: Path) -> None:
    ours: Any = {"validation_views": 2}
    assert load_nerf_synthetic(folder, Config(diffrec=ours))[1].names == [
        "r_0.png",
        "r_2.png",
    ]
    ours = {"holdout": 3}
    training, validation = load_nerf_synthetic(folder, Config(diffrec=ours))
    assert validation.names == ["r_0.png", "r_3.png"]
    assert len(training) == 4
    _write(tmp_path, "train", _poses(2))
    alone = load_nerf_synthetic(tmp_path, Config())
    assert alone[1].names == alone[0].names


def _changed(folder: Path, target: Path, **frame: Any) -> Path:
    """A copy of the data set with another first frame."""
    (target / "train").symlink_to(folder / "train")
    values = json.loads((folder / "transforms_train.json").read_text(encoding="utf-8"))
    values["frames"][0].update(frame)
    (target / "transforms_train.json").write_text(json.dumps(values), encoding="utf-8")
    return target


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../ring/train/r_0", "train/../../r_0", "..\\r_0", "C:/r_0", "", 5, "a\0b"],
)
def test_pictures_outside_the_folder_are_refused(folder: Path, tmp_path: Path, path: Any) -> None:
    broken = _changed(folder, tmp_path, file_path=path)
    with pytest.raises(DataError, match=r'frame 0: "file_path"'):
        load_nerf_synthetic(broken, Config())


@pytest.mark.parametrize(
    "matrix",
    [
        None,
        [[1, 0], [0, 1]],
        [[0, 0, 0, 0]] * 4,
        [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]],
        [[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        [[1, 0, 0, "0"], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
    ],
)
def test_matrices_that_are_no_cameras_are_refused(
    folder: Path, tmp_path: Path, matrix: Any
) -> None:
    broken = _changed(folder, tmp_path, transform_matrix=matrix)
    with pytest.raises(DataError, match="transform_matrix"):
        load_nerf_synthetic(broken, Config())


def test_missing_pictures_and_broken_files(folder: Path, tmp_path: Path) -> None:
    broken = _changed(folder, tmp_path, file_path="none")
    with pytest.raises(DataError, match=r"do not exist, first .*none\.png"):
        load_nerf_synthetic(broken, Config())
    (tmp_path / "none.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="no picture that can be read"):
        load_nerf_synthetic(broken, Config())
    cv2.imwrite(str(tmp_path / "none.png"), np.zeros((2 * HEIGHT, 2 * WIDTH, 4), np.uint8))
    with pytest.raises(DataError, match="must have one size"):
        load_nerf_synthetic(broken, Config())


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(
    values=st.fixed_dictionaries(
        {},
        optional={
            "camera_angle_x": st.just(0.7) | _JSON,
            "frames": _JSON
            | st.lists(
                st.fixed_dictionaries({}, optional={"file_path": _JSON, "transform_matrix": _JSON}),
                max_size=2,
            ),
        },
    )
)
def test_any_json_is_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    root = tmp_path_factory.getbasetemp() / "any_json"
    root.mkdir(exist_ok=True)
    (root / "transforms_train.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(DataError, match=r"transforms_train\.json"):
        load_nerf_synthetic(root, Config())
