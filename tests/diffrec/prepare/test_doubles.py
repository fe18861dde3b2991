"""A picture that was saved again is used once; one from another place is another."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffrec.prepare import frames
from diffrec.prepare.sifting import doubles, leftout
from diffrec.prepare.steps import Progress
from nvdiffrec_contract.preparation import Preparation

from . import ballscene

pytest.importorskip("PIL", reason="Pillow comes with the extra photographs")

COUNT = 12
PICTURES = [
    ballscene.photograph(one, ballscene.LENS)[0] for one in ballscene.ring(COUNT).cameras.values()
]


@settings(max_examples=15, deadline=None)
@given(
    number=st.integers(0, COUNT - 1),
    quality=st.integers(90, 100),
    gain=st.floats(0.8, 1.0),
)
def test_how_it_was_saved_makes_no_other_picture(number: int, quality: int, gain: float) -> None:
    whole = [doubles.signature(one) for one in PICTURES]
    assert not any(doubles.is_among(one, whole[:i]) for i, one in enumerate(whole))
    data = cv2.imencode(".jpg", PICTURES[number] * gain, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    stored = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    assert doubles.is_among(doubles.signature(stored), whole)


@settings(max_examples=15, deadline=None)
@given(number=st.integers(0, COUNT - 1), x=st.integers(5, 20), y=st.integers(-20, 20))
def test_a_camera_that_moved_a_little_takes_another(number: int, x: int, y: int) -> None:
    moved = np.roll(PICTURES[number], (y, x), (0, 1))
    assert not doubles.is_among(doubles.signature(moved), [doubles.signature(PICTURES[number])])


def test_a_bare_wall_is_left_to_what_says_so() -> None:
    wall = np.full((120, 160, 3), 235, np.uint8)
    assert not doubles.is_among(doubles.signature(wall), [doubles.signature(wall)])


def test_a_folder_in_two_formats_is_used_once(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for i, one in enumerate(PICTURES):
        cv2.imwrite(str(folder / f"IMG_{i:02d}.jpg"), one)
        cv2.imwrite(str(folder / f"IMG_{i:02d}.png"), one)
    lines: list[str] = []
    frames.choose(Preparation(folder, tmp_path / "out"), Progress("frames", lines.append))
    found = frames.chosen(tmp_path / "out")
    assert len(found.frames) == COUNT
    assert dict(found.dropped) == {f"IMG_{i:02d}.png": leftout.AGAIN for i in range(COUNT)}
    assert f"12 {leftout.AGAIN}, first IMG_00.png" in lines[-1]
