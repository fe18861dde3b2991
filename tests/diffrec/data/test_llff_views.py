"""The LLFF / NeRD reader: on a data set drawn from the sample, and on real photographs."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from diffrec import cameras
from diffrec.data import llff
from diffrec.data.llff import nearest_point_to_axes
from diffrec.data.load import load_views
from diffrec.data.views import ImageViews
from diffrec.errors import DataError
from diffrec.sample.shape import Surface, sample_surface
from nvdiffrec_contract.configuration import Config
from nvdiffrec_contract.dataset import Problem

SIZE = (48, 64)  # height, width
FOCAL = 60.0
SHIFT = np.array([0.7, -0.2, 0.4])
VIEWS = 12


def _pixels(clip_from_world: Tensor, points: Tensor, resolution: tuple[int, int]) -> Tensor:
    """Pixel coordinates (column, row) [N, 2] of world points [N, 3]; centres at half."""
    clip = torch.cat([points, torch.ones(len(points), 1)], dim=1) @ clip_from_world.T
    ndc = clip[:, :2] / clip[:, 3:]
    height, width = resolution
    return torch.stack([(ndc[:, 0] + 1) / 2 * width, (1 - ndc[:, 1]) / 2 * height], dim=1)


def _silhouette(
    clip_from_world: Tensor, surface: Surface, resolution: tuple[int, int]
) -> NDArray[np.uint8]:
    """255 where the surface covers, drawn four times as large and reduced: grey at the edges."""
    height, width = resolution
    large = np.zeros((4 * height, 4 * width), np.uint8)
    points = torch.from_numpy(surface.positions).float()
    corners = _pixels(clip_from_world, points, (4 * height, 4 * width)).numpy()[surface.triangles]
    for triangle in corners:
        cv2.fillConvexPoly(large, ((triangle - 0.5) * 16).astype(np.int32), 255, shift=4)
    return cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as a photographer would have found it, SHIFT away from the world's origin."""
    root = tmp_path_factory.mktemp("llff")
    (root / "images").mkdir()
    (root / "masks").mkdir()
    surface = sample_surface(80, 32)
    height, width = SIZE
    fovy = cameras.fovy_from_focal(FOCAL, height)
    projection = cameras.perspective(fovy, width / height, 0.1, 100)
    rows = []
    for i in range(VIEWS):
        tilt = 0.4 + 0.3 * (i % 3)
        pose = cameras.turntable_pose(i, VIEWS, radius=4.0, tilt=tilt)
        mask = _silhouette(projection @ pose, surface, SIZE)
        photo = np.full((height, width, 3), (10 * i, 128, 255), np.uint8)
        cv2.imwrite(str(root / f"images/IMG_{i:02d}.png"), photo)
        cv2.imwrite(str(root / f"masks/mask_{i:02d}.png"), mask)
        world = torch.linalg.inv(pose).numpy()
        right, up, back = world[:3, 0], world[:3, 1], world[:3, 2]
        matrix = np.stack(
            [-up, right, back, world[:3, 3] + SHIFT, [2 * height, 2 * width, 2 * FOCAL]], axis=1
        )
        rows.append([*matrix.ravel(), 2.0, 6.0])
    np.save(root / "poses_bounds.npy", np.array(rows))
    (root / "images" / ".DS_Store").write_text("not a picture")
    return root


def load_llff(folder: Path, config: Config) -> tuple[ImageViews, ImageViews]:
    """The views as a training gets them."""
    given = dataclasses.replace(config, ref_mesh=str(folder))
    training, validation = load_views(given, torch.device("cpu"), lambda line: None)
    assert isinstance(training, ImageViews)
    assert isinstance(validation, ImageViews)
    return training, validation


def _config(**ours: object) -> Config:
    return Config(diffrec=ours)  # type: ignore[arg-type]


