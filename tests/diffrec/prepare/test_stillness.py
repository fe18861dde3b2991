"""A camera that stands still is told before anything is solved; one that moves is left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffrec.prepare import frames
from diffrec.prepare.errors import CamerasError
from diffrec.prepare.sifting import leftout, stillness
from diffrec.prepare.sifting.stillness import Picture
from diffrec.prepare.steps import Progress
from nvdiffrec_contract.preparation import Preparation

from . import ballscene

pytest.importorskip("PIL", reason="Pillow comes with the extra photographs")

COUNT = stillness.LOOKED_AT
SIZE = (120, 160)


def patterned(seed: int, size: tuple[int, int] = SIZE) -> Picture:
    chance = np.random.default_rng(seed)
    coarse = chance.uniform(0, 255, (size[0] // 6, size[1] // 6, 3)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC).clip(0, 255),
                      np.uint8)  # fmt: skip


def filmed(seed: int, side: int, noise: float, drift: float) -> list[Picture]:
    """A patterned square that walks before a patterned wall, under a light that changes."""
    chance = np.random.default_rng(seed)
    wall, thing = patterned(seed), patterned(seed + 1, (side, side))
    found = []
    for i in range(COUNT):
        picture = wall.astype(np.float32)
        left = i * (SIZE[1] - side) // (COUNT - 1)
        picture[20 : 20 + side, left : left + side] = thing
        picture = picture * (1 + drift * chance.uniform(-1, 1)) + chance.normal(
            0, noise, (*SIZE, 3)
        )
        found.append(np.asarray(picture.clip(0, 255), np.uint8))
    return found


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 999),
    side=st.integers(12, 45),
    noise=st.floats(0, 2),
    drift=st.floats(0, 0.1),
)
def test_what_moves_before_a_camera_that_stands_is_told(
    seed: int, side: int, noise: float, drift: float
) -> None:
    small = [stillness.small(one) for one in filmed(seed, side, noise, drift)]
    with pytest.raises(CamerasError, match="camera did not move") as error:
        stillness.refuse(small)
    assert "walk around the object" in error.value.cure


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), pause=st.integers(0, COUNT - 2), step=st.integers(3, 12))
def test_a_camera_that_pauses_is_not_refused(seed: int, pause: int, step: int) -> None:
    wall = patterned(seed, (SIZE[0], SIZE[1] + COUNT * step))
    places = [max(0, i - pause) * step for i in range(COUNT)]
    assert places[-1] > 0
    stillness.refuse([stillness.small(wall[:, x : x + SIZE[1]]) for x in places])


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 999),
    covers=st.floats(0.3, 0.6),
    noise=st.floats(0, 2),
    drift=st.floats(0, 0.1),
)
def test_a_large_object_that_turns_before_its_surroundings_is_told(
    seed: int, covers: float, noise: float, drift: float
) -> None:
    """A ball that fills much of the picture, each time from another side, before one wall."""
    small = [stillness.small(one) for one in turning(seed, covers, noise, drift)]
    with pytest.raises(CamerasError, match=r"stood still|did not move") as error:
        stillness.refuse(small)
    assert "walk around the object" in error.value.cure


def turning(seed: int, covers: float, noise: float, drift: float) -> list[Picture]:
    chance = np.random.default_rng(seed)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    away = np.hypot((rows - SIZE[0] / 2) / SIZE[0], (columns - SIZE[1] / 2) / SIZE[1])
    ball = away < np.sqrt(covers / np.pi)
    wall, found = patterned(seed), []
    for i in range(COUNT):
        picture = np.where(ball[..., None], patterned(seed + 1 + i), wall).astype(np.float32)
        picture *= 1 + drift * chance.uniform(-1, 1)
        picture += chance.normal(0, noise, picture.shape)
        found.append(np.asarray(picture.clip(0, 255), np.uint8))
    return found


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 999),
    step=st.integers(3, 12),
    corner=st.sampled_from([(0, 0), (0, 110), (100, 0), (100, 110)]),
    bars=st.integers(0, 20),
)
def test_a_mark_or_bars_in_a_film_of_a_walk_are_no_surroundings(
    seed: int, step: int, corner: tuple[int, int], bars: int
) -> None:
    wall, mark = patterned(seed, (SIZE[0], SIZE[1] + COUNT * step)), patterned(seed + 1, (20, 50))
    small = []
    for i in range(COUNT):
        picture = wall[:, i * step : i * step + SIZE[1]].copy()
        picture[:bars] = picture[SIZE[0] - bars :] = 0
        y, x = corner
        picture[y : y + 20, x : x + 50] = mark
        small.append(stillness.small(picture))
    stillness.refuse(small)


def test_a_turntable_before_a_plain_wall_is_not_refused() -> None:
    """Nothing is there that a solver could take for what it goes by."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    ball = np.hypot(rows - 60, columns - 80) < 40
    shade = (np.linspace(180, 220, SIZE[1])[None, :, None] * np.ones((*SIZE, 3))).astype(np.uint8)
    shade[90:] = 120  # the table's edge
    seen = [np.where(ball[..., None], patterned(i), shade).astype(np.uint8) for i in range(COUNT)]
    assert not stillness.surroundings_stay([stillness.small(one) for one in seen])


