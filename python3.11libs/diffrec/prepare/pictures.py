"""Photographs as they come from a camera: decoded, upright, with what their EXIF says."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import math
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from diffrec.pictures import decoding, headers
from diffrec.prepare.errors import SolverMissingError, SourceError
from nvdiffrec_contract.files import replace_file
from nvdiffrec_contract.preparation import FILMS as FILMS
from nvdiffrec_contract.preparation import HEIF, PHOTOGRAPHS, RAW
from nvdiffrec_contract.regularfiles import read_regular

SUFFIXES = PHOTOGRAPHS
MOST_PIXELS = 1 << 28

_ORIENTATION, _MAKE, _MODEL = 0x0112, 0x010F, 0x0110
_EXIF, _FOCAL, _FOCAL_35 = 0x8769, 0x920A, 0xA405
_DIAGONAL_35 = math.hypot(36, 24)
_SHARP = 512
ROUNDING = 8.0
"""What 8 bits alone do to a picture without any detail."""
# How a picture stored with each EXIF orientation is made upright: mirrored first, then turned.
_TURNS = {3: cv2.ROTATE_180, 4: cv2.ROTATE_180, 5: cv2.ROTATE_90_COUNTERCLOCKWISE,
          6: cv2.ROTATE_90_CLOCKWISE, 7: cv2.ROTATE_90_CLOCKWISE,
          8: cv2.ROTATE_90_COUNTERCLOCKWISE}  # fmt: skip
_MIRRORED = (2, 4, 5, 7)

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Exif:
    """What a photograph says of its camera.

    Attributes:
        orientation: 1 to 8, as TIFF defines it.
        camera: make and model; '' where they are not said.
        lens: focal length as a film of 35 mm would have it, millimetres; None where not said.
        millimetres: focal length of the lens; None where not said.
    """

    orientation: int = 1
    camera: str = ""
    lens: float | None = None
    millimetres: float | None = None

    def focal(self, width: int, height: int) -> float | None:
        """The focal length in pixels of a picture of this size; None where it is not known."""
        return self.lens and self.lens * math.hypot(width, height) / _DIAGONAL_35


def exif(path: Path) -> Exif:
    """What a photograph's header says; nothing where it has none that can be read."""
    try:
        from PIL import Image
    except ImportError as error:
        raise SolverMissingError(f"headers of photographs are read with Pillow ({error})") from None
    if path.suffix.lower() in HEIF:
        return Exif()  # upright when decoded
    # Pillow warns of what is broken, and stops at what is more so: neither is an artist's concern.
    with warnings.catch_warnings(action="ignore"):
        try:
            with Image.open(path) as picture:
                found = picture.getexif()
                inner = found.get_ifd(_EXIF)
            orientation = found.get(_ORIENTATION)
            words = [_printable(found.get(tag, "")) for tag in (_MAKE, _MODEL)]
            return Exif(
                int(orientation) if orientation in range(1, 9) else 1,
                " ".join(word for word in words if word)[:80],
                _millimetres(inner.get(_FOCAL_35)),
                _millimetres(inner.get(_FOCAL)),
            )
        except Exception:  # whatever a broken header makes of the reader
            return Exif()


def _printable(value: Any) -> str:
    """A text of EXIF, which ends with a zero, as one line."""
    text = str(value).partition("\0")[0]
    return "".join(letter for letter in text if letter.isprintable()).strip()


def _millimetres(value: Any) -> float | None:
    with contextlib.suppress(TypeError, ValueError, ZeroDivisionError, ArithmeticError):
        number = float(value)
        if 1 <= number <= 5000:
            return number
    return None


def read(path: Path, turn: bool = True) -> tuple[Pixels, Exif]:
    """A photograph, [H, W, 3 or 4] in OpenCV's order BGR(A), and what its EXIF says: upright, or
    with ``turn`` off as it is stored (HEIF is always upright).

    Raises:
        SourceError: it cannot be decoded.
        SolverMissingError: a package for its format is missing.
    """
    ending = path.suffix.lower()
    if ending in HEIF:
        return _bytes(_heif(path)), Exif()
    said = exif(path)
    if ending in RAW:
        return _bytes(_raw(path)), said
    if ending in (".tif", ".tiff") and said.orientation != 1:
        # OpenCV turns some of them by itself, and does not say which.
        return _bytes(_turned(path, turn)), said if not turn else dataclasses.replace(
            said, orientation=1
        )
    return upright(_bytes(_plain(path)), said.orientation if turn else 1), said


