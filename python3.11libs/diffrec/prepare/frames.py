"""Step 1: which photographs are used, as upright copies of a useful size.

Of a film the sharpest picture of each stretch; of a folder all photographs but the blurred, the
double and those above the limit.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from diffrec.prepare import pictures
from diffrec.prepare.errors import SourceError
from diffrec.prepare.pictures import Pixels
from diffrec.prepare.sifting import doubles, leftout, stillness
from diffrec.prepare.sifting.doubles import Signature
from diffrec.prepare.steps import Progress, stamped
from nvdiffrec_contract import jsonfiles
from nvdiffrec_contract.preparation import PICTURES, Preparation

FEWEST = 8
"""Photographs without which no cameras are looked for."""
OF_A_FILM = 120
"""Pictures that are taken from a film at most."""
CANDIDATES = 6
"""Pictures of a stretch of film that are compared."""
WHOLE = 0.95
"""Part of the pictures that a film announces which it holds unless it is cut."""
LISTED = 100_000
BLURRED = 0.25
"""Sharpness of a blurred photograph, in that of the others."""
ALL_BLURRED = 0.02
LENSES_APART = 12
"""The lenses of a phone are a factor of ten apart, from the widest to the longest."""


@dataclass(frozen=True)
class Frame:
    """One photograph that is used.

    Attributes:
        name: of its copy in ``photographs/`` and of its mask, without an ending.
        source: what it was made from: a file, or a film and the picture's number.
        size: (height, width) of the copy.
        lens: photographs of one lens and size have the same number here.
        focal: focal length by EXIF, pixels of the copy; None where it is not said.
        alpha: whether it came with a mask in its alpha channel.
        sharpness: see ``pictures.sharpness``.
        mask: a file with its mask, where another tool's project names one.
    """

    name: str
    source: str
    size: tuple[int, int]
    lens: int
    focal: float | None
    alpha: bool
    sharpness: float
    mask: str | None = None


@dataclass(frozen=True)
class Frames:
    """The photographs that are used, and why the others are not: (name, reason)."""

    frames: tuple[Frame, ...]
    dropped: tuple[tuple[str, str], ...]
    film: bool = False


def inputs(asked: Preparation) -> list[Path]:
    """The files that a preparation reads: photographs in the order of their names, or one film.

    Raises:
        SourceError: there are none.
    """
    source = asked.source
    if source.is_file():
        if source.suffix.lower() in pictures.FILMS:
            return [source]
        raise SourceError(
            f"{source} is no film that is known ({', '.join(pictures.FILMS)})",
            "name a film, or a folder of photographs",
        )
    if not source.is_dir():
        raise SourceError(f"{source} does not exist", "correct the path")
    for folder in (source, source / "images"):
        found = _photographs(folder)
        if found:
            return found
        films = [one for one in _files(folder) if one.suffix.lower() in pictures.FILMS]
        if films:
            raise SourceError(f"{source} holds no photographs, but a film", f"name it: {films[0]}")
    inner = next((one for one in sorted(source.glob("*/")) if _photographs(one)), None)
    raise SourceError(
        f"{source} holds no photographs ({', '.join(pictures.SUFFIXES)})",
        f"name the folder that holds them{f': {inner}' if inner else ', or a film'}",
    )


def _files(folder: Path) -> list[Path]:
    try:
        names = sorted(one.name for one in folder.iterdir())
    except OSError:
        return []
    return [folder / name for name in names[:LISTED] if not name.startswith(".")]


def _photographs(folder: Path) -> list[Path]:
    return [
        one for one in _files(folder) if one.suffix.lower() in pictures.SUFFIXES and one.is_file()
    ]


def reads(asked: Preparation) -> dict[str, Any]:
    """What the step's result depends on."""
    found = inputs(asked)
    return {
        "files": {str(path): stamped(path) for path in found},
        "most": asked.most,
        "longest": asked.longest,
    }


