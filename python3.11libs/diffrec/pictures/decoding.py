"""Decodes picture files by NumPy and OpenCV, after a look at their headers.

Both are imported when something is decoded; Pillow takes OpenCV's place in an environment of
another trainer. ImportError tells that there is neither.
"""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffrec.pictures import headers, radiance
from diffrec.pictures.headers import MAX_PIXELS
from nvdiffrec_contract.dataset import Size
from nvdiffrec_contract.regularfiles import read_regular

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_BYTES = 1 << 30
SAVE_AGAIN = "save the picture again, or name another, then cook again"
_EXR = b"v/1\x01"
_OTHERS = {
    b"version https://git-lfs": "a Git LFS pointer, not the picture itself",
    b"8BPS": "a Photoshop document",
    b"GIF8": "a GIF",
    b"%PDF": "a PDF document",
    b"<svg": "an SVG drawing",
    b"\xff\x0a": "a JPEG XL picture",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 picture",
    b"glTF": "a glTF scene",
    b"DDS ": "a DDS texture",
    b"\xabKTX": "a KTX texture",
}
# Ward's own primaries and white, by which Radiance turns one kind of colours into the other.
_PRIMARIES = ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060))
_WHITE = (1 / 3, 1 / 3)


class UndecodedError(Exception):
    """A picture that cannot be read; the message names the file."""

    def __init__(self, message: str, cure: str = SAVE_AGAIN) -> None:
        super().__init__(message)
        self.cure = cure


def read(path: Path, *, photograph: bool = False) -> NDArray[Any]:
    """The pixels [H, W, 3 or 4], RGB order, grey repeated: uint8 or uint16 as stored, float32 of
    high dynamic range.

    photograph: as the pixels lie in the file, whatever its orientation tag and profile say.

    Raises:
        UndecodedError: it is no regular file, no picture, damaged or too large.
        ImportError: NumPy or OpenCV is missing.
    """
    try:
        data = read_regular(path, MAX_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UndecodedError(f"cannot read the picture {path}: {reason}") from None
    if data.startswith(radiance.SIGNATURE):
        return _radiance(data, path)
    if data.startswith(_EXR):
        return _exr(data, path)
    size = headers.look_into(io.BytesIO(data)).size
    if size is None:
        raise UndecodedError(f"{path} is no picture that can be read{_instead(data)}")
    _refuse_large(size, path)
    pixels = _decoded(_without_profile(data) if photograph else data, photograph)
    if pixels is None:
        raise UndecodedError(f"{path} is no picture that can be read, or is cut")
    return _rgb(pixels)


def _instead(data: bytes) -> str:
    for begin, name in _OTHERS.items():
        if data.startswith(begin):
            return f": it is {name}; PNG, JPEG, TIFF, WebP, BMP and .hdr are read"
    if data[4:8] == b"ftyp":
        return ": it is a HEIC or AVIF picture; save it as PNG or JPEG"
    return " (PNG, JPEG, TIFF, WebP, BMP, .hdr), or is cut"


def _refuse_large(size: Size, path: Path) -> None:
    height, width = size
    if height * width > MAX_PIXELS:
        raise UndecodedError(
            f"{path} is {width} x {height} pixels, more than {MAX_PIXELS}; reduce it first",
            f"reduce it to at most {MAX_PIXELS >> 20} million pixels, then cook again",
        )


def _decoded(data: bytes, photograph: bool = False) -> Any:
    """Pixels in OpenCV's order; None where they cannot be decoded."""
    import numpy as np

    try:
        import cv2
    except ImportError:
        return _by_pillow(data)
    flags = cv2.IMREAD_UNCHANGED | (cv2.IMREAD_IGNORE_ORIENTATION if photograph else 0)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    # Of other decoders than the headers are of.
    return None if pixels is None or pixels.size > 4 * MAX_PIXELS else pixels


def _by_pillow(data: bytes) -> Any:
    import numpy as np
    from PIL import Image

    try:
        picture = Image.open(io.BytesIO(data))
        if picture.mode not in ("L", "LA", "RGB", "RGBA", "I;16"):
            picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
        pixels = np.asarray(picture)
    except Exception:  # whatever its decoders raise
        return None
    return (
        pixels
        if pixels.ndim == 2
        else pixels[..., [[], [0], [0, 1], [2, 1, 0], [2, 1, 0, 3]][pixels.shape[2]]]
    )


def _rgb(pixels: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    if pixels.ndim == 2:
        pixels = pixels[..., None]
    channels = pixels.shape[2]
    if channels < 3:  # grey, perhaps with alpha
        pixels = pixels[..., [0, 0, 0, 1][: 3 if channels == 1 else 4]]
        return np.ascontiguousarray(pixels)
    return np.ascontiguousarray(pixels[..., [2, 1, 0, 3][:channels]])


def _radiance(data: bytes, path: Path) -> NDArray[np.float32]:
    import numpy as np

    try:
        picture = radiance.parse(data)
    except radiance.RadianceError as error:
        raise UndecodedError(
            f"{path} is no picture that can be read: as a Radiance .hdr, {error}",
            "write the panorama again as Radiance .hdr",
        ) from None
    head = picture.header
    stored = np.frombuffer(picture.pixels, np.uint8).reshape(*head.lengths, 4)
    # Without the half step that Ward's own reader adds, as OpenCV and FreeImage read it.
    scale = np.ldexp(np.float32(1), stored[..., 3].astype(np.int32) - (128 + 8))
    scale[stored[..., 3] == 0] = 0
    found = stored[..., :3] * scale[..., None].astype(np.float32)
    if head.turned:
        found = found.transpose(1, 0, 2)
    if head.upward:
        found = found[::-1]
    if head.leftward:
        found = found[:, ::-1]
    if head.xyz:
        found = (found @ _rgb_of_xyz().T).clip(0)
    return np.ascontiguousarray(found, dtype=np.float32)


def _rgb_of_xyz() -> NDArray[np.float32]:
    import numpy as np

    columns = np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in _PRIMARIES]).T
    white = np.array([_WHITE[0] / _WHITE[1], 1.0, (1 - sum(_WHITE)) / _WHITE[1]])
    return np.linalg.inv(columns * np.linalg.solve(columns, white)).astype(np.float32)


