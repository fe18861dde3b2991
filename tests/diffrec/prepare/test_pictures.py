"""Photographs are read upright, in 8 bits, with what their EXIF says."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from diffrec.prepare import pictures
from diffrec.prepare.errors import SourceError

from . import ballscene

image = pytest.importorskip("PIL.Image", reason="Pillow comes with the extra photographs")


def drawn() -> np.ndarray:
    """A picture of which no two corners are alike."""
    found = np.zeros((40, 60, 3), np.uint8)
    found[:20, :30], found[:20, 30:], found[20:, :30] = (250, 10, 10), (10, 250, 10), (10, 10, 250)
    return found


# By TIFF's definition: what the stored picture's first row and column are of the seen one.
STORED = {
    1: lambda seen: seen,
    2: lambda seen: seen[:, ::-1],
    3: lambda seen: seen[::-1, ::-1],
    4: lambda seen: seen[::-1],
    5: lambda seen: seen.transpose(1, 0, 2),
    6: lambda seen: np.rot90(seen, 1),
    7: lambda seen: seen[::-1, ::-1].transpose(1, 0, 2),
    8: lambda seen: np.rot90(seen, -1),
}


@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
@pytest.mark.parametrize("orientation", STORED)
def test_photographs_are_upright(tmp_path: Path, orientation: int, ending: str) -> None:
    seen = drawn()
    path = tmp_path / f"held.{ending}"
    whole = image.fromarray(np.ascontiguousarray(STORED[orientation](seen)))
    said = whole.getexif()
    said[0x0112], said[0x0110] = orientation, "Phone 3"
    said.get_ifd(0x8769)[0xA405] = 26
    whole.save(path, exif=said, **({"quality": 95} if ending == "jpg" else {}))
    found, header = pictures.read(path)
    assert np.abs(found[..., ::-1].astype(int) - seen).mean() < 6
    assert header.camera == "Phone 3"
    if ending == "tif":
        return  # Pillow writes no lens into a TIFF
    # A film of 36 x 24 mm is 43.27 mm from corner to corner: 2 atan(21.63 / 26) = 79.5 degrees.
    focal = header.focal(4000, 3000)
    assert focal is not None and header.lens == 26
    assert abs(np.degrees(2 * np.arctan(2500 / focal)) - 79.5) < 0.1


@pytest.mark.parametrize(
    ("stored", "seen"),
    [
        (np.full((9, 9), 77, np.uint8), [77, 77, 77]),
        (np.full((9, 9, 3), 77 * 257, np.uint16), [77, 77, 77]),
        (np.full((9, 9, 4), 77, np.uint8), [77, 77, 77, 77]),
    ],
)
def test_pixels_become_8_bits(tmp_path: Path, stored: np.ndarray, seen: list[int]) -> None:
    path = tmp_path / "x.png"
    assert cv2.imwrite(str(path), stored)
    assert pictures.read(path)[0][4, 4].tolist() == seen


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\xff\xd8\xff\xe1\x00\x08Exif\0\0"])
@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
def test_what_is_no_picture_is_told(tmp_path: Path, data: bytes, ending: str) -> None:
    path = tmp_path / f"broken.{ending}"
    path.write_bytes(data)
    with pytest.raises(SourceError, match="broken"):
        pictures.read(path)


def test_blur_is_seen_whatever_is_photographed() -> None:
    camera = next(iter(ballscene.ring(3).cameras.values()))
    ball = ballscene.photograph(camera, ballscene.LENS.resized((360, 480)))[0]
    chance = np.random.default_rng(0)
    noise = cv2.GaussianBlur(chance.uniform(0, 255, (360, 480, 3)), (0, 0), 0.8).astype(np.uint8)
    for sharp in (ball, noise, drawn().repeat(8, 0).repeat(8, 1)):
        values = [pictures.sharpness(sharp)]
        values += [pictures.sharpness(cv2.GaussianBlur(sharp, (0, 0), s)) for s in (1.5, 3, 6)]
        assert values == sorted(values, reverse=True)
        assert values[3] < 0.25 * values[0]
