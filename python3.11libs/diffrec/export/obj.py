"""Wavefront OBJ files: a tolerant reader and a fast writer.

Files have the texture origin at the bottom left, the program at the top left: v is flipped on
the way in and out.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffrec.errors import DiffrecError
from diffrec.export.mtl import MaterialFile, load_mtl, write_mtl
from diffrec.geometry.mesh import Mesh
from nvdiffrec_contract.failure import EXIT_USAGE
from nvdiffrec_contract.files import replace_file

__all__ = ["MaterialFile", "ObjError", "load_obj", "write_obj"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class ObjError(DiffrecError):
    """An OBJ file that cannot be read or written."""

    id = "reference-mesh"
    cure = "correct the mesh as said, then cook again"
    exit_code = EXIT_USAGE


@dataclass
class _Lines:
    """The statements of an OBJ file, not yet indexed."""

    positions: list[list[float]]
    texcoords: list[list[float]]
    normals: list[list[float]]
    corners: list[tuple[int, int, int]]  # three per triangle, 0-based, -1 where absent
    library: str | None = None
    material: str | None = None
    materials: int = 0


def load_obj(path: Path, mtl: Path | None = None) -> tuple[Mesh, MaterialFile]:
    """A triangle mesh and the first material that it uses.

    mtl: read in place of the library that the file names. Polygons are cut into fans,
    negative indices count from the end, corners with one position twice are dropped. Texture
    coordinates or normals that only some corners have are discarded. Without a readable library
    the material is the default one. What was passed over stands in the material's `warnings`.

    Raises ObjError, or MtlError of `diffrec.export.mtl`, saying file and line.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ObjError(f"{path}: cannot read the mesh: {error.strerror}") from error
    lines = _parse(text, path)
    warnings: list[str] = []
    mesh = _mesh(lines, path, warnings)
    material = _material(lines, path, mtl, warnings)
    return mesh, replace(material, warnings=tuple(warnings))


def _parse(text: str, path: Path) -> _Lines:
    lines = _Lines([], [], [], [])
    text = text.replace("\\\r\n", " ").replace("\\\n", " ")  # continued lines
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        keyword = words[0]
        try:
            if keyword == "v":
                lines.positions.append(_numbers(words, 3))
            elif keyword == "vt":
                lines.texcoords.append(_numbers(words, 2))
            elif keyword == "vn":
                lines.normals.append(_numbers(words, 3))
            elif keyword == "f":
                _face(words[1:], lines)
            elif keyword == "mtllib":
                lines.library = lines.library or " ".join(words[1:])
            elif keyword == "usemtl":
                name = " ".join(words[1:])
                lines.materials += name != lines.material
                lines.material = lines.material or name
        except ValueError as error:
            raise ObjError(f"{path}, line {number}: {error} in {line.strip()[:60]!r}") from None
    return lines


def _numbers(words: list[str], count: int) -> list[float]:
    if len(words) == 2 and count == 2:
        words = [*words, "0"]  # a one-dimensional texture coordinate
    if len(words) <= count:
        raise ValueError(f"{count} numbers expected")
    try:
        return [float(word) for word in words[1 : count + 1]]
    except ValueError:
        raise ValueError(f"{count} numbers expected") from None


def _face(words: list[str], lines: _Lines) -> None:
    if len(words) < 3:
        raise ValueError("a face needs at least three corners")
    totals = (len(lines.positions), len(lines.texcoords), len(lines.normals))
    corners = [_corner(word, totals) for word in words]
    for second, third in itertools.pairwise(corners[1:]):
        if len({corners[0][0], second[0], third[0]}) == 3:
            lines.corners += (corners[0], second, third)


def _corner(word: str, totals: tuple[int, int, int]) -> tuple[int, int, int]:
    """0-based (position, texcoord, normal) of a word like 3, 3/1, 3//2 or -1/-1/-1."""
    parts = (*word.split("/"), "", "")[:3] if word.count("/") <= 2 else ("", "", "")
    found = []
    for part, total in zip(parts, totals, strict=True):
        try:
            index = int(part) if part else 0
        except ValueError:
            raise ValueError("a corner must read position/texcoord/normal") from None
        # References may point forward, so the upper bound is checked at the end of the file.
        index = total + index if index < 0 else index - 1
        if part and not 0 <= index < 2**31:
            raise ValueError(f"index {part[:20]} is out of range")
        found.append(index if part else -1)
    if found[0] < 0:
        raise ValueError("a corner must read position/texcoord/normal")
    return (found[0], found[1], found[2])


