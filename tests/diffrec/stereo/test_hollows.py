"""Hollows: dug where photographs see into them, and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from diffrec import cameras
from diffrec.data.views import ImageViews, View
from diffrec.stereo.hollows import LEAST_VIEWS, hollows, lattice, least_area
from diffrec.stereo.photographs import taken
from diffrec.stereo.sweep import _mean, swept
from diffrec.training.beginnings import first_geometry
from diffrec.training.visual_hull import hull_field
from nvdiffrec_contract.configuration import from_mapping

BOX, CELLS, SIZE = 2.0, 24, 48
Solid = Callable[[Tensor], Tensor]
CPU = torch.device("cpu")


def ball(points: Tensor) -> Tensor:
    """Distance to a ball; negative inside."""
    return points.norm(dim=-1) - 0.8


def pot(points: Tensor) -> Tensor:
    """A ball with a wide pit from above."""
    pit = torch.maximum(points[..., [0, 2]].norm(dim=-1) - 0.5, -0.1 - points[..., 1])
    return torch.maximum(ball(points), -pit)


def spots(points: Tensor) -> Tensor:
    """A pattern that is nowhere the same: colours [..., 3] of points."""
    ways = points.new_tensor([[9.0, 2.0, 5.0], [-4.0, 8.0, 3.0], [2.0, -6.0, 10.0]])
    return 0.5 + 0.4 * torch.sin(points @ ways.T + torch.sin(7 * points.flip(-1)))


def plain(points: Tensor) -> Tensor:
    """One colour."""
    return torch.full_like(points, 0.6)


def photographs(solid: Solid, paint: Solid, count: int = 20) -> ImageViews:
    """Pictures of a solid from above and beside it, by marching along rays."""
    projection = cameras.perspective(math.radians(45), 1.0, 0.1, 100.0)
    place = (torch.arange(SIZE) + 0.5) / SIZE * 2 - 1
    y, x = torch.meshgrid(-place, place, indexing="ij")
    reach = math.tan(math.radians(45) / 2)
    rays = torch.stack([x * reach, y * reach, -torch.ones_like(x)], dim=-1)

    def view(number: int) -> View:
        turn = number * math.pi * (3 - 5**0.5)
        tilt = math.asin(0.4 + 0.58 * number / count)
        pose = cameras.translation(0, 0, -3) @ cameras.rotation_x(tilt) @ cameras.rotation_y(turn)
        world = rays @ pose[:3, :3]
        points = cameras.camera_position(pose[None])[0] + 2.0 * world
        hit = torch.zeros_like(x, dtype=torch.bool)
        for _ in range(60):
            distance = solid(points)
            hit = distance < 0.01
            points = torch.where(hit[..., None], points, points + 0.6 * distance[..., None] * world)
        picture = torch.cat([paint(points), torch.ones_like(x)[..., None]], dim=-1)
        picture = torch.where(hit[..., None], picture, 0.0)
        return View(str(number), pose, projection, lambda: picture)

    return ImageViews([view(number) for number in range(count)], CPU, pre_load=True)


def hull_of(views: ImageViews) -> Tensor:
    middles = lattice(CELLS, BOX, CPU)
    return hull_field(middles.reshape(-1, 3), views, BOX / CELLS).reshape(middles.shape[:3])


@pytest.fixture(scope="module")
def pot_views() -> ImageViews:
    return photographs(pot, spots)


def test_a_pot_has_its_pit(pot_views: ImageViews) -> None:
    hull = hull_of(pot_views)
    found = hollows(pot_views, hull, BOX)
    assert found is not None
    points = lattice(CELLS, BOX, CPU)
    solid, empty = hull < 0, found.field > 0
    assert float(found.field.abs().min()) >= 0.5
    assert found.share == pytest.approx(float((empty & solid).sum() / solid.sum()))
    pit = solid & (points[..., [0, 2]].norm(dim=-1) < 0.42) & (points[..., 1] > 0)
    body = pot(points) < -0.05
    assert pit.sum() > 100
    assert float((empty & pit).sum() / pit.sum()) > 0.8
    assert float((empty & body).sum() / body.sum()) < 0.01
    # Where the field is asked for, it is that of the cells.
    assert torch.allclose(found.at(points[3, 20] / (BOX / 2)), found.field[3, 20], atol=1e-5)


@pytest.mark.parametrize(("solid", "paint"), [(ball, spots), (pot, plain)])
def test_what_shows_no_hollow_stays_whole(solid: Solid, paint: Solid) -> None:
    views = photographs(solid, paint)
    assert hollows(views, hull_of(views), BOX) is None


def test_a_camera_that_looks_away_changes_nothing(pot_views: ImageViews) -> None:
    hull = hull_of(pot_views)
    pictures = taken(pot_views, BOX / CELLS)
    away = replace(pictures, camera_from_world=-pictures.camera_from_world)
    assert not swept(away, hull, BOX, BOX / CELLS).known.any()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card")
def test_patches_are_the_same_on_a_graphics_card() -> None:
    values = 1 + 0.01 * torch.rand(2, 6, 21, 17)
    assert torch.allclose(_mean(values.cuda()).cpu(), _mean(values), atol=1e-6)


def test_a_few_picturessay_nothing(pot_views: ImageViews) -> None:
    few = pot_views.subset(range(LEAST_VIEWS - 1))
    assert hollows(few, hull_of(few), BOX) is None


def test_a_training_begins_with_the_pit(pot_views: ImageViews) -> None:
    said: list[str] = []
    fields = {}
    for start in ("auto", "hull"):
        values = {"isosurface": "flexicubes", "dmtet_grid": CELLS, "mesh_scale": BOX}
        config = from_mapping({**values, "diffrec": {"start": start}}, "test")
        geometry = first_geometry(config, CPU, pot_views, said.append)
        middle = geometry.vertices()[:, [0, 2]].norm(dim=1) < 0.2
        deep = middle & ((geometry.vertices()[:, 1] - 0.2).abs() < 0.1)
        assert deep.any()
        fields[start] = geometry.sdf.detach()[deep]
    assert bool((fields["hull"] < 0).all())
    assert bool((fields["auto"] > 0).all())
    assert sum("hollows" in line for line in said) == 1


# -- the surface of least area ------------------------------------------------------------------
def block(*ranges: tuple[int, int]) -> Tensor:
    """A solid of 14³ cells, and which of its cells lie in these ranges."""
    chosen = torch.zeros(14, 14, 14, dtype=torch.bool)
    chosen[tuple(slice(a, b) for a, b in ranges)] = True
    return chosen


WHOLE = torch.ones(14, 14, 14, dtype=torch.bool)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), least=st.floats(0.001, 1))
def test_what_only_costs_is_never_left_out(seed: int, least: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    cost = least + torch.rand(WHOLE.shape, generator=generator)
    solid = torch.rand(WHOLE.shape, generator=generator) > 0.2
    assert float(least_area(cost, solid).max()) == 0


def test_an_open_block_is_left_out_and_no_more() -> None:
    told = block((0, 6), (4, 10), (4, 10))
    empty = least_area(torch.where(told, -2.0, 0.3), WHOLE)
    assert bool((empty[told] > 0.5).all())
    assert bool((empty[~told] < 0.5).all())


def test_a_gap_between_what_is_known_to_be_empty_is_closed() -> None:
    both = block((0, 9), (3, 11), (3, 6)) | block((0, 9), (3, 11), (8, 11))
    empty = least_area(torch.where(both, -2.0, 0.02), WHOLE)
    assert bool((empty[block((0, 9), (4, 10), (6, 8))] > 0.5).all())


def test_one_mistaken_cell_digs_no_hole() -> None:
    empty = least_area(torch.where(block((6, 7), (6, 7), (6, 7)), -4.0, 0.02), WHOLE)
    assert float(empty.max()) < 0.5


def test_outside_the_solid_nothing_is_left_out() -> None:
    solid = block((2, 12), (2, 12), (2, 12))
    empty = least_area(torch.full(WHOLE.shape, -1.0), solid)
    assert bool((empty[solid] > 0.9).all()) and float(empty[~solid].max()) == 0
