"""Looks at some of a data set's pictures: their sizes, their alpha, how much a mask covers."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diffrec.data import headers
from nvdiffrec_contract.dataset import Description, Look

SIZES, QUICK_SIZES = 100_000, 12
"""Pictures whose headers are read, at most."""
DECODED, QUICK_DECODED = 16, 4
"""Masks, or pictures with alpha, that are decoded."""
MAX_BYTES = 256 << 20


def with_looks(found: Description, quick: bool) -> Description:
    """The description with looks at its pictures and masks; evenly picked ones where there are
    many. Nothing is decoded where this interpreter has no reader of pictures."""
    pairs = list(enumerate(found.pictures))
    looks = {}
    for i, path in headers.sample(pairs, QUICK_SIZES if quick else SIZES):
        for one in (path, *found.masks[i : i + 1]):
            looks[one] = headers.look(Path(one))
    if found.coverage:
        outlines = found.masks if found.coverage == "masks" else found.pictures
        read = picture_reader()
        for one in headers.sample(outlines, QUICK_DECODED if quick else DECODED):
            known = looks.get(one, Look())
            if read is not None and Path(one).is_file():
                looks[one] = decoded(one, found.coverage, read, known)
    return dataclasses.replace(found, looks=looks)


def decoded(path: str, coverage: str, read: Callable[[str], Any], known: Look) -> Look:
    """What a picture shows as a mask: its brightness, or its alpha where that is meant or where
    the brightness tells nothing."""
    try:
        if Path(path).stat().st_size > MAX_BYTES:
            return dataclasses.replace(known, unread="it is larger than 256 MB")
        pixels = read(path)
        if pixels is None:
            return dataclasses.replace(known, unread="no picture that can be decoded")
        if pixels.ndim == 2:
            pixels = pixels[:, :, None]
        alpha = pixels.shape[2] in (2, 4)
        colors = pixels[:, :, :-1] if alpha else pixels
        outline: Any | None = colors.max(axis=2)
        if alpha and (coverage == "alpha" or colors.max() == colors.min()):
            outline = pixels[:, :, -1]
        elif coverage == "alpha":
            outline = None
        return Look(
            (int(pixels.shape[0]), int(pixels.shape[1])),
            alpha,
            1.0 if outline is None else float((outline > 0).mean()),
        )
    except Exception as error:  # whatever the reader of this environment raises
        said = " ".join(str(error).split())[:200]
        return dataclasses.replace(known, unread=f"{type(error).__name__}: {said}")


def picture_reader() -> Callable[[str], Any] | None:
    """Whatever decodes pictures in this environment, as a function of a path; None for nothing."""
    try:
        np = importlib.import_module("numpy")
        try:
            cv2 = importlib.import_module("cv2")
            return lambda path: cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        except ImportError:
            pass
        try:
            pil = importlib.import_module("PIL.Image")
            return lambda path: np.asarray(pil.open(path))
        except ImportError:
            return importlib.import_module("imageio").imread  # type: ignore[no-any-return]
    except Exception:  # a broken package may raise anything
        return None
