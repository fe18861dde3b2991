"""Which mask belongs to which photograph where names differ in letters or endings alone."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from diffrec.prepare import masks
from diffrec.prepare.errors import MasksError
from diffrec.prepare.frames import Frame, names_of
from nvdiffrec_contract.preparation import Preparation

pytest.importorskip("PIL", reason="Pillow comes with the extra photographs")

SIZE = (12, 16)


def taken(folder: Path, photographs: list[str], named: dict[str, int]) -> dict[str, int]:
    """The brightness of each photograph's mask, of masks of these names and brightnesses."""
    (folder / "masks").mkdir()
    for name, level in named.items():
        cv2.imwrite(str(folder / "masks" / name), np.full(SIZE, level, np.uint8))
    if len(list((folder / "masks").iterdir())) < len(named):
        pytest.skip("this disk does not tell such names apart")
    paths = [folder / name for name in photographs]
    names = names_of(paths)
    frames = [Frame(names[one], str(one), SIZE, 0, None, False, 0.3) for one in paths]
    asked = Preparation(folder, folder / "out")
    found = masks._from_files(asked, frames)
    return {Path(one.source).name: int(found[one.name].max()) for one in frames}


@pytest.mark.parametrize("order", [0, 1])
def test_letters_alone_tell_masks_apart(tmp_path: Path, order: int) -> None:
    photographs = ["a.jpg", "A.jpg", "b.JPG"]
    named = {"a.png": 10, "A.png": 20, "B.png": 30}
    if order:
        photographs.reverse()
    assert taken(tmp_path, photographs, named) == {"a.jpg": 10, "A.jpg": 20, "b.JPG": 30}


@pytest.mark.parametrize("kind", [".png", ".PNG", ".tif"])
@pytest.mark.parametrize("end", ["{}.png", "{}_mask.png"])
def test_a_mask_of_two_photographs_is_refused(tmp_path: Path, kind: str, end: str) -> None:
    with pytest.raises(MasksError, match="mask of both") as error:
        taken(tmp_path, ["a.jpg", f"a{kind}"], {end.format("a"): 10})
    assert "a.jpg.png" in error.value.cure and f"a{kind}.png" in error.value.cure


def test_endings_tell_masks_apart(tmp_path: Path) -> None:
    named = {"a.jpg.png": 10, "a.png.png": 20}
    assert taken(tmp_path, ["a.jpg", "a.png"], named) == {"a.jpg": 10, "a.png": 20}
