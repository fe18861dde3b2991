"""Wavefront OBJ files, as statements and indices.

``v``, ``vt``, ``vn``, ``f``, ``usemtl`` and ``mtllib`` are read; curves, surfaces, groups and
smoothing groups are passed over.
"""

from __future__ import annotations

import math
import re
from array import array
from dataclasses import dataclass, field
from operator import eq
from pathlib import Path

from diffrec.reference.errors import ObjError
from diffrec.reference.lines import blocks, text

MOST_MATERIALS = 1024
MOST = 1 << 31
"""An index is below that."""
RUN = 1 << 18
"""Bytes that are read at once, and a line more at most."""
FARTHEST = 1e30
"""What float32 cannot hold is as useless as an infinity."""


@dataclass
class ObjFile:
    """The statements of an OBJ file.

    Attributes:
        positions: x, y, z of each vertex, one after the other.
        texcoords: u, v of each texture coordinate, v upward as in the file.
        normals: x, y, z of each normal.
        corners: position, texture coordinate and normal of each corner of each triangle; numbers
            from 0 on, -1 where a face says none.
        used: for each triangle the material's place in ``materials``.
        materials: names as ``usemtl`` says them; '' before the first one.
        libraries: the rest of each ``mtllib`` line.
        faces: polygons in the file.
        coloured: whether the first vertex has a colour, as some programs write behind its position.
        skipped: statements that carry shape and are not read, such as curves, with their counts.
        current: the material of the next face.
        places: the places of the materials by their names.
    """

    positions: array[float] = field(default_factory=lambda: array("d"))
    texcoords: array[float] = field(default_factory=lambda: array("d"))
    normals: array[float] = field(default_factory=lambda: array("d"))
    corners: array[int] = field(default_factory=lambda: array("q"))
    used: array[int] = field(default_factory=lambda: array("i"))
    materials: list[str] = field(default_factory=lambda: [""])
    libraries: list[str] = field(default_factory=list)
    faces: int = 0
    coloured: bool = False
    skipped: dict[str, int] = field(default_factory=dict)
    current: int = 0
    places: dict[str, int] = field(default_factory=lambda: {"": 0})


_SHAPES = (b"curv", b"curv2", b"surf", b"l", b"p")

# Plain statements of a keyword, a line each.
_PLAIN = {
    keyword: re.compile(rb"(?:%s(?:[ \t]+%s){%d}[ \t]*\n)+" % (keyword, word, count))
    for keyword, word, count in (
        (b"v", rb"[-+.0-9eE]+", 3),
        (b"vt", rb"[-+.0-9eE]+", 2),
        (b"vn", rb"[-+.0-9eE]+", 3),
        (b"f", rb"[0-9]{1,10}/[0-9]{1,10}/[0-9]{1,10}", 3),
    )
}


_Identity = tuple[Path, int, int, int]
_latest: tuple[_Identity, ObjFile] | None = None
"""The file that was read last, until it is read again: a training examines its reference and then
loads it."""


def read_obj(path: Path) -> ObjFile:
    """Read a file. Polygons are cut into fans, negative indices count from the end, triangles with
    one position twice are dropped.

    The same unchanged file is parsed once when it is read twice in a row.

    Raises:
        ObjError: it cannot be read, a statement is none, or nothing of it is a triangle.
    """
    global _latest
    before = _identity(path)
    known, _latest = _latest, None
    if known is not None and before == known[0]:
        return known[1]
    found = _parsed(path)
    if before is not None and before == _identity(path):
        _latest = before, found
    return found


def latest() -> tuple[_Identity, ObjFile] | None:
    """The file that was read last, for `remember` of another process; None where it changed."""
    return _latest


def remember(read: tuple[_Identity, ObjFile] | None) -> None:
    """Take what another process has read for the file that was read last."""
    global _latest
    _latest = read


def _identity(path: Path) -> _Identity | None:
    try:
        state = path.stat()
    except (OSError, ValueError):
        return None
    return path.absolute(), state.st_ino, state.st_size, state.st_mtime_ns


def _parsed(path: Path) -> ObjFile:
    found = ObjFile()
    number, line = 0, b""
    try:
        for first, block in blocks(path, RUN):
            number, at = first - 1, 0
            while at < len(block):
                word = block[at : at + 2].rstrip()
                plain = _PLAIN[word].match(block, at) if word in _PLAIN else None
                end = plain.end() if plain else block.index(b"\n", at) + 1
                if plain and _taken_together(word, plain[0], found):
                    number += block.count(b"\n", at, end)
                else:
                    for line in block[at : end - 1].split(b"\n"):
                        number += 1
                        _statement(line, found)
                at = end
    except OSError as error:
        raise ObjError(f"{path}: cannot read the mesh: {error.strerror or error}") from None
    except _WrongError as error:
        shown = text(line).strip()[:60]
        raise ObjError(f"{path}, line {number}: {error} in {shown!r}") from None
    except ValueError as error:
        raise ObjError(f"{path}: cannot read the mesh: {error}") from None
    if not found.positions or not found.corners:
        raise ObjError(
            f"{path}: there is no triangle in this file; export a polygon mesh as OBJ, "
            "not points, curves or subdivision data"
        )
    for values, width, keyword in (
        (found.positions, 3, "v"),
        (found.texcoords, 2, "vt"),
        (found.normals, 3, "vn"),
    ):
        if not all(map(math.isfinite, values)) or (
            values and max(max(values), -min(values)) >= FARTHEST
        ):
            bad = next(i for i, one in enumerate(values) if not abs(one) < FARTHEST)
            raise ObjError(
                f"{path}: {keyword} statement {bad // width + 1} holds a number that is not "
                "finite; repair or export the mesh again"
            )
    for place, values, width, what in (
        (0, found.positions, 3, "position"),
        (1, found.texcoords, 2, "texcoord"),
        (2, found.normals, 3, "normal"),
    ):
        largest, total = max(found.corners[place::3]), len(values) // width
        if largest >= total:
            raise ObjError(
                f"{path}: a face uses {what} {largest + 1} and there are {total}; "
                "the file is cut off or damaged, export it again"
            )
    return found


