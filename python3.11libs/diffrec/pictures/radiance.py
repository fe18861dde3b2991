"""Radiance pictures (.hdr), read by the standard library alone.

Format: Ward, *Real Pixels*, Graphics Gems II (1991), and the Radiance manual's file formats: a
header of text lines, a line of resolution, then rows of pixels of three mantissas and a shared
exponent, plain, or in the older or the newer run lengths. Both kinds of colours (RGBE, XYZE) and
all eight orders of rows and columns are read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from diffrec.pictures.headers import MAX_PIXELS
from nvdiffrec_contract.dataset import Size
from nvdiffrec_contract.regularfiles import read_regular

MAX_BYTES = 1 << 30
SIGNATURE = b"#?"
_HEADER_BYTES = 1 << 16
_RESOLUTION = re.compile(rb"([-+])([XY]) +(\d{1,9}) +([-+])([XY]) +(\d{1,9}) *\r?\n")
_FORMATS = {b"32-bit_rle_rgbe": False, b"32-bit_rle_xyze": True}
_SHORTEST, _LONGEST = 8, 0x7FFF
"""Widths of rows that may have the newer run lengths."""


class RadianceError(Exception):
    """No Radiance picture, or a damaged one; the message is a phrase without the file's name."""


@dataclass(frozen=True)
class Header:
    """What stands before the pixels.

    Attributes:
        size: (height, width) of the picture as it is seen.
        xyz: whether the colours are CIE XYZ, not red, green, blue.
        lengths: (rows, pixels in a row) as they are stored.
        turned: whether a stored row is a column of the picture.
        upward: whether it is stored from the bottom to the top.
        leftward: whether it is stored from the right to the left.
        begin: the first pixel's place in the file.
    """

    size: Size
    xyz: bool
    lengths: tuple[int, int]
    turned: bool
    upward: bool
    leftward: bool
    begin: int


@dataclass(frozen=True)
class Picture:
    """A decoded picture: ``pixels`` holds four bytes for each, in the stored order."""

    header: Header
    pixels: bytes


def read(path: Path) -> Picture:
    """The whole picture.

    Raises:
        RadianceError: it is none, or damaged.
        OSError: it cannot be read, or is no regular file.
        ValueError: no file can have that name.
    """
    return parse(read_regular(path, MAX_BYTES))


def parse(data: bytes) -> Picture:
    """The picture in a file's bytes. Raises RadianceError."""
    found = header(data)
    rows, columns = found.lengths
    pixels = bytearray()
    at = found.begin
    try:
        for _ in range(rows):
            if _is_newer(data, at, columns):
                at = _newer_row(data, at + 4, columns, pixels)
            else:
                at = _older_row(data, at, columns, pixels)
    except IndexError:
        raise RadianceError("it is cut off before its last pixel") from None
    return Picture(found, bytes(pixels))


def header(data: bytes) -> Header:
    """What stands before the pixels. Raises RadianceError."""
    if not data.startswith(SIGNATURE):
        raise RadianceError("it does not begin with #?RADIANCE")
    head = data[:_HEADER_BYTES]
    blank = re.search(rb"\n\r?\n", head)
    match = None if blank is None else _RESOLUTION.match(head, blank.end())
    if blank is None or match is None:
        raise RadianceError("its header has no resolution like -Y 1024 +X 2048")
    xyz = False
    for line in head[: blank.start()].splitlines():
        name, _, value = line.partition(b"=")
        if name.strip().upper() == b"FORMAT":
            if value.strip().lower() not in _FORMATS:
                shown = value.strip()[:40].decode("ascii", "replace")
                raise RadianceError(f"its FORMAT is {shown}, not 32-bit_rle_rgbe")
            xyz = _FORMATS[value.strip().lower()]
    first, second = match.group(2), match.group(5)
    if first == second:
        raise RadianceError("its line of resolution names one axis twice")
    rows, columns = int(match.group(3)), int(match.group(6))
    if not 0 < rows * columns <= MAX_PIXELS:
        raise RadianceError(
            f"it is to have {columns} x {rows} pixels; 1 to {MAX_PIXELS} are read, reduce it first"
        )
    signs = {first: match.group(1), second: match.group(4)}
    turned = first == b"X"
    return Header(
        (columns, rows) if turned else (rows, columns),
        xyz,
        (rows, columns),
        turned,
        signs[b"Y"] == b"+",
        signs[b"X"] == b"-",
        match.end(),
    )


def _is_newer(data: bytes, at: int, columns: int) -> bool:
    if not _SHORTEST <= columns <= _LONGEST or data[at : at + 2] != b"\x02\x02":
        return False
    return (data[at + 2] << 8 | data[at + 3]) == columns


def _newer_row(data: bytes, at: int, columns: int, pixels: bytearray) -> int:
    """The four components one after the other, each in runs and literal stretches."""
    row = bytearray(4 * columns)
    for channel in range(4):
        line = bytearray()
        while len(line) < columns:
            count = data[at]
            if count > 128:
                count -= 128
                line += data[at + 1 : at + 2] * count
                at += 2
            else:
                if not count:
                    raise RadianceError("a run of its pixels has no length")
                line += data[at + 1 : at + 1 + count]
                at += 1 + count
            if at > len(data):
                raise IndexError
        if len(line) != columns:
            raise RadianceError("a run of its pixels is longer than a row")
        row[channel::4] = line
    pixels += row
    return at


def _older_row(data: bytes, at: int, columns: int, pixels: bytearray) -> int:
    """Pixel after pixel; (1, 1, 1, n) repeats the one before n times, and a second such one right
    behind it 256 n times."""
    end = len(pixels) + 4 * columns
    shift = 0
    while len(pixels) < end:
        # Most of a row, often all of it, is plain.
        if len(data) < at + 4:
            raise IndexError
        next_run = data.find(b"\x01\x01\x01", at, at + end - len(pixels))
        while next_run >= 0 and (next_run - at) % 4:
            next_run = data.find(b"\x01\x01\x01", next_run + 1, at + end - len(pixels))
        plain = end - len(pixels) if next_run < 0 else next_run - at
        if plain:
            taken = data[at : at + plain]
            if len(taken) < plain:
                raise IndexError
            pixels += taken
            at += plain
            shift = 0
            continue
        count = data[at + 3] << shift
        if not pixels:
            raise RadianceError("its first pixel repeats one before it")
        if 4 * count > end - len(pixels):
            raise RadianceError("a run of its pixels is longer than a row")
        pixels += pixels[-4:] * count
        at += 4
        shift += 8
        if shift > 24:
            raise RadianceError("a run of its pixels is longer than a row")
    return at
