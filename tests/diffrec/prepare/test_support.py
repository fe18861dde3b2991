"""What the object stands on: found where there is such a thing, and told from an object of just its
colours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from diffrec.prepare.outline import silhouettes, support
from diffrec.prepare.outline.hull import overlap
from diffrec.prepare.solved import Array, Lens, Solved

from .ballscene import looked_up, looking, pattern

LENS = Lens((120, 160), (170.0, 170.0), (80.0, 60.0), (-0.02, 0.0, 0.0, 0.0))
MIDDLE, RADIUS = np.array([0.0, 0.0, 0.35]), 0.4
WOOD = (120, 150, 190)
UP = np.array([0.0, 0.0, 1.0])


def photographed(count: int = 14) -> tuple[Solved, dict[str, NDArray[np.uint8]], dict[str, Array]]:
    """A ball sunk a little into a table of its own colours, its pictures and its true masks."""
    cameras, pictures, truth = {}, {}, {}
    for i in range(count):
        angle = 2 * np.pi * i / count
        out = np.array([np.cos(angle), np.sin(angle), (0.5, 0.9)[i % 2]])
        camera = looking(MIDDLE + 2.3 * out / np.linalg.norm(out), MIDDLE)
        name = f"view_{i:02d}"
        cameras[name] = camera
        pictures[name], truth[name] = seen(camera.centre, camera.rotation, 1 + 0.08 * np.sin(angle))
    chance = np.random.default_rng(0)
    floor = np.column_stack([chance.uniform(-1.5, 1.5, (600, 2)), chance.normal(0, 0.002, 600)])
    ball = chance.normal(size=(200, 3))
    ball = MIDDLE + RADIUS * ball / np.linalg.norm(ball, axis=1, keepdims=True)
    points = np.concatenate([floor, ball[ball[:, 2] > 0]])
    return Solved({1: LENS}, cameras, points, ((),) * len(points)), pictures, truth


def seen(eye: Array, turn: Array, exposure: float) -> tuple[NDArray[np.uint8], Array]:
    height, width = LENS.size
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    flat = LENS.rays(np.stack([columns, rows], axis=-1).reshape(-1, 2))
    ways = np.column_stack([flat, np.ones(len(flat))]) @ turn.T
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    off = eye - MIDDLE
    b = ways @ off
    root = b**2 - off @ off + RADIUS**2
    ball = off + (-b - np.sqrt(np.maximum(root, 0)))[:, None] * ways
    on_ball = (root > 0) & (ball[:, 2] > -MIDDLE[2])
    with np.errstate(divide="ignore", invalid="ignore"):
        along = -eye[2] / ways[:, 2]
    on_table = (along > 0) & (along < 20)
    table = eye + np.where(on_table, along, 0)[:, None] * ways
    u = np.arctan2(ball[:, 1], ball[:, 0]) / (2 * np.pi) % 1
    v = np.arccos(np.clip(ball[:, 2] / RADIUS, -1, 1)) / np.pi
    wood = looked_up(pattern(1, WOOD), 0.25 * u, 0.12 * v)
    ground = looked_up(pattern(2, WOOD), table[:, 0] / 12 + 0.5, table[:, 1] / 12 + 0.5)
    colour = np.where(on_table[:, None], ground, [80.0, 80.0, 80.0])
    colour = np.where(on_ball[:, None], wood, colour) * exposure
    shape = (height, width)
    picture = np.asarray(np.clip(colour, 0, 255), np.uint8).reshape(*shape, 3)
    return picture, on_ball.reshape(shape)


def test_a_table_is_told_from_an_object_of_its_colours() -> None:
    solved, pictures, truth = photographed()
    plane = support.plane_of(solved, MIDDLE, 0.8, UP)
    assert plane is not None
    assert plane.normal @ UP > 0.9999 and abs(plane.height) < 0.005
    table = support.Support(solved, pictures, plane, MIDDLE, 0.8)
    for name, picture in pictures.items():
        odds, shown = table.odds(name, picture)
        sure = shown > 0.5
        ours, rest = odds[truth[name] & sure], odds[~truth[name] & sure]
        assert np.median(ours) > max(0, np.quantile(rest, 0.95))
    coverage, _hull = silhouettes.find(solved, pictures.__getitem__, 1, lambda _done, _all: None)
    scores = [overlap(coverage[name] > 0.5, truth[name].astype(np.bool_)) for name in pictures]
    assert np.mean(scores) > 0.8 and min(scores) > 0.75


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    tilt=st.floats(0, 0.5),
    scale=st.floats(0.01, 100),
    below=st.booleans(),
)
def test_only_what_nothing_lies_below_is_stood_on(
    seed: int, tilt: float, scale: float, below: bool
) -> None:
    chance = np.random.default_rng(seed)
    flat = np.column_stack([chance.uniform(-1, 1, (300, 2)), chance.normal(0, 0.003, 300)])
    above = chance.uniform([-0.3, -0.3, 0.05], [0.3, 0.3, 0.8], (150, 3))
    deep = chance.uniform([-1, -1, -1], [1, 1, -0.2], (100, 3))
    turn = np.array(
        [[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]], np.float64
    )
    move = chance.uniform(-5, 5, 3)
    points = scale * (np.concatenate([flat, above, deep] if below else [flat, above]) @ turn.T)
    cameras = {
        str(i): looking(scale * turn @ np.array([np.cos(i), np.sin(i), 1.0]) * 2 + move, move)
        for i in range(6)
    }
    solved = Solved({1: LENS}, cameras, points + move, ())
    centre = move + scale * turn @ [0, 0, 0.3]
    found = support.plane_of(solved, centre, 0.8 * scale, UP)
    if below:
        assert found is None
    else:
        assert found is not None
        assert found.normal @ turn[:, 2] > 0.999
        assert abs(found.normal @ move - found.height) < 0.02 * scale


def test_a_cloud_of_points_is_no_table() -> None:
    points = np.random.default_rng(3).normal(size=(2000, 3))
    cameras = {str(i): looking(np.array([3 * np.cos(i), 3 * np.sin(i), 0.4]), np.zeros(3))
               for i in range(8)}  # fmt: skip
    solved = Solved({1: LENS}, cameras, points, ())
    assert support.plane_of(solved, np.zeros(3), 1.0, UP) is None
    few = Solved({1: LENS}, cameras, points[:20] * [1, 1, 0], ())
    assert support.plane_of(few, np.zeros(3), 1.0, UP) is None


@pytest.mark.parametrize("count", [1, 4, 7])
def test_a_median_leaves_out_what_is_no_number(count: int) -> None:
    values = np.random.default_rng(count).normal(size=(count, 30, 2)).astype(np.float32)
    values[np.random.default_rng(1).random(values.shape) < 0.3] = np.nan
    values[0] = np.nan_to_num(values[0])
    assert np.allclose(support._median(values), np.nanmedian(values, axis=0))
