"""Sizes of pictures by their first bytes, and empty masks, with the standard library alone.

Formats: PNG (W3C Recommendation, 2nd edition), JPEG (ITU-T T.81, annex B), Radiance (Ward,
*Real Pixels*, Graphics Gems II).
"""

from __future__ import annotations

import struct
import zlib

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
_PNG = b"\x89PNG\r\n\x1a\n"
_LARGEST = 256 << 20


def size_of(path: str) -> tuple[int, int] | None:
    """(height, width) in pixels; None for other formats and what cannot be read."""
    try:
        with open(path, "rb") as stream:
            begin = stream.read(32)
            if begin.startswith(_PNG) and begin[12:16] == b"IHDR" and len(begin) >= 24:
                width, height = struct.unpack(">II", begin[16:24])
                return height, width
            if begin.startswith(b"\xff\xd8"):
                stream.seek(2)
                return _jpeg(stream.read(1 << 20))
            if begin.startswith(b"#?"):
                stream.seek(0)
                return _radiance(stream.read(8192))
    except (OSError, ValueError, struct.error):
        pass
    return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
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
            return height, width
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        at += 2 + length
    return None


def _radiance(data: bytes) -> tuple[int, int] | None:
    _, separator, after = data.partition(b"\n\n")
    words = after.partition(b"\n")[0].split() if separator else []
    if len(words) == 4 and words[0] in (b"-Y", b"+Y") and words[1].isdigit() and words[3].isdigit():
        return int(words[1]), int(words[3])
    return None


def is_black(path: str) -> bool | None:
    """Whether every pixel of a PNG is 0; None where that cannot be told from its bytes alone.

    All of PNG's filters leave zeros of zeros, and anything else of a first pixel that is not zero,
    so nothing needs to be unfiltered. A palette or an alpha channel tells nothing by its zeros.
    """
    try:
        with open(path, "rb") as stream:
            data = stream.read(_LARGEST)
    except (OSError, ValueError):
        return None
    if not data.startswith(_PNG) or len(data) < 33:
        return None
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    if kind not in (0, 2) or interlaced or not width or not height:
        return None
    row = 1 + (width * depth * (3 if kind == 2 else 1) + 7) // 8
    if row * height > _LARGEST:
        return None
    packed = b"".join(_chunks(data, b"IDAT"))
    try:
        lines = zlib.decompressobj().decompress(packed, row * height)
    except zlib.error:
        return None
    if len(lines) < row * height:
        return None
    return not any(lines[at + 1 : at + row].strip(b"\0") for at in range(0, row * height, row))


def _chunks(data: bytes, wanted: bytes) -> list[bytes]:
    found = []
    at = len(_PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if data[at + 4 : at + 8] == wanted:
            found.append(data[at + 8 : at + 8 + length])
        at += 12 + length
    return found