def choose(asked: Preparation, progress: Progress) -> list[Path]:
    """Write ``photographs/`` and ``work/frames.json``; the files that were made.

    Raises:
        SourceError: too few photographs can be used.
    """
    files = inputs(asked)
    film = files[0].suffix.lower() in pictures.FILMS
    folder = asked.out / "photographs"
    folder.mkdir(parents=True, exist_ok=True)
    found = _from_film(files[0], asked, progress) if film else None
    found = found or _from_files(files, asked, progress)
    if len(found.frames) < FEWEST:
        raise SourceError(
            f"{asked.source}: {_counted(len(found.frames))} can be used"
            + (f" ({leftout.reasons(found.dropped)})" if found.dropped else "")
            + f"; {FEWEST} is the least, 40 to 100 are good",
            leftout.instead(found.dropped),
        )
    middle = float(np.median([one.sharpness for one in found.frames]))
    if middle < ALL_BLURRED:
        raise SourceError(
            f"{asked.source}: all photographs are blurred, or show nothing but a smooth surface "
            f"(sharpness {middle:.3f}; in focus it is 0.1 and more)",
            "photograph again with more light and a steady hand, let the camera focus on the "
            "object, and put that on something with a pattern, such as a newspaper",
        )
    compared = [found.frames[i].name for i in stillness.spread(len(found.frames))]
    stillness.refuse([stillness.small(pictures.read(folder / f"{n}.png")[0]) for n in compared])
    wanted = {f"{one.name}.png" for one in found.frames}
    for path in folder.glob("*.png"):
        if path.name not in wanted:
            path.unlink()
    listing = listing_of(asked.out)
    listing.parent.mkdir(parents=True, exist_ok=True)
    jsonfiles.write(listing, asdict(found))
    progress.line(
        f"{len(found.frames)} photographs"
        + (f"; left out: {leftout.reasons(found.dropped)}" if found.dropped else "")
    )
    return [listing, *(folder / name for name in sorted(wanted))]


def _counted(count: int) -> str:
    return f"{count or 'no'} photograph" + ("" if count == 1 else "s")


def listing_of(out: Path) -> Path:
    """Where the step says what it chose."""
    return out / "work" / "frames.json"


def chosen(out: Path) -> Frames:
    """What the step has chosen."""
    document = jsonfiles.read_object(listing_of(out), max_bytes=64 << 20)
    return Frames(
        tuple(Frame(**{**one, "size": tuple(one["size"])}) for one in document["frames"]),
        tuple((name, reason) for name, reason in document["dropped"]),
        document["film"],
    )


def _from_files(files: list[Path], asked: Preparation, progress: Progress) -> Frames:
    files, stored_twice = _without_doubles(files)
    dropped: list[tuple[str, str]] = [(path.name, leftout.DOUBLE) for path in stored_twice]
    if len(files) > asked.most:
        files, left = _thinned(files, asked.most)
        progress.line(
            f"{len(files) + len(left)} photographs are there; {len(files)} of them, evenly spread "
            "over their names, are used (--most names another number)"
        )
        dropped += [(path.name, leftout.above(asked.most)) for path in left]
    lenses: dict[Any, int] = {}
    seen: set[str] = set()
    shown: list[Signature] = []
    found: list[Frame] = []
    names = names_of(files)
    for index, path in enumerate(files):
        progress.of(index, len(files))
        digest = _digest(path)
        if digest in seen:
            dropped.append((path.name, leftout.SAME))
            continue
        seen.add(digest)
        try:
            pixels, said = pictures.read(path)
        except SourceError as error:
            dropped.append((path.name, error.cause))
            continue
        pixels = pictures.reduced(pixels, asked.longest)
        height, width = pixels.shape[:2]
        if min(height, width) < leftout.SMALLEST:
            dropped.append((path.name, leftout.IS_SMALL))
            continue
        signature = doubles.signature(pixels)
        if doubles.is_among(signature, shown):
            dropped.append((path.name, leftout.AGAIN))
            continue
        shown.append(signature)
        alpha = pixels.shape[2] == 4 and int(pixels[..., 3].min()) < 255
        kept = pixels if alpha else np.ascontiguousarray(pixels[..., :3])
        pictures.write_png(asked.out / "photographs" / f"{names[path]}.png", kept)
        key = (height, width, said.camera, said.lens, said.millimetres)
        found.append(
            Frame(
                names[path],
                str(path),
                (height, width),
                lenses.setdefault(key, len(lenses)),
                said.focal(width, height),
                alpha,
                pictures.sharpness(kept),
            )
        )
    if len({one.focal for one in found}) > 1 and (honest := _without_lies(found)) != found:
        progress.line("what EXIF says of the lenses cannot be; the photographs alone decide")
        found = honest
    sharp = float(np.median([one.sharpness for one in found])) if found else 0.0
    for one in found:
        if one.sharpness < BLURRED * sharp:
            dropped.append((Path(one.source).name, leftout.IS_BLURRED))
    kept_ones = tuple(one for one in found if one.sharpness >= BLURRED * sharp)
    return Frames(kept_ones, tuple(dropped))