def _exr(data: bytes, path: Path) -> NDArray[np.float32]:
    size = exr_size(data)
    if size is not None:
        _refuse_large(size, path)
    os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")  # asked for at the first such file
    pixels = None if size is None else _decoded(data)
    if pixels is not None and pixels.dtype.name == "float32":
        return _rgb(pixels)
    found = None if size is None else _by_openexr(path)
    if found is None:
        raise UndecodedError(
            f"{path} is an OpenEXR picture, which this OpenCV does not read, nor the package "
            "OpenEXR where that is installed",
            "python -m pip install OpenEXR; or save it as Radiance .hdr, in Houdini's command "
            "line: icp FILE.exr FILE.hdr",
        )
    return found


def _by_openexr(path: Path) -> NDArray[np.float32] | None:
    """The first part's colours or grey, [H, W, 3 or 4]; OpenCV's wheels may know no OpenEXR."""
    import numpy as np

    try:
        import OpenEXR

        channels = OpenEXR.File(str(path)).channels()
    except (ImportError, RuntimeError, ValueError, TypeError, OSError):
        return None
    for name in ("RGBA", "RGB", "Y"):
        if name in channels:
            pixels = np.asarray(channels[name].pixels, np.float32)
            grey = pixels[..., None] if pixels.ndim == 2 else pixels
            return np.ascontiguousarray(grey.repeat(3, axis=2) if name == "Y" else grey)
    return None


def exr_size(data: bytes) -> Size | None:
    """(height, width) by an OpenEXR header (OpenEXR file layout, attribute ``dataWindow``)."""
    place = data.find(b"dataWindow\0box2i\0", 0, 1 << 16)
    if not data.startswith(_EXR) or place < 0 or len(data) < place + 37:
        return None
    left, top, right, bottom = struct.unpack_from("<4i", data, place + 21)
    size = (bottom - top + 1, right - left + 1)
    return size if min(size) > 0 else None


def _without_profile(data: bytes) -> bytes:
    """The PNG without its colour profile, of which libpng would complain on stderr."""
    signature = b"\x89PNG\r\n\x1a\n"
    if not data.startswith(signature):
        return data
    kept, at = [signature], len(signature)
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
