"""Looks at some of a data set's pictures: their sizes, their alpha, how much a mask covers."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from diffrec.data import panorama
from diffrec.pictures import decoding, headers
from nvdiffrec_contract.dataset import Description, Look

SIZES, QUICK_SIZES = 100_000, 12
"""Pictures whose headers are read, at most."""
STRAYS = 0.01
"""Part of a mask's pixels on each side that are none of the object's."""
DECODED, QUICK_DECODED = 16, 4
"""Masks, or pictures with alpha, that are decoded."""


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
        for one in headers.sample(outlines, QUICK_DECODED if quick else DECODED):
            known = looks.get(one, Look())
            if Path(one).is_file():
                looks[one] = decoded(one, found.coverage, known)
    return dataclasses.replace(found, looks=looks)


def with_light(found: Description, light: Path, quick: bool) -> Description:
    """The description with a look at the panorama that is to light it."""
    look, problems = panorama.examine(light, quick)
    return dataclasses.replace(
        found,
        looks={**found.looks, str(light): look},
        problems=(*found.problems, *problems),
    )


def decoded(path: str, coverage: str, known: Look) -> Look:
    """What a picture shows as a mask: its brightness, or its alpha where that is meant or where
    the brightness tells nothing. What is known already where no decoder is here."""
    try:
        pixels: Any = decoding.read(Path(path), photograph=True)
    except ImportError:
        return known
    except Exception as error:  # whatever the decoder of this environment raises
        said = " ".join(str(error).split()).replace(f"{path} is", "it is")[:300]
        return dataclasses.replace(known, unread=said or type(error).__name__)
    alpha = pixels.shape[2] == 4
    colors = pixels[:, :, :3]
    outline: Any | None = colors.max(axis=2)
    if alpha and (coverage == "alpha" or colors.max() == colors.min()):
        outline = pixels[:, :, -1]
    elif coverage == "alpha":
        outline = None
    size = (int(pixels.shape[0]), int(pixels.shape[1]))
    if outline is None:
        return Look(size, alpha, 1.0)
    inside = outline > 0.5 * _whitest(outline)
    return Look(size, alpha, float((outline > 0).mean()), "", _edge(inside), _box(inside))


def _whitest(outline: Any) -> float:
    """What stands for all of a pixel."""
    return {"u1": 255.0, "u2": 65535.0}.get(outline.dtype.str[1:], 1.0)


def _edge(inside: Any) -> float:
    sides = (inside[0], inside[-1], inside[1:-1, 0], inside[1:-1, -1])
    return float(sum(int(one.sum()) for one in sides) / max(1, sum(one.size for one in sides)))


def _box(inside: Any) -> tuple[float, float, float, float] | None:
    """Where 98 % of what is covered lies, each way."""
    ends = []
    for axis in (0, 1):
        counts = inside.sum(axis=axis).cumsum()
        if not len(counts) or counts[-1] == 0:
            return None
        ends.append(
            (
                float((counts <= STRAYS * counts[-1]).sum()) / len(counts),
                float((counts < (1 - STRAYS) * counts[-1]).sum() + 1) / len(counts),
            )
        )
    (left, right), (top, bottom) = ends
    return left, top, right, bottom
