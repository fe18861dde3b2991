"""Picture files: which are there, and what their first bytes tell, without a decoder.

Decoding a hundred photographs takes seconds; their headers take milliseconds. Formats: PNG (W3C
Recommendation, 2nd edition), JPEG (ITU-T T.81, annex B).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from nvdiffrec_contract.dataset import Look, Size

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
"""Endings of the pictures that are read."""

_PNG = b"\x89PNG\r\n\x1a\n"
_GREY, _COLOUR, _PALETTE = 0, 2, 3
_MOST = 1 << 20

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
    """Size and alpha by the header; what it does not tell is None."""
    try:
        with open(path, "rb") as stream:
            begin = stream.read(32)
            if begin.startswith(_PNG) and begin[12:16] == b"IHDR" and len(begin) >= 26:
                width, height = struct.unpack(">II", begin[16:24])
                # A palette may hold alpha; that stands further back.
                alpha = None if begin[25] == _PALETTE else begin[25] not in (_GREY, _COLOUR)
                return Look((height, width) if height and width else None, alpha)
            if begin.startswith(b"\xff\xd8"):
                stream.seek(2)
                return Look(_jpeg(stream.read(_MOST)), False)
    except (OSError, ValueError, struct.error):
        pass
    return Look()


def _jpeg(data: bytes) -> Size | None:
    at = 0
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        kind = data[at + 1]
        if kind == 0xFF or kind in (0x01, *range(0xD0, 0xD9)):
            at += 1 if kind == 0xFF else 2
            continue
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return (height, width) if height and width else None
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        at += 2 + length
    return None


def sample(items: Sequence[T], count: int) -> list[T]:
    """At most ``count`` of them, evenly picked, the first and the last among them."""
    if len(items) <= count:
        return list(items)
    return [items[i * (len(items) - 1) // (count - 1)] for i in range(count)]
