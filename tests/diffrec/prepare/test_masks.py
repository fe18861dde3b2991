"""Masks: made out of photographs and cameras, from files, from alpha, by hand, and refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from diffrec.prepare import masks, pictures
from diffrec.prepare.errors import MasksError, SolverMissingError
from diffrec.prepare.outline import hull
from diffrec.prepare.steps import Progress

from . import ballscene
from .conftest import Prepared

pytest.importorskip("PIL", reason="Pillow comes with the extra photographs")


def overlap(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(((a > 127) & (b > 127)).sum() / ((a > 127) | (b > 127)).sum())


def written(one: Prepared) -> dict[str, NDArray[np.uint8]]:
    return {frame.name: masks.read(one.out, frame) for frame in one.frames}


def put(
    one: Prepared, folder: Path, changed: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, mask in one.truth.items():
        cv2.imwrite(str(folder / f"{name}.png"), changed(mask))


def test_masks_are_made_from_photographs_and_cameras(
    prepared: Callable[..., Prepared], silent: Progress
) -> None:
    one = prepared(10)
    masks.make(one.asked, one.frames, one.solved, silent)
    scores = [overlap(mask, one.truth[name]) for name, mask in written(one).items()]
    assert np.mean(scores) > 0.95 and min(scores) > 0.9
    # Grey where the edge runs through a pixel, and nowhere else.
    mask = written(one)["view_00"]
    grey = (mask > 20) & (mask < 235)
    assert 0 < grey.mean() < 0.1


def test_painted_masks_are_kept(prepared: Callable[..., Prepared], silent: Progress) -> None:
    one = prepared(8, alpha=True)
    masks.make(one.asked, one.frames, one.solved, silent)
    painted = one.truth["view_03"].copy()
    painted[50:54, 70:74] = 9
    pictures.write_png(masks.path_of(one.out, "view_03"), painted)
    for _ in range(3):
        made = masks.make(one.asked, one.frames, one.solved, silent)
        assert np.array_equal(written(one)["view_03"], painted)
        assert masks.path_of(one.out, "view_03") in made


def test_masks_that_were_refused_are_not_taken_for_painted_ones(
    prepared: Callable[..., Prepared], silent: Progress
) -> None:
    one = prepared(8)
    folder = one.asked.source / "masks"
    put(one, folder, lambda mask: 255 - mask)
    with pytest.raises(MasksError, match="inverted"):
        masks.make(one.asked, one.frames, one.solved, silent)
    put(one, folder, lambda mask: mask)
    masks.make(one.asked, one.frames, one.solved, silent)
    assert all(overlap(mask, one.truth[name]) == 1 for name, mask in written(one).items())


def test_alpha_is_the_mask(prepared: Callable[..., Prepared], silent: Progress) -> None:
    one = prepared(8, alpha=True)
    masks.make(one.asked, one.frames, one.solved, silent)
    assert all(np.array_equal(mask, one.truth[name]) for name, mask in written(one).items())


@pytest.mark.parametrize("ending", [".png", "_mask.png", ".jpg.png"])
def test_masks_are_found_by_name(
    prepared: Callable[..., Prepared], silent: Progress, ending: str
) -> None:
    one = prepared(8)
    folder = one.asked.source / "masks"
    put(one, folder, lambda mask: mask)
    for path in list(folder.iterdir()):
        path.rename(folder / path.name.upper().replace(".PNG", ending))
    masks.make(one.asked, one.frames, one.solved, silent)
    assert all(overlap(mask, one.truth[name]) == 1 for name, mask in written(one).items())


def test_a_mask_that_is_missing_is_named(
    prepared: Callable[..., Prepared], silent: Progress
) -> None:
    one = prepared(8)
    put(one, one.asked.source / "masks", lambda mask: mask)
    (one.asked.source / "masks" / "view_05.png").unlink()
    with pytest.raises(MasksError, match=r"1 of 8 .*view_05\.jpg"):
        masks.make(one.asked, one.frames, one.solved, silent)


WRONG = {
    "is empty": np.zeros_like,
    "covers all": lambda mask: np.full_like(mask, 255),
    "inverted": lambda mask: 255 - mask,
    "has not the shape": lambda mask: mask[:, :80],
}


@pytest.mark.parametrize("said", WRONG)
def test_masks_that_cannot_be_right_are_refused(
    prepared: Callable[..., Prepared], silent: Progress, said: str
) -> None:
    one = prepared(8)
    put(one, one.asked.source / "masks", WRONG[said])
    with pytest.raises(MasksError, match=said) as error:
        masks.make(one.asked, one.frames, one.solved, silent)
    assert "masks" in str(error.value)


def test_masks_of_different_things_are_refused(
    prepared: Callable[..., Prepared], silent: Progress
) -> None:
    one = prepared(12)
    chance = np.random.default_rng(2)

    def elsewhere(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        found = np.zeros_like(mask)
        x, y = chance.integers(8, 150), chance.integers(8, 110)
        cv2.circle(found, (int(x), int(y)), 7, 255, -1)
        return found

    put(one, one.asked.source / "masks", elsewhere)
    with pytest.raises(MasksError, match="do not agree"):
        masks.make(one.asked, one.frames, one.solved, silent)


def test_a_model_without_its_package_is_told(
    prepared: Callable[..., Prepared], silent: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    one = prepared(8)
    asked = dataclasses.replace(one.asked, mask_model=one.out / "u2net.onnx")
    with pytest.raises(SolverMissingError, match="pip install onnxruntime"):
        masks.make(asked, one.frames, one.solved, silent)


def test_the_hull_of_right_masks_is_the_object(prepared: Callable[..., Prepared]) -> None:
    one = prepared(16)
    coverage = {name: mask.astype(np.float32) / 255 for name, mask in one.truth.items()}
    carved = hull.carve(one.solved, coverage, hull.cube(ballscene.CENTRE, 0.8, 48), needed=0.99)
    ball = 4 / 3 * np.pi * ballscene.RADIUS**3 / 1.6**3
    assert ball < carved.filled < 1.5 * ball
    low, high = carved.box()
    # Seen from above only, it reaches further down than the ball.
    assert np.abs(0.5 * (low + high) - ballscene.CENTRE)[:2].max() < 0.03
    assert high[2] == pytest.approx(ballscene.CENTRE[2] + ballscene.RADIUS, abs=0.06)
    outline = hull.silhouette(one.solved, "view_02", carved, ballscene.LENS.size)
    assert overlap(outline.astype(np.uint8) * 255, one.truth["view_02"]) > 0.9


def test_the_largest_piece_is_the_object() -> None:
    grid = np.zeros((20, 20, 20), np.bool_)
    grid[2:10, 2:10, 2:10] = True
    grid[13:18, 13:18, 13:18] = True
    grid[9:14, 6, 6] = True  # a thread
    found = hull.largest_piece(grid)
    assert found[3:9, 3:9, 3:9].all() and not found[13:, 13:, 13:].any()
    assert found.sum() <= grid[2:11, 2:10, 2:10].sum()
    assert hull.largest_piece(np.zeros((5, 5, 5), np.bool_)).sum() == 0
    thin = np.zeros((9, 9, 9), np.bool_)
    thin[4] = True
    assert (hull.largest_piece(thin) == thin).all()
