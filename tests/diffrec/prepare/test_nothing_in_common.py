"""Photographs that have nothing in common are told of before any mapper is asked."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from diffrec.prepare import features, frames, matches
from diffrec.prepare.errors import CamerasError
from diffrec.prepare.steps import Progress
from nvdiffrec_contract.preparation import Preparation

pytest.importorskip("pycolmap", reason="pycolmap comes with the extra photographs")
pytest.importorskip("PIL", reason="Pillow comes with the extra photographs")

COUNT, SIDE = 10, 128


def patterned(chance: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Blots of several sizes: points that can be found again."""
    whole = np.zeros((height, width, 3), np.float32)
    for size in (4, 8, 16, 32):
        blots = chance.normal(size=(height // size + 2, width // size + 2, 3)).astype(np.float32)
        whole += np.sqrt(size) * cv2.resize(blots, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray((128 + 14 * whole).clip(0, 255), np.uint8)


@pytest.mark.parametrize("alike", [0, COUNT])
def test_pairs_are_counted_that_show_the_same_points(tmp_path: Path, alike: int) -> None:
    """All of them where a camera passes one wall; none of pictures of anything."""
    chance = np.random.default_rng(0)
    wall = patterned(chance, SIDE, SIDE + 6 * COUNT)
    (tmp_path / "in").mkdir()
    for i in range(COUNT):
        one = wall[:, 6 * i : 6 * i + SIDE] if i < alike else patterned(chance, SIDE, SIDE)
        cv2.imwrite(str(tmp_path / "in" / f"{i}.png"), one)
    lines: list[str] = []
    told = Progress("matches", lines.append)
    asked = Preparation(tmp_path / "in", tmp_path / "out", threads=1)
    frames.choose(asked, told)
    chosen = frames.chosen(asked.out).frames
    features.extract(asked, chosen, told)
    pairs = COUNT * (COUNT - 1) // 2
    if alike:
        matches.match(asked, chosen, False, told)
        (line,) = [one for one in lines if "show the same points" in one]
        found = int(line.split()[1])
        assert 0.5 * pairs < found <= pairs
    else:
        with pytest.raises(CamerasError, match=f"only [0-3] of {pairs} pairs") as caught:
            matches.match(asked, chosen, False, told)
        assert "photograph again" in caught.value.cure