def test_what_is_read_is_what_was_drawn(folder: Path) -> None:
    views, validation = load_llff(folder, _config())
    assert views.resolution == SIZE
    assert validation.names == views.names, "nothing is held out: the training views are validated"
    batch = views.batch([3, 0])
    assert batch.image is not None
    assert batch.image.shape == (2, *SIZE, 4)
    assert batch.clip_from_world.shape == batch.camera_from_world.shape == (2, 4, 4)
    assert torch.allclose(
        batch.camera_position, cameras.camera_position(batch.camera_from_world), atol=1e-5
    )
    # All optical axes met in one point, which is the origin now.
    expected = cameras.turntable_pose(3, VIEWS, radius=4.0, tilt=0.4)
    assert torch.allclose(batch.camera_from_world[0], expected, atol=1e-5)
    surface = sample_surface(80, 32)
    for image, matrix in zip(batch.image, batch.clip_from_world, strict=True):
        drawn = torch.from_numpy(_silhouette(matrix, surface, SIZE)).float() / 255
        assert (image[..., 3] - drawn).abs().max() < 0.02
    inside = batch.image[0, ..., 3] == 1
    blue_green_red = torch.tensor([30.0, 128.0, 255.0]) / 255
    linear = ((blue_green_red + 0.055) / 1.055) ** 2.4
    assert torch.allclose(batch.image[0][inside][0, :3], linear.flip(0), atol=1e-3)
    brightest = batch.image[..., :3].amax((1, 2))[:, None, None]
    premultiplied = batch.image[..., 3:] * brightest
    assert torch.allclose(batch.image[..., :3], premultiplied, atol=2e-3)


def test_reduced_photographs_keep_their_camera(folder: Path) -> None:
    full, _ = load_llff(folder, _config())
    small, _ = load_llff(folder, _config(photo_res=[24, 32]))
    assert small.resolution == (24, 32)
    a, b = full.batch([1]), small.batch([1])
    assert torch.equal(a.clip_from_world, b.clip_from_world)
    assert a.image is not None
    assert b.image is not None
    pooled = torch.nn.functional.avg_pool2d(a.image.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
    assert torch.allclose(pooled, b.image, atol=2e-3)


def test_held_out_views(folder: Path) -> None:
    training, validation = load_llff(folder, _config(holdout=5, validation_views=2))
    assert validation.names == ["IMG_00.png", "IMG_05.png"]
    assert training.names == [f"IMG_{i:02d}.png" for i in range(12) if i % 5]
    with pytest.raises(DataError, match=r"diffrec\.holdout"):
        load_llff(folder, _config(holdout=1))


def test_reading_photographs_when_they_are_asked_for(folder: Path) -> None:
    kept, _ = load_llff(folder, Config())
    lazy, _ = load_llff(folder, Config(pre_load=False))
    a, b = kept.batch([2, 5]).image, lazy.batch([2, 5]).image
    assert a is not None
    assert b is not None
    assert torch.allclose(a, b, atol=5e-4)


def test_counts_that_do_not_match(folder: Path, tmp_path: Path) -> None:
    poses = np.load(folder / "poses_bounds.npy")
    for name in ("images", "masks"):
        (tmp_path / name).symlink_to(folder / name)
    np.save(tmp_path / "poses_bounds.npy", poses[:5])
    with pytest.raises(DataError, match="12 photographs and 5 cameras in"):
        load_llff(tmp_path, Config())
    poses[:, 4] *= 2
    np.save(tmp_path / "poses_bounds.npy", poses)
    with pytest.raises(DataError, match="times as wide as high"):
        load_llff(tmp_path, Config())
    (tmp_path / "masks").unlink()
    poses[:, 4] /= 2
    np.save(tmp_path / "poses_bounds.npy", poses)
    with pytest.raises(DataError, match="masks: this folder is missing"):
        load_llff(tmp_path, Config())


@given(
    point=st.lists(st.floats(-5, 5), min_size=3, max_size=3),
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(2, 20),
)
def test_lines_through_one_point_meet_there(point: list[float], seed: int, count: int) -> None:
    axes = np.random.default_rng(seed).normal(size=(count, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    distances = np.random.default_rng(seed + 1).uniform(1, 5, size=(count, 1))
    found = nearest_point_to_axes(np.array(point) + distances * axes, axes)
    if np.linalg.svd(axes - axes.mean(0))[1][0] > 0.1:  # not all nearly parallel
        assert np.allclose(found, point, atol=1e-4)


def described_cameras(folder: Path) -> list[Problem]:
    """What is wrong with the cameras of a folder without photographs."""
    return llff.describe(folder, quick=False).told("diffrec", "cameras")


def test_an_array_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (str(tmp_path / "exploded"),))

    np.save(tmp_path / "poses_bounds.npy", np.array([Bomb()]), allow_pickle=True)
    (problem,) = described_cameras(tmp_path)
    assert "no NumPy array" in problem.cause
    (tmp_path / "poses_bounds.npy").write_bytes(pickle.dumps(Bomb()))
    (problem,) = described_cameras(tmp_path)
    assert "no NumPy array" in problem.cause
    assert not (tmp_path / "exploded").exists()


@settings(max_examples=150, deadline=None)
@given(
    rows=st.integers(0, 3),
    columns=st.sampled_from([15, 17]),
    fill=st.floats() | st.none(),
    cut=st.integers(0, 200) | st.none(),
)
def test_any_array_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    rows: int,
    columns: int,
    fill: float | None,
    cut: int | None,
) -> None:
    path = tmp_path_factory.getbasetemp() / "any_array" / "poses_bounds.npy"
    path.parent.mkdir(exist_ok=True)
    array = np.random.default_rng(0).normal(size=(rows, columns))
    if fill is not None:
        array[:] = fill
    np.save(path, array)
    if cut is not None:
        path.write_bytes(path.read_bytes()[:cut])
    (problem,) = described_cameras(path.parent)
    assert str(path) in problem.cause
    assert problem.refused


def _carved(views: ImageViews, resolution: int, half: float, *, forgiven: int) -> Tensor:
    """Voxel centres [N, 3] seen inside all masks but ``forgiven``."""
    edge = 2 * half / resolution
    axis = (torch.arange(resolution) + 0.5) * edge - half
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).reshape(-1, 3)
    batch = views.batch(range(len(views)))
    assert batch.image is not None
    height, width = views.resolution
    outside = torch.zeros(len(points))
    seen = torch.zeros(len(points))
    for image, matrix in zip(batch.image, batch.clip_from_world, strict=True):
        column, row = _pixels(matrix, points, views.resolution).long().unbind(dim=1)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        covered = image[row.clamp(0, height - 1), column.clamp(0, width - 1), 3] > 0.3
        outside += (inside & ~covered).float()
        seen += inside.float()
    # What most photographs do not show at all is not what was photographed.
    return points[(outside <= forgiven) & (seen > 0.5 * len(views))]