def test_what_shows_nothing_says_nothing() -> None:
    stillness.refuse([stillness.small(np.full((*SIZE, 3), 235, np.uint8))] * COUNT)
    stillness.refuse([])


def test_a_walk_around_the_ball_is_none() -> None:
    solved = ballscene.ring(COUNT)
    shown = [ballscene.photograph(one, ballscene.LENS)[0] for one in solved.cameras.values()]
    small = [stillness.small(one) for one in shown]
    assert not any(stillness.stays(a, b) for a in small for b in small if a is not b)


def written(path: Path, pictures: list[Picture]) -> Path:
    film = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, SIZE[::-1])
    for one in pictures:
        film.write(one)
    film.release()
    return path


@pytest.fixture
def told() -> tuple[list[str], Progress]:
    lines: list[str] = []
    return lines, Progress("frames", lines.append)


def test_a_film_of_something_that_moves_ends_at_its_first_step(
    tmp_path: Path, told: tuple[list[str], Progress]
) -> None:
    path = written(tmp_path / "a.avi", [one for one in filmed(3, 40, 2, 0) for _ in range(2)])
    asked = Preparation(path, tmp_path / "out")
    with pytest.raises(CamerasError, match="camera did not move"):
        frames.choose(asked, told[1])
    assert not frames.listing_of(asked.out).exists()


@pytest.mark.parametrize("part", [0.3, 0.5, 0.8])
def test_a_film_that_is_cut_says_how_much_of_it_is_used(
    tmp_path: Path, told: tuple[list[str], Progress], part: float
) -> None:
    wall = patterned(0, (SIZE[0], SIZE[1] + 400))
    path = written(tmp_path / "walk.avi", [wall[:, 6 * i : 6 * i + SIZE[1]] for i in range(60)])
    data = path.read_bytes()
    path.write_bytes(data[: round(part * len(data))])
    asked = Preparation(path, tmp_path / "out")
    frames.choose(asked, told[1])
    found = frames.chosen(asked.out)
    assert frames.FEWEST <= len(found.frames) < 60
    assert [name for name, why in found.dropped if "of 60 pictures cannot be read" in why] == [
        "walk.avi"
    ]
    assert any("walk.avi is cut" in line and "copy it" in line for line in told[0])


def test_reasons_name_a_file_and_the_next_thing_to_do(
    tmp_path: Path, told: tuple[list[str], Progress], make: Callable[[Path, str], None]
) -> None:
    for kind, cure in leftout.CURES.items():
        folder = tmp_path / kind.replace(" ", "_")
        folder.mkdir()
        for i in range(frames.FEWEST):
            make(folder / f"{i}.png", kind)
        with pytest.raises(frames.SourceError, match=f"{kind}, first [01].png") as error:
            frames.choose(Preparation(folder, tmp_path / "out"), told[1])
        assert error.value.cure == cure


@pytest.fixture
def make() -> Callable[[Path, str], None]:
    def made(path: Path, kind: str) -> None:
        if kind == leftout.UNREADABLE:
            path.write_bytes(b"GIF89a" + path.name.encode())
        else:
            picture = patterned(int(path.stem) if kind == leftout.IS_SMALL else 0)
            if kind == leftout.IS_SMALL:
                picture = picture[: leftout.SMALLEST - 1]
            if kind == leftout.AGAIN:
                picture[0, 0] = int(path.stem)
            cv2.imwrite(str(path), picture)

    return made
