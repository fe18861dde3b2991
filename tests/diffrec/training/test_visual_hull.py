"""The visual hull: openings are open, what no mask covers is outside."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from diffrec import cameras
from diffrec.data.views import ViewBatch
from diffrec.geometry.dmtet import DMTetGeometry
from diffrec.training.visual_hull import hull_field


def ring(points: Tensor) -> Tensor:
    """Distance to a torus around z: radius 0.6, tube 0.2; negative inside."""
    around = torch.stack([points[..., :2].norm(dim=-1) - 0.6, points[..., 2]], dim=-1)
    return around.norm(dim=-1) - 0.2


class RingViews:
    """Masks of the torus, by marching rays through it."""

    resolution = (96, 96)

    def __init__(self, count: int, *, pictures: bool = True) -> None:
        self.names = [str(i) for i in range(count)]
        self._pictures = pictures
        generator = torch.Generator().manual_seed(4)
        self._poses = [cameras.random_pose(generator) for _ in range(count)]

    def __len__(self) -> int:
        return len(self.names)

    def batch(self, indices: Sequence[int]) -> ViewBatch:
        camera = torch.stack([self._poses[i] for i in indices])
        projection = cameras.perspective(math.radians(45), 1.0, 0.1, 100.0)
        clip = projection @ camera
        position = cameras.camera_position(camera)
        size = self.resolution[0]
        place = (torch.arange(size) + 0.5) / size * 2 - 1
        y, x = torch.meshgrid(-place, place, indexing="ij")
        reach = math.tan(math.radians(45) / 2)
        rays = torch.stack([x * reach, y * reach, -torch.ones_like(x)], dim=-1)
        world = rays @ camera[:, None, :3, :3]
        depth = torch.linspace(0.5, 6, 300)[:, None, None, None, None]
        inside = (ring(position[:, None, None] + world * depth) < 0).any(0)
        image = inside.float()[..., None].expand(-1, -1, -1, 4).contiguous()
        return ViewBatch(clip, camera, position, image if self._pictures else None)


def test_a_ring_has_its_hole() -> None:
    geometry = DMTetGeometry(32, 2.1)
    points = geometry.vertices().detach()
    field = hull_field(points, RingViews(40), 2.1 / 32)
    distance = ring(points)
    assert bool((field[distance < -0.03] < 0).all()), "nothing of the object is cut away"
    hole = (points.norm(dim=1) < 0.2) & (distance > 0.1)
    assert hole.sum() > 10 and bool((field[hole] > 0).all())
    assert bool((field[distance > 0.4] > 0).all())
    assert float(field.abs().max()) <= 0.2 + 1e-6


def test_what_no_view_shows_is_outside() -> None:
    far = torch.tensor([[50.0, 0.0, 0.0], [0.0, 90.0, 0.0]])
    assert bool((hull_field(far, RingViews(3), 0.1) > 0).all())


def test_views_without_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="pictures"):
        hull_field(torch.zeros(1, 3), RingViews(2, pictures=False), 0.1)
