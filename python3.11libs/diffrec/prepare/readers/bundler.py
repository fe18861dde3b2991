"""Bundler's ``bundle.out`` (also ``.rd.out``) with its list of photographs.

Each camera: focal length in pixels, k1, k2; the rotation R world to camera, by rows; t. A point
X is at R X + t in the camera's axes right, up, back; its place is -x / z, -y / z, times
1 + k1 r^2 + k2 r^4, times the focal length, in pixels from the picture's middle with y upwards.
A focal length of 0 is a photograph that was not placed. The list names one photograph a line, in
the order of the cameras; what follows the name in a line is not used.
Documented in Bundler's *User's Manual*, section Output format.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from diffrec.prepare.readers.photographs import Photographs, size_of
from diffrec.prepare.readers.project import (
    MOST_SHOTS,
    Project,
    ProjectError,
    Shot,
    checked,
    content,
    numbers,
    posed,
    thinned,
    whole,
)
from diffrec.prepare.solved import Array, Lens

RANK = 50
LABEL = "Bundler"
WANTED = "bundle.out with its list of photographs (list.txt) beside it"

HEAD = b"# Bundle file"
NAMES = ("bundle.out", "bundle.rd.out", "bundle/bundle.out")
LISTS = ("{name}.list.txt", "{stem}.list.txt", "list.txt", "{stem}.txt", "{stem}.lst",
         "../list.txt", "pictures.txt")  # fmt: skip
MOST_BYTES = 512 << 20
MOST_LIST = 64 << 20
MOST_IN_FILE = 20_000_000


def recognise(path: Path) -> bool:
    return _file(path) is not None


def read(path: Path, photographs: Photographs) -> Project:
    file = _file(path)
    assert file is not None
    lines = _lines(file, MOST_BYTES)
    rows = (line for line in lines if line and not line.startswith("#"))
    cameras, points = _counts(file, next(rows, ""))
    names = _names(file, cameras)
    shots: list[Shot] = []
    missing: list[str] = []
    refused: dict[str, str] = {}
    index: dict[int, int] = {}
    for number in range(cameras):
        where = f"{file}: camera {number} ({names[number]})"
        focal, k1, k2 = numbers(next(rows, ""), 3, where)
        turn = np.array([numbers(next(rows, ""), 3, where) for _ in range(3)])
        move = numbers(next(rows, ""), 3, where)
        if focal == 0:
            refused[names[number]] = "Bundler has not placed it"
            continue
        rotation, centre = posed(turn.T * [1, -1, -1], -turn.T @ move, where)
        photograph = photographs.named(names[number], where)
        if photograph is None:
            missing.append(names[number])
            continue
        height, width = size_of(photograph)
        lens = Lens(
            (height, width), (focal, focal), (0.5 * width, 0.5 * height), (k1, k2, 0.0, 0.0)
        )
        index[number] = len(shots)
        shots.append(Shot(photograph, checked(lens, where), rotation, centre))
    cloud, seen = _points(file, rows, points, index)
    return whole(Project(LABEL, file, tuple(shots), cloud, seen, None, refused, tuple(missing)))


def _file(path: Path) -> Path | None:
    if path.is_dir():
        return next((path / name for name in NAMES if _is_bundle(path / name)), None)
    return path if path.suffix.lower() == ".out" and _is_bundle(path) else None


def _is_bundle(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with open(path, "rb") as stream:
            return stream.read(len(HEAD)) == HEAD
    except OSError:
        return False


def _lines(path: Path, most: int) -> Iterator[str]:
    text = content(path, most).decode("utf-8", "replace")
    return (line.strip() for line in text.splitlines())


def _counts(file: Path, line: str) -> tuple[int, int]:
    cameras, points = numbers(line, 2, f"{file}: counts of cameras and points")
    if not (0 < cameras <= MOST_SHOTS and 0 <= points <= MOST_IN_FILE):
        raise ProjectError(
            f"{file} says that it has {cameras:g} cameras and {points:g} points, which it has not"
        )
    return int(cameras), int(points)


def _names(file: Path, count: int) -> list[str]:
    places = [file.parent / one.format(name=file.name, stem=file.stem) for one in LISTS]
    found = next((one for one in places if one.is_file()), None)
    if found is None:
        raise ProjectError(
            f"{file} names no photographs, and no list of them lies beside it",
            f"put list.txt there: the names of the {count} photographs, one a line, in their order",
        )
    names = [_name_in(line) for line in _lines(found, MOST_LIST) if line]
    if len(names) != count:
        raise ProjectError(
            f"{found} names {len(names)} photographs, {file} has {count} cameras",
            "put the list there that was made together with it",
        )
    return names


def _name_in(line: str) -> str:
    """The name in a line such as ``images/1.jpg 0 1920.5``; names may have blanks."""
    words = line.split()
    while len(words) > 1 and _is_number(words[-1]):
        words.pop()
    return " ".join(words)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _points(
    file: Path, rows: Iterator[str], count: int, index: dict[int, int]
) -> tuple[Array, tuple[tuple[int, ...], ...]]:
    places, seen = [], []
    for number in range(count):
        where = f"{file}: point {number}"
        places.append(numbers(next(rows, ""), 3, where))
        next(rows, "")  # its colour
        words = next(rows, "").split()
        cameras = {int(one) for one in words[1::4] if one.isascii() and one.isdigit()}
        seen.append(tuple(sorted(index[one] for one in cameras if one in index)))
    return thinned(places, seen)
