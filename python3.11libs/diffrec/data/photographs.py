"""Photographs and masks from files: decoded, made linear, premultiplied, reduced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffrec.colour import srgb_to_linear_array
from diffrec.errors import DataError
from diffrec.pictures import decoding

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
        pixels = decoding.read(path, photograph=True)
    except decoding.UndecodedError as error:
        raise DataError(str(error), error.cure, file=str(path)) from None
    if pixels.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{path}: no picture of 8 or 16 bits that can be decoded; export it again")
    return pixels


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
