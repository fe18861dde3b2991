"""Camera matrices and poses."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from diffrec import cameras


def _projected(matrix: Tensor, point: list[float]) -> Tensor:
    clip = matrix @ torch.tensor([*point, 1.0])
    return clip[:3] / clip[3]


@given(
    fovy=st.floats(0.1, 2.5),
    aspect=st.floats(0.3, 3),
    near=st.floats(0.01, 1),
    ratio=st.floats(10, 1e4),
)
def test_the_frustum_maps_to_the_cube(
    fovy: float, aspect: float, near: float, ratio: float
) -> None:
    far = near * ratio
    matrix = cameras.perspective(fovy, aspect, near, far).double()
    for depth, z in ((near, -1.0), (far, 1.0)):
        top = depth * math.tan(fovy / 2)
        corner = matrix @ torch.tensor([top * aspect, top, -depth, 1.0], dtype=torch.float64)
        expected = torch.tensor([1, 1, z], dtype=torch.float64)
        assert torch.allclose(corner[:3] / corner[3], expected, atol=1e-4)


def test_fields_of_view() -> None:
    assert cameras.fovy_from_focal(256, 512) == pytest.approx(math.pi / 2)


def test_the_turntable_looks_down_at_the_origin() -> None:
    poses = torch.stack([cameras.turntable_pose(i) for i in range(50)])
    places = cameras.camera_position(poses)
    assert torch.allclose(places.norm(dim=1), torch.full((50,), 3.0), atol=1e-5)
    assert torch.allclose(places[:, 1], torch.full((50,), 3 * math.sin(0.4)), atol=1e-5)
    assert places[0, 2] > 2.7, "the first view stands in front, on +z"
    turns = torch.atan2(places[:, 0], places[:, 2])
    steps = torch.diff(torch.cat([turns, turns[:1]])).remainder(2 * math.pi)
    expected = 2 * math.pi / 50
    folded = torch.minimum(steps, 2 * math.pi - steps)
    assert torch.allclose(folded, torch.full((50,), expected), atol=1e-4)
    assert torch.allclose(poses[:, :3, 3], torch.tensor([0.0, 0.0, -3.0]).expand(50, 3))


def test_random_poses_depend_on_the_generator_alone() -> None:
    first = [cameras.random_pose(torch.Generator().manual_seed(7)) for _ in range(2)]
    assert torch.equal(first[0], first[1])
    generator = torch.Generator().manual_seed(7)
    poses = torch.stack([cameras.random_pose(generator) for _ in range(2000)])
    rotation = poses[:, :3, :3]
    assert torch.allclose(rotation @ rotation.mT, torch.eye(3).expand(2000, 3, 3), atol=1e-5)
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(2000), atol=1e-5)
    offset = poses[:, :3, 3] - torch.tensor([0.0, 0.0, -3.0])
    assert offset.abs().max() <= 0.25
    assert offset.abs().max() > 0.24
    # Uniform: the mean rotation matrix and the mean direction vanish.
    assert rotation.mean(dim=0).abs().max() < 0.05
    places = cameras.camera_position(poses)
    assert torch.allclose(places.norm(dim=1), torch.full((2000,), 3.0), atol=0.45)


def test_the_turntable_is_that_of_a_recorded_validation_view(shared: Path) -> None:
    picture = cv2.imread(str(shared / "data/baseline_pictures/bob_view10_nvdiffrec.png"))
    recorded = picture.min(axis=-1) < 250
    positions, triangles = [], []
    for line in (shared / "data/bob/bob_tri.obj").read_text(encoding="utf-8").splitlines():
        kind, *rest = line.split() or [""]
        if kind == "v":
            positions.append([float(x) for x in rest[:3]])
        elif kind == "f":
            triangles.append([int(corner.split("/")[0]) - 1 for corner in rest])
    projection = cameras.perspective(cameras.ORBIT_FOVY, 1.0, 0.1, 1000.0)
    clip = torch.nn.functional.pad(torch.tensor(positions), (0, 1), value=1.0)
    clip = clip @ (projection @ cameras.turntable_pose(10)).T
    pixels = (clip[:, :2] / clip[:, 3:] * torch.tensor([1.0, -1.0]) + 1.0) * 256
    drawn = np.zeros((512, 512), np.uint8)
    for corners in pixels.numpy()[np.array(triangles)]:
        cv2.fillConvexPoly(drawn, ((corners - 0.5) * 16).astype(np.int32), 1, shift=4)
    both, either = (drawn & recorded).sum(), (drawn | recorded).sum()
    assert both / either > 0.985
