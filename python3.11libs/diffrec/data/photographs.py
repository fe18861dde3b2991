"""Photographs and masks from files: decoded, made linear, premultiplied, reduced."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffrec import imagefiles
from diffrec.colour import srgb_to_linear_array
from diffrec.errors import DataError

MAX_FILE_BYTES = 1 << 30

_PNG = b"\x89PNG\r\n\x1a\n"
SRGB_TO_LINEAR = srgb_to_linear_array(np.arange(256) / 255.0)
"""8-bit sRGB to linear."""


def read_photograph(
    photo: Path, mask: Path | None, largest: tuple[int, int] | None, aspect: float | None = None
) -> Tensor:
    """One picture, [H, W, 4] premultiplied linear RGBA float32, row 0 the top.

    Coverage comes from ``mask`` (grey, linear), else from the picture's alpha, else it is 1.
    Larger pictures are reduced to ``largest`` (height, width) with an area filter, after the
    multiplication, so that background never bleeds in. ``aspect`` is the camera's width / height.

    Raises:
        DataError: unreadable file, sizes that do not match, or an aspect unlike the camera's.
    """
    pixels = _decode(photo)
    height, width = pixels.shape[:2]
    if aspect is not None and abs(width / height / aspect - 1) > 0.02:
        raise DataError(
            f"{photo}: {width} x {height} pixels, but its camera was solved for pictures "
            f"{aspect:.3f} times as wide as high; use the pictures that the cameras were solved "
            "from, reduced but not cropped or turned"
        )
    color = _linear(pixels[..., :3])
    if mask is not None:
        coverage = _coverage(_decode(mask))
        if coverage.shape != (height, width):
            raise DataError(
                f"{mask}: {coverage.shape[1]} x {coverage.shape[0]} pixels, but {photo.name} is "
                f"{width} x {height}; a mask must match its photograph"
            )
    elif pixels.shape[2] == 4:
        coverage = _unit(pixels[..., 3])
    else:
        coverage = np.ones((height, width), np.float32)
    rgba = np.concatenate([color * coverage[..., None], coverage[..., None]], axis=-1)
    if largest is not None and (largest[0] < height or largest[1] < width):
        size = (min(largest[1], width), min(largest[0], height))
        rgba = cv2.resize(rgba, size, interpolation=cv2.INTER_AREA)
    return torch.from_numpy(np.ascontiguousarray(rgba, dtype=np.float32))


def _decode(path: Path) -> NDArray[Any]:
    """uint8 or uint16 pixels [H, W, 3 or 4], RGB order; grey is repeated to three channels."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise DataError(f"{path}: larger than 1 GB; this is no photograph")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    as_stored = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = imagefiles.decode(_without_profile(data), as_stored)
    if pixels is None or pixels.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{path}: no picture of 8 or 16 bits that can be decoded; export it again")
    return pixels


def _without_profile(data: bytes) -> bytes:
    """The PNG without its colour profile, of which libpng would complain on stderr."""
    if not data.startswith(_PNG):
        return data
    kept, at = [_PNG], len(_PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        if data[at + 4 : at + 8] != b"iCCP":
            kept.append(data[at:end])
        at = end
    kept.append(data[at:])
    return b"".join(kept)


def _linear(pixels: NDArray[Any]) -> NDArray[np.float32]:
    if pixels.dtype == np.uint8:
        return np.asarray(SRGB_TO_LINEAR[pixels], dtype=np.float32)
    return srgb_to_linear_array(_unit(pixels))


def _unit(pixels: NDArray[Any]) -> NDArray[np.float32]:
    return (pixels / np.float32(np.iinfo(pixels.dtype).max)).astype(np.float32)


def _coverage(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Coverage of a mask picture: its brightness, or its alpha where the colour says nothing."""
    if pixels.shape[2] == 4 and int(pixels[..., :3].max()) == int(pixels[..., :3].min()):
        return _unit(pixels[..., 3])
    return np.asarray(_unit(pixels[..., :3]).mean(axis=-1), dtype=np.float32)