def _plain(path: Path) -> NDArray[Any]:
    try:
        data = read_regular(path, decoding.MAX_BYTES)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from None
    size = headers.look_into(io.BytesIO(data)).size
    if size is not None and size[0] * size[1] > MOST_PIXELS:
        raise SourceError(f"{path} has {size[1]} x {size[0]} pixels, more than {MOST_PIXELS}")
    try:
        # Only what says its size is decoded: a small file may unfold to any number of pixels.
        found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if size else None
    except cv2.error:
        found = None
    if found is None or found.shape[0] * found.shape[1] > MOST_PIXELS:
        raise SourceError(f"{path} is no picture that can be decoded, or is cut")
    return np.asarray(found)


def _turned(path: Path, turn: bool = True) -> NDArray[Any]:
    """A picture that Pillow has made upright, or with ``turn`` off as it is stored."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as picture:
            picture.load()
            turned = ImageOps.exif_transpose(picture) if turn else picture
            alpha = "A" in turned.getbands()
            pixels = np.asarray(turned.convert("RGBA" if alpha else "RGB"))
    except Exception as error:  # whatever a broken file makes of the reader
        raise SourceError(f"{path} is no picture that can be decoded: {error}") from None
    return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


def _heif(path: Path) -> NDArray[Any]:
    try:
        import pi_heif
    except ImportError:
        raise SolverMissingError(
            f"{path.name} is a HEIC photograph, which needs the package pi-heif",
            f"install it: {sys.executable} -m pip install pi-heif, or export the photographs as "
            "JPEG",
        ) from None
    pi_heif.register_heif_opener()
    return _turned(path)


def _raw(path: Path) -> NDArray[Any]:
    try:
        import rawpy
    except ImportError:
        raise SolverMissingError(
            f"{path.name} is a camera's raw file, which needs the package rawpy",
            f"install it: {sys.executable} -m pip install rawpy, or export the photographs as JPEG",
        ) from None
    try:
        with rawpy.imread(str(path)) as raw:
            developed = raw.postprocess(use_camera_wb=True, no_auto_bright=True)
            return np.asarray(developed)[..., ::-1]
    except Exception as error:
        raise SourceError(f"{path} is no raw file that can be developed: {error}") from None


def _bytes(pixels: NDArray[Any]) -> Pixels:
    """8 bits a channel, three or four channels."""
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[2] == 2:  # grey and alpha
        pixels = np.concatenate([pixels[..., :1]] * 3 + [pixels[..., 1:]], axis=-1)
    elif pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    if pixels.dtype == np.uint16:
        pixels = (pixels // 257).astype(np.uint8)
    elif pixels.dtype != np.uint8:
        pixels = (np.clip(pixels.astype(np.float32), 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.ascontiguousarray(pixels)


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """A stored picture as it was seen; ``orientation`` is EXIF's."""
    if orientation in _MIRRORED:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    turn = _TURNS.get(orientation)
    return pixels if turn is None else np.asarray(cv2.rotate(pixels, turn), np.uint8)


def reduced(pixels: Pixels, longest: int) -> Pixels:
    """The picture with its longest side at most that long."""
    height, width = pixels.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def sharpness(pixels: Pixels) -> float:
    """How much of a picture's detail is fine: about 0.5 in focus, 0.03 blurred over 4 pixels of
    512; what is shown hardly matters."""
    grey = reduced(pixels, _SHARP)
    if grey.ndim == 3:
        grey = np.asarray(cv2.cvtColor(grey[..., :3], cv2.COLOR_BGR2GRAY), np.uint8)
    whole = grey.astype(np.float32)
    fine = cv2.GaussianBlur(whole, (0, 0), 0.5)
    middle = cv2.GaussianBlur(whole, (0, 0), 1.2)
    coarse = cv2.GaussianBlur(whole, (0, 0), 4.0)
    return float(((fine - middle) ** 2).mean() / (((middle - coarse) ** 2).mean() + ROUNDING))


def write_png(path: Path, pixels: NDArray[Any]) -> None:
    """Write a picture whole or not at all, grey, BGR or BGRA; a file that holds just that stays as
    it is, with its time."""
    done, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 4])
    if not done:
        raise SourceError(f"{path} cannot be written as PNG")
    try:
        if path.is_file() and path.read_bytes() == data.tobytes():
            return
        replace_file(path, data.tobytes())
    except OSError as error:
        raise SourceError(f"cannot write {path}: {error.strerror or error}") from None
