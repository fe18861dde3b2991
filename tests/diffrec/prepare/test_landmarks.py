"""Points in common say where an object is, and say nothing where it has none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from diffrec.prepare.outline import landmarks
from diffrec.prepare.outline.landmarks import Landmarks
from diffrec.prepare.solved import Array, Solved

from . import ballscene

DENSE = 8000  # points on the ball that leave no gaps


def scene(on_ball: int, beside: int, seed: int = 0) -> tuple[Solved, dict[str, Array]]:
    """Ball and cameras, points on the ball and on the floor around it, and the true masks."""
    solved = ballscene.ring(10)
    masks = {
        name: (ballscene.photograph(camera, ballscene.LENS)[1] > 127).astype(np.float32)
        for name, camera in solved.cameras.items()
    }
    chance = np.random.default_rng(seed)
    ways = chance.normal(size=(on_ball, 3))
    ball = ballscene.CENTRE + ballscene.RADIUS * ways / np.linalg.norm(ways, axis=1)[:, None]
    angle, away = chance.uniform(0, 2 * np.pi, beside), chance.uniform(0.7, 2.0, beside)
    floor = np.column_stack(
        [
            ballscene.CENTRE[0] + away * np.cos(angle),
            ballscene.CENTRE[1] + away * np.sin(angle),
            np.full(beside, ballscene.FLOOR),
        ]
    )
    points = np.concatenate([ball, floor])
    names = np.array(list(solved.cameras))
    shown = np.stack([shows(one.centre, points) for one in solved.cameras.values()], axis=1)
    seen = tuple(tuple(names[row]) for row in shown)
    return replace(solved, points=points, seen=seen), masks


def shows(eye: Array, points: Array) -> NDArray[np.bool_]:
    """Before which points [N, 3] the ball is not."""
    ways = points - eye
    along = np.clip(-(ways @ (eye - ballscene.CENTRE)) / (ways**2).sum(1), 0, 0.98)
    nearest = eye + along[:, None] * ways - ballscene.CENTRE
    return np.asarray(np.linalg.norm(nearest, axis=1) > 0.97 * ballscene.RADIUS)


def stained(mask: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A mask that took a piece of the surroundings along, and that piece."""
    rows, columns = np.nonzero(mask > 0.5)
    right = int(columns.max())
    row = int(np.median(rows[columns == right]))
    wrong = mask.copy()
    wrong[max(0, row - 10) : row + 10, right : right + 14] = 1
    return wrong, (wrong > 0.5) & (mask < 0.5)


@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 2**16), turned=st.integers(0, 9))
def test_what_has_no_points_is_told_from_the_object(seed: int, turned: int) -> None:
    solved, masks = scene(DENSE, 300, seed)
    name = list(masks)[turned]
    wrong, piece = stained(masks[name])
    odds = Landmarks(solved).odds(masks | {name: wrong})
    assert piece.sum() > 100
    assert np.median(odds[name][piece]) < -1
    for other, mask in masks.items():
        assert np.median(odds[other][mask > 0.5]) > 0.5
        assert np.quantile(odds[other][mask > 0.5], 0.05) > np.median(odds[name][piece])


def test_points_of_the_surroundings_count_for_nothing() -> None:
    solved, masks = scene(DENSE, 1500)
    alone, _ = scene(DENSE, 0)
    for name, odds in Landmarks(solved).odds(masks).items():
        assert np.array_equal(odds, Landmarks(alone).odds(masks)[name])


@pytest.mark.parametrize("count", [0, landmarks.FEWEST // 2, 2 * landmarks.FEWEST])
def test_an_object_with_few_points_is_left_to_its_colours(count: int) -> None:
    solved, masks = scene(count, 1000)
    assert Landmarks(solved).odds(masks) == {}


def test_points_without_photographs_are_passed_over() -> None:
    solved, masks = scene(1000, 100)
    unknown = replace(solved, seen=(("not there",),) * len(solved.points))
    assert Landmarks(unknown).odds(masks) == {}
    assert Landmarks(replace(solved, seen=())).odds(masks) == {}
