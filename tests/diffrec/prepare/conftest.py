"""A preparation whose photographs and cameras are there already: the patterned ball's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from diffrec.prepare import masks, pictures, placement
from diffrec.prepare.frames import Frame
from diffrec.prepare.outline import silhouettes
from diffrec.prepare.solved import Lens, Solved
from diffrec.prepare.steps import Progress
from nvdiffrec_contract.preparation import Preparation

from . import ballscene

COARSE = (
    (silhouettes, "CELLS", (28, 44)),
    (placement, "CELLS", (24, 40)),
    (masks, "HULL_CELLS", 28),
)


@dataclass(frozen=True)
class Prepared:
    """``truth``: the masks as they should be."""

    asked: Preparation
    frames: tuple[Frame, ...]
    solved: Solved
    truth: dict[str, NDArray[np.uint8]]

    @property
    def out(self) -> Path:
        return self.asked.out


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pictures need no fine hulls."""
    for module, name, value in COARSE:
        monkeypatch.setattr(module, name, value)


@pytest.fixture
def silent() -> Progress:
    return Progress("step", lambda line: None)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Prepared]:
    """Makes one of so many photographs; ``alpha``: with their masks in them."""

    def make(count: int = 12, lens: Lens = ballscene.LENS, alpha: bool = False) -> Prepared:
        folder = tmp_path_factory.mktemp("prepared")
        solved = ballscene.ring(count, lens=lens)
        source, out = folder / "in", folder / "out"
        source.mkdir()
        (out / "photographs").mkdir(parents=True)
        (out / "work").mkdir()
        frames, truth = [], {}
        for name, camera in solved.cameras.items():
            colour, mask = ballscene.photograph(camera, lens)
            stored = np.dstack([colour, mask]) if alpha else colour
            pictures.write_png(out / "photographs" / f"{name}.png", stored)
            truth[name] = mask
            path = str(source / f"{name}.jpg")
            frames.append(Frame(name, path, lens.size, 0, None, alpha, 0.3))
        return Prepared(Preparation(source, out, threads=1), tuple(frames), solved, truth)

    return make