def _taken_together(keyword: bytes, block: bytes, found: ObjFile) -> bool:
    """Take plain statements of one keyword at once, which is far faster: vertices of plain numbers,
    and triangles whose corners are three numbers from 1 on, without a position twice. False, and
    nothing taken, of any other."""
    words = block.replace(keyword, b" ").replace(b"/", b" ").split()
    if keyword != b"f":
        tables = {b"v": found.positions, b"vt": found.texcoords, b"vn": found.normals}
        try:
            tables[keyword].extend(list(map(float, words)))
        except ValueError:  # nothing of a list is taken then
            return False
        return True
    corners = list(map((-1).__add__, map(int, words)))
    first, second, third = corners[::9], corners[3::9], corners[6::9]
    if min(corners) < 0 or max(corners) >= MOST:
        return False
    if any(map(eq, first, second)) or any(map(eq, second, third)) or any(map(eq, third, first)):
        return False
    found.corners.extend(corners)
    found.used.extend([found.current] * len(first))
    found.faces += len(first)
    return True


class _WrongError(Exception):
    """A statement is wrong; the message says how."""


def _statement(line: bytes, found: ObjFile) -> None:
    words = line.split(None, 1)
    if len(words) < 2:
        if words and words[0] in (b"v", b"vt", b"vn", b"f"):
            words.append(b"")
        elif words and words[0] == b"usemtl":
            _use("", found)
            return
        else:
            return
    keyword, rest = words
    if keyword == b"v":
        if not found.positions:
            found.coloured = len(_values(rest)) >= 6
        found.positions.extend(_numbers(rest, 3))
    elif keyword == b"f":
        _face(_values(rest), found)
    elif keyword == b"vn":
        found.normals.extend(_numbers(rest, 3))
    elif keyword == b"vt":
        found.texcoords.extend(_numbers(rest, 2))
    elif keyword == b"usemtl":
        _use(text(rest).strip(), found)
    elif keyword == b"mtllib":
        if len(found.libraries) < MOST_MATERIALS:
            found.libraries.append(text(rest).strip())
    elif keyword in _SHAPES:
        name = keyword.decode()
        found.skipped[name] = found.skipped.get(name, 0) + 1


def _use(name: str, found: ObjFile) -> None:
    """The material of the faces from here on."""
    if name not in found.places:
        if len(found.materials) >= MOST_MATERIALS:
            raise _WrongError(f"more than {MOST_MATERIALS} materials")
        found.places[name] = len(found.materials)
        found.materials.append(name)
    found.current = found.places[name]


def _values(rest: bytes) -> list[bytes]:
    return rest.split(b"#", 1)[0].split()


def _numbers(rest: bytes, count: int) -> list[float]:
    words = _values(rest)
    if len(words) == 1 and count == 2:
        words = [*words, b"0"]  # a one-dimensional texture coordinate
    if len(words) < count:
        raise _WrongError(f"{count} numbers expected")
    try:
        return [float(word) for word in words[:count]]
    except ValueError:
        comma = " with a decimal point, not a comma," if b"," in rest else ""
        raise _WrongError(f"{count} numbers{comma} expected") from None


def _face(words: list[bytes], found: ObjFile) -> None:
    if len(words) < 3:
        raise _WrongError("a face needs at least three corners")
    totals = (len(found.positions) // 3, len(found.texcoords) // 2, len(found.normals) // 3)
    corners = [_corner(word, totals) for word in words]
    found.faces += 1
    first = corners[0]
    for second, third in zip(corners[1:], corners[2:]):
        if len({first[0], second[0], third[0]}) == 3:
            found.corners.extend((*first, *second, *third))
            found.used.append(found.current)


def _corner(word: bytes, totals: tuple[int, int, int]) -> tuple[int, int, int]:
    """Position, texture coordinate and normal of a word like 3, 3/1, 3//2 or -1/-1/-1."""
    parts = word.split(b"/")
    indices = [-1, -1, -1]
    if len(parts) > 3 or not parts[0]:
        raise _WrongError("a corner must read position/texcoord/normal")
    for place, part in enumerate(parts):
        if not part:
            continue
        try:
            index = int(part)
        except ValueError:
            raise _WrongError("a corner must read position/texcoord/normal") from None
        # References may point forward, so the upper bound is checked at the end of the file.
        index = totals[place] + index if index < 0 else index - 1
        if not 0 <= index < MOST:
            raise _WrongError(f"index {text(part)[:20]} is out of range")
        indices[place] = index
    return indices[0], indices[1], indices[2]
