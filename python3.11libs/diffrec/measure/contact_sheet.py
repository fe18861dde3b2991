"""A contact sheet: one picture that shows what a run recovered, several views as rows.

Columns: reference | result | albedo | roughness and metalness | normal, the light probe below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from diffrec import imagefiles
from diffrec.errors import DiffrecError
from diffrec.imagefiles import PictureWriter, own_or

CAPTIONS = {
    "ref": "reference",
    "opt": "result",
    "kd": "albedo",
    "ks": "roughness (green), metalness (blue)",
    "normal": "normal",
    "relight": "relit",
}
PAPER, INK = 34, 225
GAP, CAPTION = 6, 22
SMALLEST_CELL = 192

Picture = NDArray[np.uint8]


class ContactSheetError(DiffrecError):
    """There is nothing to show, or the pictures do not belong together."""


class Row(Protocol):
    """One view; every picture is [H, W, 3], sRGB in [0, 1]."""

    @property
    def result(self) -> Tensor:
        """What was recovered."""

    @property
    def reference(self) -> Tensor | None:
        """What was photographed."""

    @property
    def channels(self) -> Mapping[str, Tensor]:
        """Material channels by name: kd, ks, normal and others."""


@dataclass(frozen=True)
class Column:
    """A caption and one picture per row, [H, W, 3] uint8 sRGB; None leaves the cell empty."""

    caption: str
    pictures: Sequence[Picture | None]


def lay_out(columns: Sequence[Column], probe: Picture | None = None) -> Picture:
    """Lay columns of pictures out under their captions; ``probe`` [h, w, 3] goes below, as wide as
    they are together.

    All cells have the size of the first picture, doubled until it is readable; other sizes are
    fitted into them. Returns [H, W, 3] uint8 sRGB.

    Raises:
        ContactSheetError: no pictures at all.
    """
    pictures = [p for column in columns for p in column.pictures if p is not None]
    if not pictures:
        raise ContactSheetError("a contact sheet needs at least one picture")
    height, width = pictures[0].shape[:2]
    factor = 1
    while min(height, width) * factor < SMALLEST_CELL:
        factor *= 2
    height, width = height * factor, width * factor
    count = max(len(column.pictures) for column in columns)
    total_width = GAP + len(columns) * (width + GAP)
    total_height = CAPTION + count * (height + GAP)
    below = None
    if probe is not None:
        below = _fitted(probe, total_width, total_width - 2 * GAP)
        total_height += CAPTION + below.shape[0] + GAP
    sheet = np.full((total_height, total_width, 3), PAPER, np.uint8)
    for number, column in enumerate(columns):
        left = GAP + number * (width + GAP)
        _caption(sheet, column.caption, left, 0, width)
        for row, picture in enumerate(column.pictures):
            if picture is not None:
                top = CAPTION + row * (height + GAP)
                _paste(sheet, _fitted(picture, height, width), top, left)
    if below is not None:
        top = CAPTION + count * (height + GAP)
        _caption(sheet, "light probe", GAP, top, total_width - 2 * GAP)
        _paste(sheet, below, top + CAPTION, GAP)
    return sheet


def write(
    path: Path,
    rows: Sequence[Row],
    probe: Tensor | None = None,
    writer: PictureWriter | None = None,
) -> None:
    """Write the sheet of some views as PNG; ``probe`` [h, w, 3] is sRGB in [0, 1].

    ``writer``: where it is laid out and written beside other work, and where errors come up then.

    Raises:
        ContactSheetError: no rows.
    """
    columns = [
        Column(
            CAPTIONS["ref"], [None if r.reference is None else _bytes(r.reference) for r in rows]
        ),
        Column(CAPTIONS["opt"], [_bytes(r.result) for r in rows]),
    ]
    if all(r.reference is None for r in rows):
        del columns[0]
    names = dict.fromkeys(name for row in rows for name in row.channels if name != "latlong")
    for name in names:
        cells = [_bytes(r.channels[name]) if name in r.channels else None for r in rows]
        columns.append(Column(CAPTIONS.get(name, name), cells))
    below = None if probe is None else _bytes(probe)
    with own_or(writer) as writing:
        writing.do(_write_sheet, path, columns, below)


def _write_sheet(path: Path, columns: Sequence[Column], probe: Picture | None) -> None:
    imagefiles.write_pixels(path, lay_out(columns, probe))


def _bytes(picture: Tensor) -> Picture:
    values = picture.detach().cpu().float().clamp(0, 1).numpy()
    return np.asarray(np.rint(values[..., :3] * 255), dtype=np.uint8)


def _fitted(picture: Picture, height: int, width: int) -> Picture:
    """The picture scaled into the cell with its own proportions."""
    scale = min(height / picture.shape[0], width / picture.shape[1])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(picture, size, interpolation=how), dtype=np.uint8)


def _paste(sheet: Picture, picture: Picture, top: int, left: int) -> None:
    sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture


def _caption(sheet: Picture, text: str, left: int, top: int, width: int) -> None:
    scale = 0.45
    ((wide, _), _) = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    scale *= min(1.0, width / max(wide, 1))
    at = (left, top + CAPTION - 7)
    cv2.putText(sheet, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (INK,) * 3, 1, cv2.LINE_AA)