def _without_lies(found: Sequence[Frame]) -> list[Frame]:
    """Photographs of a size are of one lens that nothing is known of, where EXIF's focal lengths
    differ more among them than those of a phone's lenses."""
    focals: dict[tuple[int, int], list[float]] = {}
    for one in found:
        if one.focal is not None:
            focals.setdefault(one.size, []).append(one.focal)
    lies = {size for size, said in focals.items() if max(said) > LENSES_APART * min(said)}
    first: dict[tuple[int, int], int] = {}
    return [
        replace(one, focal=None, lens=first.setdefault(one.size, one.lens))
        if one.size in lies
        else one
        for one in found
    ]


def _without_doubles(files: list[Path]) -> tuple[list[Path], list[Path]]:
    """Without what the camera stored twice under one name, raw or HEIF beside JPEG; and these."""
    plain = {path.stem.lower() for path in files if path.suffix.lower() in PICTURES}
    double = [
        path for path in files if path.suffix.lower() not in PICTURES and path.stem.lower() in plain
    ]
    kept = set(files) - set(double)
    return [path for path in files if path in kept], double


def _thinned(files: list[Path], most: int) -> tuple[list[Path], list[Path]]:
    """An even choice in the order of the names, and the rest."""
    kept = {files[i * len(files) // most] for i in range(most)}
    return [one for one in files if one in kept], [one for one in files if one not in kept]


def names_of(files: Sequence[Path]) -> dict[Path, str]:
    """A name for each that every program can read, in the same order, none twice."""
    found: dict[Path, str] = {}
    taken: set[str] = set()
    for path in files:
        stem = re.sub(r"[^A-Za-z0-9_-]+", "_", path.stem)[:80] or "photograph"
        name, number = stem, 1
        while name.lower() in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name.lower())
        found[path] = name
    return found


def _digest(path: Path) -> str:
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha1").hexdigest()
    except OSError:
        return str(path)


def _from_film(path: Path, asked: Preparation, progress: Progress) -> Frames:
    """The sharpest picture of each of as many stretches as are wanted."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # its own words are not for artists
    film = cv2.VideoCapture(str(path))
    try:
        count = int(film.get(cv2.CAP_PROP_FRAME_COUNT)) if film.isOpened() else 0
        if count < 1:
            raise SourceError(
                f"{path} is no film that can be read, or is cut",
                "copy the film from the camera again, or name a folder of photographs",
            )
        wanted = max(FEWEST, min(OF_A_FILM, asked.most, count))
        found: list[Frame] = []
        for stretch, (number, pixels, sharp) in enumerate(_sharpest(film, count, wanted)):
            progress.of(stretch, wanted)
            pixels = pictures.reduced(pixels, asked.longest)
            height, width = pixels.shape[:2]
            name = f"frame_{number:06d}"
            pictures.write_png(asked.out / "photographs" / f"{name}.png", pixels)
            source = f"{path}, picture {number}"
            found.append(Frame(name, source, (height, width), 0, None, False, sharp))
        there = int(film.get(cv2.CAP_PROP_POS_FRAMES))
    finally:
        film.release()
    middle = float(np.median([one.sharpness for one in found])) if found else 0.0
    kept = tuple(one for one in found if one.sharpness >= BLURRED * middle)
    dropped = [(one.name, leftout.IS_BLURRED) for one in found if one.sharpness < BLURRED * middle]
    if there < WHOLE * count:
        progress.line(
            f"{path.name} is cut: of its {count} pictures {there} can be read, and only these are "
            "used; copy it from the camera again"
        )
        dropped.append((path.name, f"cut: {count - there} of {count} pictures cannot be read"))
    return Frames(kept, tuple(dropped), film=True)


def _sharpest(film: Any, count: int, wanted: int) -> Iterator[tuple[int, Pixels, float]]:
    """(number, picture, sharpness) of each stretch's best; one picture is in memory at a time."""
    apart = max(1, count // (wanted * CANDIDATES))
    best: tuple[int, Pixels, float] | None = None
    stretch = 0
    for number in range(count):
        if number * wanted // count != stretch:
            stretch = number * wanted // count
            if best is not None:
                yield best
            best = None
        if not film.grab():
            break
        if number % apart:
            continue
        good, pixels = film.retrieve()
        if not good or pixels is None:
            continue
        sharp = pictures.sharpness(pixels)
        if best is None or sharp > best[2]:
            best = (number, np.asarray(pixels, np.uint8), sharp)
    if best is not None:
        yield best
