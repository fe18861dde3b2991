"""Metres out of printed markers: sheets drawn by OpenCV's own printer, seen by known cameras."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from diffrec.data import metres as lengths
from diffrec.prepare import masks, metres, placement, run
from diffrec.prepare.errors import LengthError
from diffrec.prepare.solved import Array, Camera, Lens, Solved
from diffrec.prepare.steps import Progress

from .ballscene import looking
from .conftest import Prepared

LENS = Lens((288, 384), (390.0, 390.0), (192.0, 144.0), (-0.05, 0.01, 0.0, 0.0))
SHEET = 4
"""Squares along the side of a ChArUco board."""


def board(kind: str, marker: float) -> NDArray[np.uint8]:
    """A ChArUco board whose squares are 1 long, on white paper, 120 pixels a square."""
    dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, kind))
    printed = cv2.aruco.CharucoBoard((SHEET, SHEET), 1.0, marker, dictionary)
    return np.asarray(printed.generateImage((SHEET * 120, SHEET * 120)), np.uint8)


def seen(camera: Camera, sheets: list[tuple[NDArray[np.uint8], float, Array]]) -> NDArray[np.uint8]:
    """Sheets on the plane z = 0, each with its pixels in a unit of the world and its corner."""
    height, width = LENS.size
    ways = rays() @ camera.rotation.T
    places = camera.centre - camera.centre[2] / ways[:, 2:] * ways
    found = np.full((height, width), 200, np.uint8)
    for sheet, pixels, corner in sheets:
        at = ((places[:, :2] - corner) * pixels - 0.5).astype(np.float32).reshape(height, width, 2)
        at[..., 1] = sheet.shape[0] - 1 - at[..., 1]  # print is read from above, y away
        cv2.remap(sheet, at[..., 0], at[..., 1], cv2.INTER_AREA, found, cv2.BORDER_TRANSPARENT)
    return cv2.cvtColor(cv2.GaussianBlur(found, (0, 0), 0.6), cv2.COLOR_GRAY2BGR).astype(np.uint8)


@lru_cache
def rays() -> Array:
    """The ways through the lens's pixels, in the camera's axes."""
    height, width = LENS.size
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    flat = LENS.rays(np.stack([columns, rows], axis=-1).reshape(-1, 2))
    return np.column_stack([flat, np.ones(len(flat))])


def ring(count: int, scale: float) -> Solved:
    cameras = {}
    for i in range(count):
        angle = 2.2 * i / count
        eye = scale * np.array([4.6 * np.cos(angle), 4.6 * np.sin(angle), 4.4])
        cameras[f"view_{i}"] = looking(eye, scale * np.array([0.1, 0.2, 0.0]))
    return Solved({1: LENS}, cameras, np.zeros((0, 3)), ())


@settings(max_examples=4, deadline=None)
@given(
    kind=st.sampled_from(["DICT_4X4_50", "DICT_5X5_100", "DICT_6X6_250", "DICT_APRILTAG_36h11"]),
    scale=st.floats(0.001, 1000),
    square=st.floats(0.002, 3),
    part=st.sampled_from([0.6, 0.65, 0.7, 0.75, 0.8]),  # whole pixels of the print
    wrong=st.booleans(),
)
def test_a_board_says_how_long_a_metre_is(
    kind: str, scale: float, square: float, part: float, wrong: bool
) -> None:
    world = ring(4, scale)
    sheet = [(board(kind, part), 120 / scale, scale * np.array([-2.0, -2.0]))]
    pictures = {name: seen(one, sheet) for name, one in world.cameras.items()}
    if wrong:  # one photograph's camera is another's: its markers lie elsewhere
        poses = {**world.cameras, "view_0": world.cameras["view_3"]}
        world = Solved(world.lenses, poses, world.points, ())
    found, count = metres.of_markers(world, pictures.__getitem__, square * part)
    assert found * scale == pytest.approx(square, rel=0.015)
    assert count >= SHEET


def test_no_marker_is_told() -> None:
    world = ring(3, 1.0)
    bare = dict.fromkeys(world.cameras, np.full((*LENS.size, 3), 180, np.uint8))
    with pytest.raises(LengthError, match="none is seen") as caught:
        metres.of_markers(world, bare.__getitem__, 0.05)
    assert "--height" in str(caught.value)


def test_one_photograph_of_a_marker_is_not_enough() -> None:
    world = ring(4, 1.0)
    sheet = [(board("DICT_5X5_100", 0.7), 120.0, np.array([-2.0, -2.0]))]
    pictures = dict.fromkeys(world.cameras, np.full((*LENS.size, 3), 180, np.uint8))
    pictures["view_1"] = seen(world.cameras["view_1"], sheet)
    with pytest.raises(LengthError, match="none in the same place"):
        metres.of_markers(world, pictures.__getitem__, 0.05)


def test_markers_of_two_sizes_are_refused() -> None:
    world = ring(4, 1.0)
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_5X5_100)
    sheets = []
    for number, size, x in ((1, 0.9, -1.7), (2, 0.9, -0.2), (3, 0.6, 1.3)):
        print_ = np.asarray(dictionary.generateImageMarker(number, 140), np.uint8)
        framed = cv2.copyMakeBorder(print_, 30, 30, 30, 30, cv2.BORDER_CONSTANT, value=255)
        sheets.append((framed.astype(np.uint8), 140 / size, np.array([x, -0.5])))
    pictures = {name: seen(one, sheets) for name, one in world.cameras.items()}
    with pytest.raises(LengthError, match="not of one size"):
        metres.of_markers(world, pictures.__getitem__, 0.05)


def test_the_height_of_the_object_makes_metres(
    prepared: Callable[..., Prepared], silent: Progress, tmp_path: Path
) -> None:
    one = prepared(8, alpha=True)
    masks.make(one.asked, one.frames, one.solved, silent)
    placed = placement.place(one.solved, placement.coverage_of(one.out, one.solved))
    assert placed.metres is None
    asked = dataclasses.replace(one.asked, height=0.31)
    known = run._measured(asked, one.frames, one.solved, placed, silent)
    assert known.metres is not None
    assert known.metres * placed.box[2] == pytest.approx(0.31)
    placement.save(tmp_path / "p.json", known)
    assert placement.load(tmp_path / "p.json").metres == known.metres
    document = json.loads((tmp_path / "p.json").read_text())
    assert document["metres_per_unit"] == known.metres
    # A point that is 0.31 m above another in the asset is the object's height away in the solver.
    ends = np.array([[0, 0, 0, 1], [0, 0.31, 0, 1]]) @ np.array(document["solver_from_asset"]).T
    there = np.linalg.norm(ends[1] - ends[0])
    assert there == pytest.approx(placed.box[2] / placed.scale)
    back = np.array(document["asset_from_solver"]) @ ends[1]
    assert back[:3] == pytest.approx([0, 0.31, 0], abs=1e-9)
    placement.save(tmp_path / lengths.PLACEMENT, known)
    assert lengths.of_data_set(tmp_path, pytest.fail) == known.metres, "a training reads it"
    placement.save(tmp_path / "p.json", placed)
    document = json.loads((tmp_path / "p.json").read_text())
    assert document["asset_from_solver"] == document["mesh_from_solver"]
