"""The contact sheet."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from diffrec.imagefiles import PictureWriter
from diffrec.measure import contact_sheet
from diffrec.measure.contact_sheet import Column, ContactSheetError, lay_out


@dataclass
class _Row:
    result: Tensor
    reference: Tensor | None
    channels: dict[str, Tensor] = field(default_factory=dict)


def _flat(value: int, height: int = 200, width: int = 300) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_pictures_keep_their_place_and_captions_are_drawn() -> None:
    sheet = lay_out([Column("first", [_flat(10), _flat(20)]), Column("second", [_flat(30)])])
    assert sheet.shape == (22 + 2 * 206, 6 + 2 * 306, 3)
    assert (sheet[22:222, 6:306] == 10).all()
    assert (sheet[228:428, 6:306] == 20).all()
    assert (sheet[22:222, 312:612] == 30).all()
    assert (sheet[228:428, 312:612] == contact_sheet.PAPER).all(), "a missing cell stays empty"
    assert sheet[:22, 6:306].max() > 180, "the caption"


def test_small_pictures_are_enlarged_and_the_probe_goes_below() -> None:
    sheet = lay_out([Column("a", [_flat(10, 64, 64)])] * 3, _flat(90, 64, 128))
    assert sheet.shape[1] == 6 + 3 * (256 + 6)
    # As wide as the pictures together: nothing beside it stays empty.
    width = sheet.shape[1] - 12
    assert (sheet[-6 - width // 2 : -6, 6 : 6 + width] == 90).all()


def test_rows_of_a_run(tmp_path: Path) -> None:
    def flat(value: float) -> Tensor:
        return torch.full((200, 200, 3), value)

    row = _Row(flat(1.0), flat(0.0), {"kd": flat(0.2), "latlong": flat(0.9), "normal": flat(0.4)})
    contact_sheet.write(tmp_path / "sheet.png", [row, row], torch.full((64, 128, 3), 0.6))
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape[1] == 6 + 4 * 206, "latlong is the probe's place, not a column"
    columns = sheet[100, 100::206]
    assert columns[:, 0].tolist() == [0, 255, 51, 102]
    assert [p.name for p in tmp_path.iterdir()] == ["sheet.png"], "no temporary file stays"
    with PictureWriter() as writer:
        contact_sheet.write(tmp_path / "beside.png", [row], None, writer)
    assert cv2.imread(str(tmp_path / "beside.png")).shape[1] == sheet.shape[1]
    with pytest.raises(ContactSheetError), PictureWriter() as writer:
        contact_sheet.write(tmp_path / "empty.png", [], None, writer)


def test_nothing_to_show(tmp_path: Path) -> None:
    with pytest.raises(ContactSheetError):
        contact_sheet.write(tmp_path / "sheet.png", [])