def _mesh(lines: _Lines, path: Path, warnings: list[str]) -> Mesh:
    if not lines.positions or not lines.corners:
        raise ObjError(
            f"{path}: there is no triangle in this file; export a polygon mesh as OBJ, "
            "not points, curves or subdivision data"
        )
    positions = _table(lines.positions, "v", path)
    corners = np.array(lines.corners, dtype=np.int64).reshape(-1, 3, 3)
    triangles = _indices(corners[:, :, 0], len(positions), "position", path)

    texcoords = texcoord_triangles = normals = normal_triangles = None
    if (corners[:, :, 1] >= 0).all():
        flipped = _table(lines.texcoords, "vt", path)
        flipped = flipped * np.array([1.0, -1.0]) + np.array([0.0, 1.0])
        texcoords = torch.from_numpy(flipped.astype(np.float32))
        texcoord_triangles = _indices(corners[:, :, 1], len(flipped), "texcoord", path)
    elif (corners[:, :, 1] >= 0).any():
        warnings.append(f"{path}: only some faces have texture coordinates; they are not used")
    if (corners[:, :, 2] >= 0).all():
        unit, usable = _unit(_table(lines.normals, "vn", path))
        indices = _indices(corners[:, :, 2], len(unit), "normal", path)
        if usable[indices.numpy()].all():
            normals, normal_triangles = torch.from_numpy(unit.astype(np.float32)), indices
        else:
            warnings.append(f"{path}: a normal has no length; smooth normals are used instead")
    elif (corners[:, :, 2] >= 0).any():
        warnings.append(f"{path}: only some faces have normals; smooth normals are used instead")
    return Mesh(
        positions=torch.from_numpy(positions.astype(np.float32)),
        triangles=triangles,
        texcoords=texcoords,
        texcoord_triangles=texcoord_triangles,
        normals=normals,
        normal_triangles=normal_triangles,
    )


def _table(rows: list[list[float]], keyword: str, path: Path) -> Floats:
    table = np.array(rows, dtype=np.float64).reshape(-1, 2 if keyword == "vt" else 3)
    # What float32 cannot hold is as useless as an infinity.
    bad = ~(np.abs(table) < 1e30).all(axis=1)
    if bad.any():
        raise ObjError(
            f"{path}: {keyword} statement {int(bad.argmax()) + 1} holds a number that is not "
            "finite; repair or export the mesh again"
        )
    return table


def _indices(indices: Ints, total: int, what: str, path: Path) -> Tensor:
    if indices.max() >= total:
        raise ObjError(
            f"{path}: a face uses {what} {int(indices.max()) + 1} and there are {total}; "
            "the file is cut off or damaged, export it again"
        )
    return torch.from_numpy(np.ascontiguousarray(indices))


def _unit(vectors: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    length = np.linalg.norm(vectors, axis=1)
    usable: NDArray[np.bool_] = length > 1e-12
    return vectors / np.where(usable, length, 1.0)[:, None], usable


def _material(lines: _Lines, path: Path, mtl: Path | None, warnings: list[str]) -> MaterialFile:
    library = mtl
    if library is None and lines.library:
        library = path.parent / lines.library.replace("\\", "/").replace("\0", "")
        if not os.path.isfile(library):  # False, where Path would raise, for impossible names
            warnings.append(f"{path}: its material library {library} is missing")
            library = None
    if library is None:
        return MaterialFile()
    materials = load_mtl(library)
    if lines.materials > 1:
        warnings.append(f"{path}: of {lines.materials} materials only the first is used")
    found = materials.get(lines.material or "")
    if found is None and materials:
        # A library given in place of the file's own need not repeat its names.
        found = next(iter(materials.values()))
        if mtl is None and lines.material:
            warnings.append(f"{library}: no material {lines.material!r}, {found.name!r} is used")
    return found or MaterialFile()


def write_obj(
    path: Path,
    mesh: Mesh,
    *,
    material: str | None = None,
    log: Callable[[str], None] | None = None,
) -> None:
    """Write mesh.obj and, beside it, its material library of the same stem.

    Positions are required; texture coordinates and normals are written if present. `material`: the
    name of a material in a library that the caller writes instead. The lines of progress go to
    `log`. Raises ObjError or MtlError if the disk refuses.
    """
    say = log or (lambda line: None)
    library = path.with_suffix(".mtl")
    positions = _array(mesh.positions)
    tables: list[tuple[str, str, Floats]] = [("v", "vertices", positions)]
    indices = [_array(mesh.triangles)]
    if mesh.texcoords is not None and mesh.texcoord_triangles is not None:
        flipped = _array(mesh.texcoords) * np.array([1.0, -1.0]) + np.array([0.0, 1.0])
        tables.append(("vt", "texcoords", flipped))
        indices.append(_array(mesh.texcoord_triangles))
    if mesh.normals is not None and mesh.normal_triangles is not None:
        tables.append(("vn", "normals", _array(mesh.normals)))
        indices.append(_array(mesh.normal_triangles))

    say(f"Writing mesh:  {path}")
    parts = [f"mtllib {library.name}\n", "g default\n"]
    for keyword, plural, table in tables:
        say(f"    writing {len(table)} {plural}")
        row = keyword + " %.8g" * table.shape[1] + "\n"
        parts.append((row * len(table)) % tuple(table.reshape(-1).tolist()))
    say(f"    writing {len(indices[0])} faces")
    parts += ["s 1\n", "g pMesh1\n", f"usemtl {material or 'defaultMat'}\n"]
    keywords = [keyword for keyword, _, _ in tables]
    corner = "//".join(["%d"] * 2) if keywords == ["v", "vn"] else "/".join(["%d"] * len(tables))
    faces = np.stack(indices, axis=-1).astype(np.int64) + 1  # [F, 3, attributes]
    row = f"f {corner} {corner} {corner}\n"
    parts.append((row * len(faces)) % tuple(faces.reshape(-1).tolist()))

    try:
        replace_file(path, "".join(parts).encode())
    except OSError as error:
        raise ObjError(f"{path}: cannot write the mesh: {error.strerror}") from error
    if material is None:
        write_mtl(library, log=log)
    say("Done exporting mesh")


def _array(tensor: Tensor) -> Floats:
    array: Floats = tensor.detach().cpu().double().numpy()
    return array
