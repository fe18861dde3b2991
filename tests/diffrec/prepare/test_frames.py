"""Which photographs are used, and what is said of the others."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffrec.prepare import frames
from diffrec.prepare.errors import SolverMissingError, SourceError, solver
from diffrec.prepare.frames import Frames
from diffrec.prepare.steps import Progress
from nvdiffrec_contract.preparation import Preparation

from . import ballscene

pytest.importorskip("PIL", reason="Pillow comes with the extra photographs")

COUNT = 10


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    lens = ballscene.LENS
    for name, camera in ballscene.ring(COUNT).cameras.items():
        cv2.imwrite(str(folder / f"{name}.png"), ballscene.photograph(camera, lens)[0])
    return folder


def chosen(source: Path, out: Path, **more: int) -> Frames:
    asked = Preparation(source, out, **more)  # type: ignore[arg-type]
    frames.choose(asked, Progress("frames", lambda line: None))
    return frames.chosen(out)


@pytest.fixture
def copied(photographs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(photographs, tmp_path / "in"))


def test_photographs_are_copied_upright_and_reduced(copied: Path, tmp_path: Path) -> None:
    found = chosen(copied, tmp_path / "out", longest=100)
    assert [one.name for one in found.frames] == [f"view_{i:02d}" for i in range(COUNT)]
    assert {one.size for one in found.frames} == {(75, 100)}
    assert {one.lens for one in found.frames} == {0} and not found.dropped
    picture = cv2.imread(str(tmp_path / "out" / "photographs" / "view_03.png"))
    whole = cv2.imread(str(copied / "view_03.png"))
    assert np.abs(picture.astype(int) - cv2.resize(whole, (100, 75), None, 0, 0, 3)).mean() < 2


def test_what_is_of_no_use_is_left_out_with_a_reason(copied: Path, tmp_path: Path) -> None:
    (copied / "z_cut.jpg").write_bytes(b"\xff\xd8\xff")
    shutil.copy(copied / "view_00.png", copied / "z_twice.png")
    cv2.imwrite(str(copied / "z_tiny.png"), np.zeros((9, 9, 3), np.uint8))
    sharp = cv2.imread(str(copied / "view_05.png"))
    cv2.imwrite(str(copied / "z_blurred.png"), cv2.GaussianBlur(sharp, (0, 0), 8))
    found = chosen(copied, tmp_path / "out")
    assert len(found.frames) == COUNT
    reasons = dict(found.dropped)
    assert reasons.keys() == {"z_cut.jpg", "z_twice.png", "z_tiny.png", "z_blurred.png"}
    assert "decoded" in reasons["z_cut.jpg"] and "same file" in reasons["z_twice.png"]
    assert "smaller" in reasons["z_tiny.png"] and reasons["z_blurred.png"] == "blurred"


def test_the_limit_keeps_an_even_choice(copied: Path, tmp_path: Path) -> None:
    picture = cv2.imread(str(copied / "view_00.png"))
    for i in range(30):
        cv2.imwrite(str(copied / f"more_{i:02d}.png"), np.roll(picture, i + 1, axis=1))
    found = chosen(copied, tmp_path / "out", most=10)
    assert len(found.frames) == 10 and len(found.dropped) == 30
    assert found.frames[0].name == "more_00" and found.frames[-1].name == "view_06"
    assert "--most" in found.dropped[0][1]


def test_photographs_of_two_sizes_are_of_two_lenses(copied: Path, tmp_path: Path) -> None:
    for i in (1, 4):
        path = str(copied / f"view_{i:02d}.png")
        cv2.imwrite(path, cv2.rotate(cv2.imread(path), cv2.ROTATE_90_CLOCKWISE))
    found = chosen(copied, tmp_path / "out")
    assert [one.lens for one in found.frames] == [0, 1, 0, 0, 1, 0, 0, 0, 0, 0]


def test_all_blurred_is_one_sentence(copied: Path, tmp_path: Path) -> None:
    for path in copied.iterdir():
        cv2.imwrite(str(path), cv2.GaussianBlur(cv2.imread(str(path)), (0, 0), 12))
    with pytest.raises(SourceError, match="all photographs are blurred"):
        chosen(copied, tmp_path / "out")


@pytest.mark.parametrize("left", [0, 1, frames.FEWEST - 1])
def test_too_few_say_how_many_are_needed(copied: Path, tmp_path: Path, left: int) -> None:
    for path in sorted(copied.iterdir())[left:]:
        path.unlink()
    with pytest.raises(SourceError, match=r"no photographs|\b8 is the least"):
        chosen(copied, tmp_path / "out")


def test_a_folder_of_folders_names_the_right_one(copied: Path, tmp_path: Path) -> None:
    parent = tmp_path / "shoot"
    shutil.move(copied, parent / "monday")
    with pytest.raises(SourceError, match="monday"):
        chosen(parent, tmp_path / "out")
    shutil.move(parent / "monday", parent / "images")
    assert len(chosen(parent, tmp_path / "out").frames) == COUNT


def film(path: Path, count: int, blurred: set[int]) -> Path:
    ring = ballscene.ring(count)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (160, 120))
    if not writer.isOpened():
        pytest.skip("this OpenCV cannot write a film")
    for i, camera in enumerate(ring.cameras.values()):
        picture = ballscene.photograph(camera, ballscene.LENS)[0]
        writer.write(cv2.GaussianBlur(picture, (0, 0), 3) if i in blurred else picture)
    writer.release()
    return path


def test_a_film_gives_the_sharpest_of_each_stretch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "CANDIDATES", 4)
    blurred = {i for i in range(40) if i % 4 != 2}
    path = film(tmp_path / "walk.avi", 40, blurred)
    found = chosen(path, tmp_path / "out", most=10)
    numbers = [int(one.name.removeprefix("frame_")) for one in found.frames]
    assert found.film and numbers == [i for i in range(40) if i not in blurred]


def test_what_is_no_film_is_told(tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    with pytest.raises(SourceError, match="no film that can be read"):
        chosen(path, tmp_path / "out")
    other = tmp_path / "notes.txt"
    other.write_text("no film")
    with pytest.raises(SourceError, match="no film that is known"):
        chosen(other, tmp_path / "out")


@given(st.lists(st.text(min_size=1, max_size=12).filter(lambda s: "/" not in s), max_size=12))
def test_names_are_plain_and_none_occurs_twice(stems: list[str]) -> None:
    files = [Path(f"{stem}.jpg") for stem in dict.fromkeys(stems)]
    names = frames.names_of(files)
    assert len({name.lower() for name in names.values()}) == len(set(files))
    assert all(name.isascii() and " " not in name and "/" not in name for name in names.values())


def test_what_is_chosen_depends_on_the_files(copied: Path, tmp_path: Path) -> None:
    asked = Preparation(copied, tmp_path / "out")
    before = frames.reads(asked)
    assert frames.reads(asked) == before
    assert frames.reads(dataclasses.replace(asked, most=9)) != before
    (copied / "view_02.png").unlink()
    assert frames.reads(asked) != before


def test_a_solver_that_is_missing_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycolmap", None)
    with pytest.raises(SolverMissingError, match=r"pip install .*photographs"):
        solver()
