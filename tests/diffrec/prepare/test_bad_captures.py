"""What people hand over by mistake: each is one sentence, soon, whatever else is in the folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffrec.prepare import cameras, frames, pictures
from diffrec.prepare.errors import CamerasError, SourceError
from diffrec.prepare.evidence import Shared
from diffrec.prepare.frames import Frame
from diffrec.prepare.sifting import leftout
from diffrec.prepare.steps import Progress
from nvdiffrec_contract.preparation import Preparation

from . import ballscene

pytest.importorskip("PIL", reason="Pillow comes with the extra photographs")

COUNT = 12


@pytest.fixture(scope="module")
def jpegs() -> list[bytes]:
    """Good photographs, as files."""
    found = []
    for camera in ballscene.ring(COUNT).cameras.values():
        picture = ballscene.photograph(camera, ballscene.LENS)[0]
        found.append(cv2.imencode(".jpg", picture)[1].tobytes())
    return found


@pytest.fixture
def chosen(tmp_path: Path, silent: Progress) -> Callable[..., frames.Frames]:
    """``chosen(files)``: what is used of a folder with these files."""

    def choose(files: dict[str, bytes], most: int = 300) -> frames.Frames:
        folder = tmp_path / "in"
        folder.mkdir()
        for name, data in files.items():
            (folder / name).write_bytes(data)
        asked = Preparation(folder, tmp_path / "out", most=most)
        frames.choose(asked, silent)
        return frames.chosen(asked.out)

    return choose


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def empty(_data: bytes) -> bytes:
    return b""


def noise(data: bytes) -> bytes:
    return np.random.default_rng(0).bytes(len(data))


def another_kind(_data: bytes) -> bytes:
    return b"%PDF-1.7 not a picture"


@pytest.mark.parametrize("damage", [cut, empty, noise, another_kind])
def test_damaged_photographs_are_named_and_the_good_ones_used(
    chosen: Callable[..., frames.Frames], jpegs: list[bytes], damage: Callable[[bytes], bytes]
) -> None:
    files = {f"IMG_{i}.JPG": data for i, data in enumerate(jpegs)}
    bad = {"IMG_3.JPG"}
    found = chosen({name: damage(d) if name in bad else d for name, d in files.items()})
    assert {Path(one.source).name for one in found.frames} == set(files) - bad
    assert {name for name, why in found.dropped} == bad
    assert all("no picture that can be decoded" in why for _name, why in found.dropped)


def test_one_photograph_alone(chosen: Callable[..., frames.Frames], jpegs: list[bytes]) -> None:
    with pytest.raises(SourceError, match="1 photograph can be used; 8 is the least") as error:
        chosen({"a.jpg": jpegs[0]})
    assert "walk around" in error.value.cure


def test_one_photograph_thirty_times(
    chosen: Callable[..., frames.Frames], jpegs: list[bytes]
) -> None:
    with pytest.raises(SourceError, match=r"1 photograph can be used \(29 the same file"):
        chosen({f"{i}.jpg": jpegs[0] for i in range(30)})


def test_of_five_thousand_only_as_many_are_opened_as_are_used(
    tmp_path: Path, jpegs: list[bytes], silent: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    many = 5000 // COUNT
    for i in range(5000):
        path = folder / f"IMG_{i:04d}.jpg"
        if i % many == 0:
            path.write_bytes(jpegs[i // many % COUNT] + bytes([i // many]))
        else:
            os.link(folder / f"IMG_{i // many * many:04d}.jpg", path)
    opened: list[Path] = []
    read = pictures.read

    def counted(path: Path) -> object:
        if path.parent == folder:
            opened.append(path)
        return read(path)

    monkeypatch.setattr(pictures, "read", counted)
    asked = Preparation(folder, tmp_path / "out", most=COUNT)
    frames.choose(asked, silent)
    found = frames.chosen(asked.out)
    assert len(opened) == len(found.frames) == COUNT
    assert len(found.dropped) == 5000 - COUNT
    assert all("--most" in why for _name, why in found.dropped)
    numbers = [int(path.stem[4:]) for path in opened]
    assert max(np.diff(numbers)) - min(np.diff(numbers)) <= 1


def shared(moves: list[float], seed: int = 0) -> tuple[dict[tuple[str, str], Shared], list[Frame]]:
    """Pairs of neighbours whose points move by so many diagonals; a fifth of them goes anywhere."""
    chance = np.random.default_rng(seed)
    names = [f"{i}" for i in range(len(moves) + 1)]
    listed = [Frame(name, name, (300, 400), 0, None, False, 0.3) for name in names]
    found = {}
    for i, move in enumerate(moves):
        first = chance.uniform(0, 300, (50, 2))
        angle = chance.uniform(0, 2 * np.pi)
        second = first + 500 * move * np.array([np.cos(angle), np.sin(angle)])
        second[:10] = chance.uniform(0, 300, (10, 2))
        found[names[i], names[i + 1]] = Shared(first, second)
    return found, listed


@settings(max_examples=25)
@given(
    still=st.lists(st.floats(0, 0.002), min_size=8, max_size=30),
    moving=st.lists(st.floats(0.01, 0.3), max_size=2),
    seed=st.integers(0, 99),
)
def test_a_camera_that_never_moves_is_told_before_any_mapper(
    still: list[float], moving: list[float], seed: int
) -> None:
    """A film of something that moves by itself, one photograph in thirty files, a turned object."""
    few = moving if len(moving) < 0.08 * len(still) else []
    with pytest.raises(CamerasError, match="camera did not move") as error:
        cameras._refuse_what_never_moved(*shared([*still, *few], seed))
    assert "walk around the object" in error.value.cure


@settings(max_examples=25)
@given(
    moves=st.lists(st.floats(0.005, 0.5), min_size=4, max_size=30),
    still=st.integers(0, 20),
    seed=st.integers(0, 99),
)
def test_a_camera_that_pauses_or_goes_slowly_is_not_refused(
    moves: list[float], still: int, seed: int
) -> None:
    pauses = min(still, 3 * len(moves))
    cameras._refuse_what_never_moved(*shared([*moves, *[0.0] * pauses], seed))
    cameras._refuse_what_never_moved({}, [])


@settings(max_examples=25)
@given(
    honest=st.lists(st.sampled_from([13.0, 26.0, 77.0, 120.0]), min_size=1, max_size=8),
    lies=st.lists(st.floats(0.5, 1.0) | st.floats(1500.0, 5000.0), max_size=3),
)
def test_lenses_that_no_phone_has_are_not_believed(honest: list[float], lies: list[float]) -> None:
    """Several lenses stay apart; where EXIF says what cannot be, the photographs decide."""
    said = [*honest, *lies]
    lenses: dict[float, int] = {}
    listed = [
        Frame(f"{i}", "", (300, 400), lenses.setdefault(one, len(lenses)), one, False, 0.3)
        for i, one in enumerate(said)
    ]
    other = Frame("other", "", (400, 300), 99, 26.0, False, 0.3)
    found = frames._without_lies([*listed, other])
    assert found[-1] == other
    if max(said) > frames.LENSES_APART * min(said):
        assert {(one.lens, one.focal) for one in found[:-1]} == {(0, None)}
    else:
        assert found[:-1] == listed


@pytest.mark.parametrize("ending", [".CR2", ".dng", ".HEIC", ".avif"])
def test_what_a_camera_stores_twice_is_used_once(
    chosen: Callable[..., frames.Frames], jpegs: list[bytes], ending: str
) -> None:
    """Raw or HEIF beside the JPEG of one photograph: neither twice, nor a package asked for."""
    files = {f"IMG_{i}.JPG": data for i, data in enumerate(jpegs)}
    doubles = {f"img_{i}{ending}": bytes([i]) for i in range(COUNT)}
    found = chosen(files | doubles, most=COUNT)
    assert {Path(one.source).name for one in found.frames} == set(files)
    assert dict(found.dropped) == dict.fromkeys(doubles, leftout.DOUBLE)
