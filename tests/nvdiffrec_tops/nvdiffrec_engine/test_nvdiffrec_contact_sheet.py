"""The contact sheet of a training with the user's checkout."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import cv2
import numpy
import pytest

from nvdiffrec_contract import layout
from nvdiffrec_tops.job.engines.nvdiffrec import contactsheet

IMAGEIO = """
import cv2
def imread(path):
    found = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    assert found is not None, "not a picture: " + path
    return found
def imwrite(path, picture):
    assert cv2.imwrite(path, picture)
"""


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/imageio.py").write_text(IMAGEIO)
    return {**os.environ, "PYTHONPATH": str(tmp_path / "modules")}


def picture(path: Path, value: int, size: tuple[int, int] = (32, 32)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), numpy.full((*size, 3), value, dtype=numpy.uint8))


def test_views_are_rows_and_the_reference_comes_first(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    made = tmp_path / "made"
    for view in range(6):
        for value, name in enumerate(("kd", "opt", "ref")):
            picture(made / f"validate/val_{view:06d}_{name}.png", 40 * view + value)
    assert contactsheet.make(str(made), sys.executable, variables) is None
    sheet = cv2.imread(str(made / layout.CONTACT_SHEET))
    assert sheet is not None
    cell = 32 + contactsheet.GAP
    assert sheet.shape == (4 * cell + contactsheet.GAP, 3 * cell + contactsheet.GAP, 3)
    middles = sheet[cell // 2 :: cell, cell // 2 :: cell, 0][:4, :3].tolist()
    assert middles == [[40 * view + name for name in (2, 1, 0)] for view in (0, 1, 3, 4)]


def test_without_validation_the_last_pictures_of_the_training_are_shown(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    for index in range(6):
        picture(tmp_path / f"made/img_mesh_pass_{index:06d}.png", index, (1300, 64))
    assert contactsheet.make(str(tmp_path / "made"), sys.executable, variables) is None
    sheet = cv2.imread(str(tmp_path / "made" / contactsheet.SHEET))
    assert sheet is not None and max(sheet.shape) < 4 * 600


def test_a_sheet_that_cannot_be_made_is_a_sentence(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    (tmp_path / "made").mkdir()
    said = contactsheet.make(str(tmp_path / "made"), sys.executable, variables)
    assert said is not None and "left no pictures" in said
    (tmp_path / "made/img_mesh_pass_000000.png").write_bytes(b"picture")
    said = contactsheet.make(str(tmp_path / "made"), sys.executable, variables)
    assert said is not None and "not a picture" in said
    assert contactsheet.make(str(tmp_path / "made"), "/nowhere/python", variables) is not None
