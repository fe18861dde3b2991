"""Radiance pictures (.hdr) where imageio lacks the plug-in for them.

Without it imageio tries a download, which a farm's machine waits for in vain, or reads the light
through another plug-in as 8 bits per channel, which silently cuts everything brighter than white.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator, MutableMapping
from types import ModuleType
from typing import Any

from nvdiffrec_tops.job.engines.nvdiffrec.shims import radiance
from nvdiffrec_tops.job.engines.nvdiffrec.shims.imports import after_import
from nvdiffrec_tops.job.engines.nvdiffrec.shims.start import Shim, Start

NAME = "hdr-files"
MODULES = ("imageio", "imageio.v2", "imageio.v3")
_NO_DOWNLOAD = "IMAGEIO_NO_INTERNET"
_DONE = "_tops_nvdiffrec_hdr"


def install(start: Start) -> None:
    """Stand beside imageio's functions that read and write one picture."""
    said: set[str] = set()

    def say(text: str) -> None:
        if text not in said:
            said.add(text)
            start.say(NAME, text)

    def change(module: ModuleType) -> None:
        for names, make in ((("imread",), _reading), (("imwrite", "imsave"), _writing)):
            for name in names:
                function = getattr(module, name, None)
                if callable(function) and not hasattr(function, _DONE):
                    replaced = make(function, start.environ, say)
                    setattr(replaced, _DONE, True)
                    setattr(module, name, replaced)

    for module_name in MODULES:
        after_import(module_name, change)


def _hdr_path(place: Any) -> str | None:
    if isinstance(place, (str, os.PathLike)):
        path = os.fspath(place)
        if isinstance(path, str) and path.lower().endswith(".hdr") and "://" not in path:
            return path
    return None


def _reading(imread: Any, environ: MutableMapping[str, str], say: Any) -> Any:
    @functools.wraps(imread)
    def read(*args: Any, **kwargs: Any) -> Any:
        place = args[0] if args else kwargs.get("uri")
        path = _hdr_path(place)
        if path is None or not os.path.isfile(path):
            return imread(*args, **kwargs)
        why = "imageio cannot"
        try:
            with _without_downloads(environ):
                picture = imread(*args, **kwargs)
            if getattr(getattr(picture, "dtype", None), "kind", "f") == "f":
                return picture
            why = "imageio would cut them to 8 bits"
        except Exception:  # whatever a missing plug-in raises
            pass
        say(f".hdr pictures are read here, as {why}")
        return _read(path)

    return read


def _read(path: str) -> Any:
    """By OpenCV where it is installed (it is quicker), else by ourselves."""
    try:
        import cv2

        picture = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    except Exception:  # absent, or its libraries are
        picture = None
    if picture is not None and picture.ndim == 3 and picture.dtype.kind == "f":
        return picture[..., 2::-1].copy()  # blue, green, red
    return radiance.read(path)


def _writing(imwrite: Any, environ: MutableMapping[str, str], say: Any) -> Any:
    @functools.wraps(imwrite)
    def write(*args: Any, **kwargs: Any) -> Any:
        place = args[0] if args else kwargs.get("uri")
        picture = args[1] if len(args) > 1 else kwargs.get("im", kwargs.get("image"))
        path = _hdr_path(place)
        if path is None or picture is None:
            return imwrite(*args, **kwargs)
        try:
            with _without_downloads(environ):
                return imwrite(*args, **kwargs)
        except OSError as error:
            if error.errno is not None:  # a full disk, no permission: not a missing plug-in
                raise
        except Exception:  # whatever a missing plug-in raises
            pass
        say(".hdr pictures are written here, as imageio cannot")
        radiance.write(path, picture)
        return None

    return write


@contextlib.contextmanager
def _without_downloads(environ: MutableMapping[str, str]) -> Iterator[None]:
    before = environ.get(_NO_DOWNLOAD)
    environ[_NO_DOWNLOAD] = "1"
    try:
        yield
    finally:
        if before is None:
            environ.pop(_NO_DOWNLOAD, None)
        else:
            environ[_NO_DOWNLOAD] = before


SHIM = Shim(
    NAME,
    "imageio has no plug-in for Radiance pictures (.hdr), or one that cuts them to 8 bits",
    "reads them by OpenCV or by itself, writes them by itself, and prevents downloads",
    install,
)
