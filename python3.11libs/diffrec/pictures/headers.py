"""Picture files: which are there, and what their first bytes tell, without a decoder.

Decoding a hundred photographs takes seconds; their headers take milliseconds, and tell a picture
that would fill the memory before it does. Formats: PNG (W3C Recommendation, 2nd edition), JPEG
(ITU-T T.81, annex B), TIFF (revision 6.0) and BigTIFF, WebP (RFC 9649), BMP.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Optional, TypeVar

from nvdiffrec_contract.dataset import Look, Size
from nvdiffrec_contract.preparation import PICTURES
from nvdiffrec_contract.regularfiles import open_regular

SUFFIXES = PICTURES
"""Endings of the pictures that are read."""

_PNG = b"\x89PNG\r\n\x1a\n"
_GREY, _COLOUR, _PALETTE = 0, 2, 3
_MOST = 1 << 20
_MOST_TAGS = 4096
_TIFF_NUMBERS = {3: "H", 4: "I", 16: "Q"}
"""Types of a TIFF's whole numbers."""
MAX_PIXELS = 1 << 26
"""A picture of more pixels is not decoded: 1 GiB as floats."""

T = TypeVar("T")


def in_folder(folder: Path) -> list[Path]:
    """The pictures of a folder in sorted order of their names; hidden files are left out, and
    nothing is found where there is no folder."""
    try:
        names = sorted(os.listdir(folder))
    except (OSError, ValueError):
        return []
    return [
        folder / name
        for name in names
        if name.lower().endswith(SUFFIXES)
        and not name.startswith(".")
        and (folder / name).is_file()
    ]


def look(path: Path) -> Look:
    """Size and alpha by the header; what it does not tell is None. A pipe or a device tells
    nothing."""
    try:
        with open_regular(path) as stream:
            return look_into(stream)
    except (OSError, ValueError):
        return Look()


def look_into(stream: BinaryIO) -> Look:
    """Size and alpha of the picture that a stream from its start holds."""
    try:
        begin = stream.read(32)
        for signature, reader in _READERS:
            if begin.startswith(signature):
                size, alpha = reader(begin, stream)
                return Look(size if size and size[0] > 0 and size[1] > 0 else None, alpha)
    except (OSError, ValueError, struct.error):
        pass
    return Look()


def _png(begin: bytes, _stream: BinaryIO) -> Told:
    if begin[12:16] != b"IHDR" or len(begin) < 26:
        return None, None
    width, height = struct.unpack(">II", begin[16:24])
    # A palette may hold alpha; that stands further back.
    return (height, width), None if begin[25] == _PALETTE else begin[25] not in (_GREY, _COLOUR)


def _jpeg(_begin: bytes, stream: BinaryIO) -> Told:
    stream.seek(2)
    data = stream.read(_MOST)
    at = 0
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None, False
        kind = data[at + 1]
        if kind == 0xFF or kind in (0x01, *range(0xD0, 0xD9)):
            at += 1 if kind == 0xFF else 2
            continue
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return (height, width), False
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        at += 2 + length
    return None, False


def _bmp(begin: bytes, _stream: BinaryIO) -> Told:
    if struct.unpack_from("<I", begin, 14)[0] == 12:
        width, height = struct.unpack_from("<HH", begin, 18)
    else:
        width, height = struct.unpack_from("<ii", begin, 18)
    return (abs(height), width), None


def _webp(begin: bytes, _stream: BinaryIO) -> Told:
    kind = begin[8:16]
    if kind == b"WEBPVP8X":
        width, height = (int.from_bytes(begin[at : at + 3], "little") + 1 for at in (24, 27))
        return (height, width), bool(begin[20] & 0x10)
    if kind == b"WEBPVP8L":
        bits = int.from_bytes(begin[21:25], "little")
        return ((bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1), bool(bits >> 28 & 1)
    if kind == b"WEBPVP8 ":
        width, height = (one & 0x3FFF for one in struct.unpack_from("<HH", begin, 26))
        return (height, width), False
    return None, None


def _tiff(begin: bytes, stream: BinaryIO) -> Told:
    order = "<" if begin.startswith(b"II") else ">"
    (magic,) = struct.unpack_from(order + "H", begin, 2)
    if magic == 43:  # BigTIFF
        (place,) = struct.unpack_from(order + "Q", begin, 8)
        counts, row, value_at = "Q", 20, 12
    else:
        (place,) = struct.unpack_from(order + "I", begin, 4)
        counts, row, value_at = "H", 12, 8
    stream.seek(place)
    (count,) = struct.unpack(order + counts, stream.read(struct.calcsize(counts)))
    values = {}
    rows = stream.read(min(count, _MOST_TAGS) * row)
    for at in range(0, len(rows) - row + 1, row):
        tag, kind = struct.unpack_from(order + "HH", rows, at)
        if kind in _TIFF_NUMBERS:
            values[tag] = struct.unpack_from(order + _TIFF_NUMBERS[kind], rows, at + value_at)[0]
    if 256 not in values or 257 not in values:
        return None, None
    # Of four samples the fourth may be a printer's black.
    alpha = values.get(277, 1) in (2, 4) and values.get(262) != 5
    return (values[257], values[256]), alpha


Told = tuple[Optional[Size], Optional[bool]]
_READERS: tuple[tuple[bytes, Callable[[bytes, BinaryIO], Told]], ...] = (
    (_PNG, _png),
    (b"\xff\xd8", _jpeg),
    (b"BM", _bmp),
    (b"RIFF", _webp),
    (b"II*\0", _tiff),
    (b"MM\0*", _tiff),
    (b"II+\0", _tiff),
    (b"MM\0+", _tiff),
)


def sample(items: Sequence[T], count: int) -> list[T]:
    """At most ``count`` of them, evenly picked, the first and the last among them."""
    if len(items) <= count:
        return list(items)
    return [items[i * (len(items) - 1) // (count - 1)] for i in range(count)]
