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

from diffrec.errors import DiffrecError
from diffrec.imagefiles import PictureWriter, own_or
from nvdiffrec_contract.files import replace_file

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
    """Lay columns of pictures out under their captions; ``probe`` [h, w, 3] goes below.

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
        below = _fitted(probe, height, total_width - 2 * GAP)
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
    _write_png(path, lay_out(columns, probe))


def write_from_validation(
    path: Path, folder: Path, *, rows: int = 4, probe: Path | None = None
) -> None:
    """Write the sheet of a ``validate`` folder: up to ``rows`` of its views, evenly picked.

    ``probe`` is a Radiance panorama; without it ``val_*_latlong.png`` is shown where it exists.

    Raises:
        ContactSheetError: no validation pictures, or one that cannot be read.
    """
    stems = sorted(p.name[: -len("_opt.png")] for p in folder.glob("val_*_opt.png"))
    if not stems:
        raise ContactSheetError(f"{folder}: no val_*_opt.png here; train with validate true")
    stems = [stems[i * len(stems) // min(rows, len(stems))] for i in range(min(rows, len(stems)))]
    columns = []
    for name, caption in CAPTIONS.items():
        files = [folder / f"{stem}_{name}.png" for stem in stems]
        if any(file.is_file() for file in files):
            cells = [_read_png(file) if file.is_file() else None for file in files]
            columns.append(Column(caption, cells))
    light = None
    if probe is not None:
        light = tone_mapped(_read_hdr(probe))
    elif (folder / f"{stems[0]}_latlong.png").is_file():
        light = _read_png(folder / f"{stems[0]}_latlong.png")
    _write_png(path, lay_out(columns, light))


def tone_mapped(radiance: NDArray[np.float32]) -> Picture:
    """Linear radiance [H, W, 3] as an sRGB picture, exposed so that its mean becomes middle grey.

    The global operator of Reinhard et al. (SIGGRAPH 2002), x / (1 + x), after the exposure.
    """
    radiance = np.maximum(np.nan_to_num(radiance), 0)
    exposed = radiance * (0.36 / max(float(np.median(radiance)), 1e-6))
    value = exposed / (1 + exposed)
    srgb = np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(srgb * 255), dtype=np.uint8)


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


def _read_png(path: Path) -> Picture:
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise ContactSheetError(f"{path}: no picture that can be decoded")
    return np.ascontiguousarray(pixels[..., ::-1])


def _read_hdr(path: Path) -> NDArray[np.float32]:
    try:
        pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except (OSError, cv2.error):
        pixels = None
    if pixels is None or pixels.ndim != 3:
        raise ContactSheetError(f"{path}: no Radiance panorama that can be decoded")
    return np.asarray(pixels[..., 2::-1], dtype=np.float32)


def _write_png(path: Path, picture: Picture) -> None:
    good, data = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    if not good:
        raise ContactSheetError(f"{path}: the picture cannot be encoded")
    replace_file(path, data.tobytes())