def _agreement(views: ImageViews, points: Tensor) -> Tensor:
    """Intersection over union of each mask and the points' silhouette, [N]."""
    batch = views.batch(range(len(views)))
    assert batch.image is not None
    height, width = views.resolution
    result = []
    for image, matrix in zip(batch.image, batch.clip_from_world, strict=True):
        column, row = _pixels(matrix, points, views.resolution).long().unbind(dim=1)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        drawn = np.zeros((height, width), np.uint8)
        drawn[row[inside].numpy(), column[inside].numpy()] = 1
        drawn = cv2.morphologyEx(drawn, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
        both = torch.from_numpy(drawn).bool(), image[..., 3] > 0.3
        result.append(float((both[0] & both[1]).sum() / (both[0] | both[1]).sum()))
    return torch.tensor(result)


def test_the_visual_hull_of_the_drawn_masks_is_the_ring(folder: Path) -> None:
    views, _ = load_llff(folder, Config())
    hull = _carved(views, 64, 1.25, forgiven=0)
    assert _agreement(views, hull).mean() > 0.97
    surface = sample_surface()
    assert torch.allclose(
        hull.amax(dim=0), torch.from_numpy(surface.positions.max(axis=0)).float(), atol=0.12
    )


def test_the_visual_hull_of_the_gold_cape_projects_back_into_the_masks(shared: Path) -> None:
    config = _config(photo_res=[64, 64], holdout=8)
    training, validation = load_llff(shared / "data/nerd_gold_512", config)
    assert (len(training), len(validation)) == (104, 15)
    hull = _carved(training, 64, 1.25, forgiven=2)
    assert len(hull) > 3000
    assert _agreement(training, hull).mean() > 0.92
    assert _agreement(validation, hull).mean() > 0.92, "views that carved nothing"
    extent = hull.amax(dim=0) - hull.amin(dim=0)
    assert extent.min() > 1.0
    assert hull.abs().max() < 1.2, "the cape fits the grid of its stock configuration"


def test_the_cameras_say_which_way_is_up(folder: Path) -> None:
    training, validation = load_llff(folder, _config(holdout=4))
    assert training.up == validation.up == pytest.approx((0, 1, 0), abs=0.02)
    poses = np.load(folder / "poses_bounds.npy")
    try:
        # The same cameras in a world that stands on its head.
        turned = poses[:, :15].reshape(-1, 3, 5).copy()
        turned[:, :, :4] = np.diag([1.0, -1.0, -1.0]) @ turned[:, :, :4]
        np.save(
            folder / "poses_bounds.npy", np.concatenate([turned.reshape(-1, 15), poses[:, 15:]], 1)
        )
        assert load_llff(folder, _config())[0].up == pytest.approx((0, -1, 0), abs=0.02)
    finally:
        np.save(folder / "poses_bounds.npy", poses)
