"""Radiance pictures (.hdr, RGBE) by NumPy alone.

Format: Ward, *Real Pixels*, Graphics Gems II (1991), and the file description of the Radiance
manual: a header of text lines, a line of resolution, then rows of pixels with one shared exponent.
"""

from __future__ import annotations

import os
import re
from typing import Any

_RESOLUTION = re.compile(rb"([-+])Y (\d+) ([-+])X (\d+)\n")
_MAX_PIXELS = 1 << 28


def read(path: str) -> Any:
    """The picture as float32, height x width x 3, linear, first row on top.

    Raises:
        ValueError: it is no Radiance picture, or a damaged one; the message names the file.
        OSError: it cannot be read.
    """
    import numpy

    with open(path, "rb") as stream:
        data = stream.read()
    header, blank, rest = data.partition(b"\n\n")
    if not header.startswith((b"#?RADIANCE", b"#?RGBE")) or not blank:
        raise ValueError(f"{path} is no Radiance picture (.hdr)")
    if b"FORMAT=32-bit_rle_xyze" in header:
        raise ValueError(f"{path} is a Radiance picture of XYZ colours, which is not supported")
    match = _RESOLUTION.match(rest)
    if match is None:
        raise ValueError(f"{path} is a Radiance picture with an unusual line of resolution")
    height, width = int(match.group(2)), int(match.group(4))
    if not 0 < height * width <= _MAX_PIXELS:
        raise ValueError(f"{path} says that it has {width} x {height} pixels")
    body = rest[match.end() :]
    try:
        pixels = _pixels(body, height, width, numpy)
    except IndexError:
        pixels = None
    if pixels is None:
        raise ValueError(f"{path} is damaged: it ends before its last pixel")
    scale = numpy.ldexp(numpy.float32(1.0), pixels[..., 3].astype(numpy.int32) - (128 + 8))
    # Without the half step that Ward's own reader adds: FreeImage and OpenCV add none either, and
    # a light must not depend on which of them reads it. An exponent of 0 means black.
    colour = pixels[..., :3].astype(numpy.float32) * scale[..., None]
    colour[pixels[..., 3] == 0] = 0.0
    if match.group(1) == b"+":
        colour = colour[::-1]
    if match.group(3) == b"-":
        colour = colour[:, ::-1]
    return numpy.ascontiguousarray(colour, dtype=numpy.float32)


def _pixels(body: bytes, height: int, width: int, numpy: Any) -> Any:
    """Height x width x 4 bytes; None when there are too few."""
    if not (8 <= width < 32768 and body[:2] == b"\x02\x02" and body[2] < 128):
        flat = numpy.frombuffer(body, numpy.uint8)
        if flat.size < height * width * 4:
            return None
        return flat[: height * width * 4].reshape(height, width, 4)
    rows = numpy.empty((height, 4, width), numpy.uint8)
    position = 0
    for y in range(height):
        if body[position : position + 2] != b"\x02\x02":
            return None
        position += 4
        line = bytearray()
        while len(line) < 4 * width:
            count = body[position]
            if count > 128:  # a run of one value
                line += body[position + 1 : position + 2] * (count - 128)
                position += 2
            else:
                if count == 0:
                    return None
                line += body[position + 1 : position + 1 + count]
                position += 1 + count
            if position > len(body):
                return None
        if len(line) != 4 * width:
            return None
        rows[y] = numpy.frombuffer(line, numpy.uint8).reshape(4, width)
    return rows.transpose(0, 2, 1)


def write(path: str, picture: Any) -> None:
    """Write height x width x 3 (or 4: alpha is left out) linear values; negative ones become 0.

    Raises:
        ValueError: it has another shape.
    """
    import numpy

    colour = numpy.asarray(picture, dtype=numpy.float32)
    if colour.ndim == 2:
        colour = numpy.repeat(colour[..., None], 3, axis=2)
    if colour.ndim != 3 or colour.shape[2] not in (3, 4) or not colour.size:
        raise ValueError(f"{path}: a picture of {colour.shape} cannot be a Radiance picture")
    colour = numpy.clip(numpy.nan_to_num(colour[..., :3]), 0.0, 1e37)
    height, width = colour.shape[:2]
    largest = colour.max(axis=2)
    mantissa, exponent = numpy.frexp(largest)
    lit = largest > 1e-32
    scale = numpy.where(lit, mantissa * 256.0 / numpy.where(lit, largest, 1.0), 0.0)
    pixels = numpy.zeros((height, width, 4), numpy.uint8)
    pixels[..., :3] = numpy.minimum(numpy.rint(colour * scale[..., None]), 255).astype(numpy.uint8)
    pixels[..., 3] = numpy.where(lit, exponent + 128, 0).astype(numpy.uint8)
    part = path + ".part"
    with open(part, "wb") as stream:
        stream.write(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n")
        stream.write(b"-Y %d +X %d\n" % (height, width))
        if not 8 <= width < 32768:
            stream.write(pixels.tobytes())
        else:
            for row in pixels:
                stream.write(bytes((2, 2, width >> 8, width & 255)))
                for channel in row.T:
                    values = channel.tobytes()
                    for begin in range(0, width, 128):
                        piece = values[begin : begin + 128]
                        stream.write(bytes((len(piece),)) + piece)
    os.replace(part, path)
