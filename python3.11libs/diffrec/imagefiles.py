"""Pictures on disk as float tensors [H, W, C], row 0 on top, channels RGB(A).

Written to a temporary name and renamed, so that a reader never sees half a file.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffrec.colour import srgb_to_linear
from diffrec.errors import DiffrecError
from diffrec.pictures import decoding
from nvdiffrec_contract.failure import EXIT_USAGE
from nvdiffrec_contract.files import replace_file

P = ParamSpec("P")
T = TypeVar("T")
Decode = Callable[[Path], NDArray[Any]]
"""Reads the pixels of a file, as `decoding.read` does."""

# Radiance files hold a shared exponent; above this they would overflow half precision readers.
BRIGHTEST = 65504.0


class ImageError(DiffrecError):
    """A picture that cannot be read or written; the text names the file."""

    id = "picture"
    cure = "save the picture again, or name another, then cook again"
    exit_code = EXIT_USAGE


def read_linear(path: Path, decode: Decode = decoding.read) -> Tensor:
    """A picture as stored, [H, W, 3 or 4] in [0, 1]. Raises ImageError.

    `decode`: what reads its pixels.
    """
    pixels = _read(path, decode)
    if pixels.dtype == np.float32 and path.suffix.lower() == ".exr":
        return _of_floats(pixels, path)
    most = _most(pixels, path)
    return torch.from_numpy(pixels.astype(np.float32)).div_(most)


def read_srgb(path: Path, decode: Decode = decoding.read) -> Tensor:
    """An sRGB picture made linear, [H, W, 3 or 4]; alpha is linear already. Raises ImageError.

    OpenEXR is linear as it is.

    `decode`: what reads its pixels.
    """
    pixels = _read(path, decode)
    if pixels.dtype == np.float32 and path.suffix.lower() == ".exr":
        return _of_floats(pixels, path)
    most = _most(pixels, path)
    # By a table: of large pictures, temporaries of the formula would be most of the memory.
    table = srgb_to_linear(torch.arange(most + 1) / most).numpy()
    image = table[pixels]
    if image.shape[2] == 4:
        np.divide(pixels[..., 3], most, out=image[..., 3], dtype=np.float32)
    return torch.from_numpy(image)


def _of_floats(pixels: NDArray[Any], path: Path) -> Tensor:
    """Numbers of a texture as they are, in [0, 1]."""
    if not np.isfinite(pixels).all():
        raise ImageError(f"{path} holds numbers that are none")
    return torch.from_numpy(pixels).clamp(0, 1)


def _most(pixels: NDArray[Any], path: Path) -> int:
    """The largest whole number that a pixel could hold."""
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ImageError(
            f"{path} holds {pixels.dtype} values; 8 or 16 bits, or OpenEXR, are needed"
        )
    return int(np.iinfo(pixels.dtype).max)


def read_hdr(path: Path) -> Tensor:
    """A panorama of high dynamic range, linear RGB [H, W, 3], never negative.

    Radiance .hdr of every kind; OpenEXR where OpenCV or the package OpenEXR reads it. Raises
    ImageError.
    """
    pixels = _read(path)
    if pixels.dtype != np.float32:
        raise ImageError(f"{path} is not a high dynamic range picture; convert it to Radiance .hdr")
    if not np.isfinite(pixels).all():
        raise ImageError(f"{path} holds values that are not finite; write the panorama anew")
    return torch.from_numpy(np.ascontiguousarray(pixels[..., :3].clip(0)))


def write_png(path: Path, image: Tensor) -> None:
    """Write [H, W, 3 or 4] in [0, 1] as 8 bits per channel, as it is. Raises ImageError."""
    write_pixels(path, _levels(image))


def png(image: Tensor, bits: int = 8) -> bytes:
    """A PNG file of [H, W, 1, 3 or 4] in [0, 1], 8 or 16 bits per channel, as it is."""
    pixels = _levels(image) if bits == 8 else _steps(image, 65535).cpu().numpy().astype(np.uint16)
    done, data = cv2.imencode(".png", _stored(pixels))
    if not done:
        raise ImageError("a picture cannot be encoded as PNG")
    return bytes(data.tobytes())


def _levels(image: Tensor) -> Any:
    return _steps(image, 255).to(torch.uint8).cpu().numpy()


def _steps(image: Tensor, most: int) -> Tensor:
    """Whole numbers up to `most` of values in [0, 1]."""
    return image.detach().float().clamp(0, 1).mul_(most).round_()


def _stored(pixels: NDArray[Any]) -> NDArray[Any]:
    """Pixels in OpenCV's order of channels."""
    channels = pixels.shape[2]
    if channels < 3:
        return np.ascontiguousarray(pixels)
    way = cv2.COLOR_RGB2BGR if channels == 3 else cv2.COLOR_RGBA2BGRA
    stored: NDArray[Any] = cv2.cvtColor(np.ascontiguousarray(pixels), way)
    return stored


class PictureWriter:
    """Writes pictures on threads of its own, in no set order. Use as a context manager.

    Leaving it waits for all of them, and raises the error of the first that could not be written,
    ImageError as a rule.
    """

    def __init__(self, threads: int = 8) -> None:
        self._pool = ThreadPoolExecutor(min(threads, os.cpu_count() or 1))
        self._written: list[Future[Any]] = []

    def write_png(self, path: Path, image: Tensor) -> None:
        """As the function of that name; `image` may change once this has returned."""
        self.do(write_pixels, path, _levels(image))

    def write_hdr(self, path: Path, image: Tensor) -> None:
        """As the function of that name; `image` may change once this has returned."""
        self.do(write_pixels, path, _radiance(image))

    def do(self, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> Future[T]:
        """Call `work`, which makes and writes a picture or what goes with some, on a thread."""
        outcome = self._pool.submit(work, *given, **named)
        self._written.append(outcome)
        return outcome

    def __enter__(self) -> PictureWriter:
        return self

    def __exit__(self, kind: object, *_rest: object) -> None:
        self._pool.shutdown(wait=True)
        if kind is None:
            for one in self._written:
                one.result()


def own_or(writer: PictureWriter | None) -> contextlib.AbstractContextManager[PictureWriter]:
    """A writer whose owner waits for it later, or a new one that is waited for here."""
    return PictureWriter() if writer is None else contextlib.nullcontext(writer)


def write_hdr(path: Path, image: Tensor) -> None:
    """Write linear RGB [H, W, 3] as Radiance RGBE. Raises ImageError."""
    write_pixels(path, _radiance(image))


def _radiance(image: Tensor) -> Any:
    return image.detach().float().clamp(0, BRIGHTEST).cpu().numpy()


def _read(path: Path, decode: Decode = decoding.read) -> NDArray[Any]:
    try:
        return decode(Path(path))
    except decoding.UndecodedError as error:
        raise ImageError(str(error), error.cure) from None


def write_pixels(path: Path, pixels: NDArray[Any]) -> None:
    """Write [H, W, 3 or 4] as the file's suffix says, values as they are. Raises ImageError."""
    try:
        done, data = cv2.imencode(path.suffix, _stored(pixels))
    except cv2.error:
        done = False
    if not done:
        raise ImageError(f"cannot write {path}: no picture format is known by that ending")
    try:
        replace_file(path, data.tobytes())
    except OSError as error:
        raise ImageError(f"cannot write {path}: {error.strerror or error}") from None
