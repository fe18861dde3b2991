"""Orientation tags that lie: up is what most cameras say, and the others are named."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from diffrec.data import upright
from diffrec.prepare import orientation, placement, run, solved
from diffrec.prepare.frames import Frames
from diffrec.prepare.solved import Array, Camera, Solved
from diffrec.prepare.steps import Steps

from . import ballscene
from .conftest import Prepared

NAMES = {0: 0, 1: 1, 2: 2, 3: -1}
"""Quarter turns clockwise, as they are told."""


def turned(camera: Camera, quarters: float) -> Camera:
    """The camera whose picture is the same, turned clockwise by quarters."""
    angle = quarters * math.pi / 2
    x, y = camera.rotation[:, 0], camera.rotation[:, 1]
    # What was up in the picture, -y, is then to the right.
    right = math.cos(angle) * x + math.sin(angle) * -y
    above = math.cos(angle) * -y - math.sin(angle) * x
    return dataclasses.replace(
        camera, rotation=np.stack([right, -above, camera.rotation[:, 2]], axis=1)
    )


def world(cameras: dict[str, Camera], seed: int) -> tuple[dict[str, Camera], Array]:
    """The same in another world, and where up is there."""
    draw = np.random.default_rng(seed)
    turn = np.linalg.qr(draw.normal(size=(3, 3)))[0]
    turn = turn * np.sign(np.linalg.det(turn))
    moved = {
        name: dataclasses.replace(one, rotation=turn @ one.rotation, centre=turn @ one.centre)
        for name, one in cameras.items()
    }
    return moved, turn @ [0, 0, 1.0]


@st.composite
def rigs(draw: st.DrawFn) -> tuple[dict[str, Camera], Array, dict[str, int]]:
    """Cameras that walked around the ball, up in their world, and who stands turned by how much."""
    count = draw(st.integers(10, 60))
    chance = np.random.default_rng(draw(st.integers(0, 10**6)))
    heights = tuple(chance.uniform(-0.2, 2.0, 3))
    around = draw(st.floats(math.pi, 2 * math.pi))
    level = ballscene.ring(count, heights=heights, arc=around).cameras
    held = {name: turned(one, chance.normal(0, 0.06)) for name, one in level.items()}
    liars = chance.choice(count, int(draw(st.floats(0, 0.4)) * count), replace=False)
    kinds = draw(st.sampled_from([(1,), (2,), (3,), (1, 3), (1, 2, 3)]))
    names = list(held)
    lies = {names[int(i)]: int(chance.choice(kinds)) for i in liars}
    cameras = {name: turned(one, lies.get(name, 0)) for name, one in held.items()}
    moved, up = world(cameras, draw(st.integers(0, 10**6)))
    return moved, up, {name: NAMES[one] for name, one in lies.items()}


@given(rig=rigs())
def test_up_is_that_of_the_most_and_who_lies_is_known(
    rig: tuple[dict[str, Camera], Array, dict[str, int]],
) -> None:
    cameras, up, lies = rig
    found = solved.up_of(cameras)
    assert found @ up > math.cos(math.radians(12))
    assert orientation.turned_against(cameras, found) == lies


@given(rig=rigs())
def test_where_nobody_lies_nothing_changes(
    rig: tuple[dict[str, Camera], Array, dict[str, int]],
) -> None:
    cameras, _up, lies = rig
    right, above = solved.right_of(cameras), solved.above_of(cameras)
    honest = np.array([name not in lies for name in cameras])
    every = upright.up_of(right[honest], above[honest])
    by_all = upright._by_all(right[honest], above[honest])
    assert every is not None and by_all is not None and np.array_equal(every, by_all)


@pytest.mark.parametrize("lie", [0, 1, 2, 3])
def test_a_camera_that_looks_straight_down_contradicts_nobody(lie: int) -> None:
    cameras = dict(ballscene.ring(12).cameras)
    down = np.stack([[1.0, 0, 0], [0, -1.0, 0], [0, 0, -1.0]], axis=1)
    cameras["top"] = turned(Camera(1, down, np.array([0.3, -0.2, 2.5])), lie)
    assert orientation.turned_against(cameras, solved.up_of(cameras)) == {}


def test_few_who_agree_are_not_sure() -> None:
    assert "too few" in orientation.about(dict.fromkeys("abcde", 1), 10)
    sure = orientation.about({"a": 1}, 10)
    assert "too few" not in sure and "1 photograph of 10 stand" in sure and "other 9" in sure


def test_what_a_project_says_of_up_stands() -> None:
    ring = ballscene.ring(9)
    cameras = {**ring.cameras, "view_00": turned(ring.cameras["view_00"], 1)}
    said = dataclasses.replace(ring, cameras=cameras, up=(0.0, 1.0, 0.0))
    assert orientation.noted(said, ()) == (said, "")
    assert orientation.noted(ring, ()) == (ring, "")
    known, told = orientation.noted(dataclasses.replace(said, up=None), ())
    assert told and "view_00 stands by a quarter clockwise" in known.notes


def with_tag(path: Path, said: int, pixels: NDArray[np.uint8]) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = said
    Image.fromarray(pixels).save(path, exif=exif)


def test_a_preparation_tells_who_lies_and_stands_upright(
    prepared: Callable[..., Prepared],
) -> None:
    """The same pictures, some of them turned: the object stands as it did, and its box is level."""
    pytest.importorskip("PIL")
    one = prepared(10, alpha=True)
    lies = {"view_02": (1, 6), "view_05": (2, 3), "view_07": (3, 1)}
    cameras, frames = dict(one.solved.cameras), []
    sideways = dataclasses.replace(ballscene.LENS, size=(160, 120), centre=(60.0, 80.0))
    for frame in one.frames:
        quarters, tag = lies.get(frame.name, (0, 1))
        path = one.out / "photographs" / f"{frame.name}.png"
        turn_file(path, quarters)
        size = frame.size[:: -1 if quarters % 2 else 1]
        of_it = turned(cameras[frame.name], quarters)
        cameras[frame.name] = dataclasses.replace(of_it, lens=1 + quarters % 2)
        with_tag(Path(frame.source), tag, np.zeros((8, 8, 3), np.uint8))
        frames.append(dataclasses.replace(frame, size=size))
    found = Solved({1: ballscene.LENS, 2: sideways}, cameras, np.zeros((0, 3)), ())
    lines: list[str] = []
    steps = Steps(one.out / "work" / "steps", lines.append)
    run._finished(one.asked, Frames(tuple(frames), ()), found, steps)
    (told,) = [line for line in lines if "stand turned" in line]
    assert "3 photographs of 10" in told
    assert "view_02 stands by a quarter clockwise, by its EXIF orientation 6" in told
    assert "view_05 stands upside down, by its EXIF orientation 3" in told
    assert "view_07 stands by a quarter counterclockwise" in told and "orientation 1" not in told
    text = (one.out / "report" / "report.txt").read_text(encoding="utf-8")
    assert all(f"note: {name} stands" in text for name in lies)
    placed = placement.load(one.out / "placement.json")
    assert placed.turn[2] @ [0, 0, 1] > math.cos(math.radians(1))
    assert placed.box == pytest.approx(placement.SIDE, rel=0.1), "a ball, by pictures turned so"
    lines.clear()
    run._finished(one.asked, Frames(tuple(frames), ()), found, Steps(steps._folder, lines.append))
    assert "placement: up to date" in lines


def turn_file(path: Path, quarters: int) -> None:
    import cv2

    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    cv2.imwrite(str(path), np.ascontiguousarray(np.rot90(pixels, -quarters)))
