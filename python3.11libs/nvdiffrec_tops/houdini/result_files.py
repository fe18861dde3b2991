"""The files of a finished training that Solaris and SOPs read, found in its output folder."""

from __future__ import annotations

import json
import struct
from array import array
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nvdiffrec_contract import layout
from nvdiffrec_tops.houdini.messages import ToolError

_TYPES = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_CODES = {5126: "f", 5125: "I"}


def component(result: Path) -> Path:
    """The USD component of a result.

    Raises:
        ToolError: there is none, or more than one; says what to do.
    """
    return _only(result, ".usd", "usd")


def light(result: Path) -> Path | None:
    """The light beside the component, as USD; None where the result has none."""
    whole = component(result)
    found = whole.with_name(whole.stem + layout.ASSET_LIGHT)
    return found if found.is_file() else None


def mesh(result: Path, detail: int) -> Path:
    """The glTF file of a result's mesh; `detail`: 0 is the whole mesh, 1 its first coarser level.

    Raises:
        ToolError: there is no such file.
    """
    whole = _only(result, ".glb", "glb")
    found = whole.with_name(f"{whole.stem}_lod{detail}.glb") if detail else whole
    if not found.is_file():
        raise ToolError(
            f"{result} has no level of detail {detail}; choose a smaller one, or make it: "
            "nvdiffrec-tops export RESULT --lods 0.25 0.05"
        )
    return found


def _only(result: Path, ending: str, format: str) -> Path:
    folder = result / layout.ASSET
    there = {path.stem: path for path in folder.glob(f"*{ending}") if path.is_file()}
    found = sorted(path for stem, path in there.items() if not _is_detail(stem, there))
    if not found:
        raise ToolError(
            f"{folder} holds no {format.upper()} file; choose the output folder of a finished "
            f"training, or make it: nvdiffrec-tops export RESULT --formats {format}"
        )
    if len(found) > 1:
        raise ToolError(
            f"{folder} holds several assets ({', '.join(path.name for path in found)}); move all "
            "but one elsewhere"
        )
    return found[0]


def _is_detail(stem: str, there: Collection[str]) -> bool:
    """Whether a file is a coarser level of another one there."""
    whole, _, number = stem.rpartition("_lod")
    return number.isdigit() and whole in there


@dataclass(frozen=True)
class Surface:
    """A mesh as Houdini wants it.

    Attributes:
        points: x, y, z of each point, one after the other.
        corners: the points of the triangles, three each, clockwise from outside.
        normal, tangent, bitangent: x, y, z of each corner.
        uv: u, v, 0 of each corner, v upward.
    """

    points: array[float]
    corners: array[int]
    normal: array[float]
    tangent: array[float]
    bitangent: array[float]
    uv: array[float]


def read_surface(path: Path) -> Surface:
    """The mesh of a glTF file that the exporter wrote, its points joined across seams.

    Raises:
        ToolError: the file is damaged or another program's.
    """
    try:
        tables = _tables(path)
    except (OSError, ValueError, KeyError, IndexError, TypeError, struct.error) as error:
        raise ToolError(
            f"{path} cannot be read as an asset's glTF file ({error or type(error).__name__}); "
            "write it again: nvdiffrec-tops export RESULT --formats glb"
        ) from None
    position, normal, tangent, uv, indices = tables
    numbers: dict[tuple[float, ...], int] = {}
    place = []
    for at in range(0, len(position), 3):
        place.append(numbers.setdefault(tuple(position[at : at + 3]), len(numbers)))
    across = array("f")
    for at in range(len(place)):
        n, t, side = normal[3 * at : 3 * at + 3], tangent[4 * at : 4 * at + 3], tangent[4 * at + 3]
        across.append(side * (n[1] * t[2] - n[2] * t[1]))
        across.append(side * (n[2] * t[0] - n[0] * t[2]))
        across.append(side * (n[0] * t[1] - n[1] * t[0]))
    # glTF's triangles run counter-clockwise from outside, Houdini's clockwise.
    order = [indices[at + step] for at in range(0, len(indices), 3) for step in (0, 2, 1)]
    made = Surface(
        array("f", (value for point in numbers for value in point)),
        array("i", (place[one] for one in order)),
        *(array("f") for _ in range(4)),
    )
    for one in order:
        made.normal.extend(normal[3 * one : 3 * one + 3])
        made.tangent.extend(tangent[4 * one : 4 * one + 3])
        made.bitangent.extend(across[3 * one : 3 * one + 3])
        made.uv.extend((uv[2 * one], 1 - uv[2 * one + 1], 0.0))
    return made


def _tables(path: Path) -> list[array[Any]]:
    """Positions, normals, tangents, texture coordinates and indices, as they stand in the file."""
    data = path.read_bytes()
    magic, version, total = struct.unpack_from("<4sII", data)
    if magic != b"glTF" or version != 2 or total != len(data):
        raise ValueError("no binary glTF 2.0, or cut off")
    length, kind = struct.unpack_from("<I4s", data, 12)
    if kind != b"JSON":
        raise ValueError("no JSON in front")
    document = json.loads(data[20 : 20 + length])
    start = 20 + length + 8
    (primitive,) = document["meshes"][0]["primitives"]
    wanted = [primitive["attributes"][name] for name in ("POSITION", "NORMAL", "TANGENT")]
    wanted += [primitive["attributes"]["TEXCOORD_0"], primitive["indices"]]
    found: list[array[Any]] = []
    for number in wanted:
        accessor = document["accessors"][number]
        view = document["bufferViews"][accessor["bufferView"]]
        table = array(_CODES[accessor["componentType"]])
        size = accessor["count"] * _TYPES[accessor["type"]] * table.itemsize
        begin = start + view["byteOffset"]
        if size != view["byteLength"] or begin + size > len(data):
            raise ValueError("a table is cut off")
        table.frombytes(data[begin : begin + size])
        found.append(table)
    count = len(found[0]) // 3
    if [len(one) for one in found[:4]] != [3 * count, 3 * count, 4 * count, 2 * count]:
        raise ValueError("tables of different lengths")
    if (found[4] and max(found[4]) >= count) or len(found[4]) % 3:
        raise ValueError("a triangle has no such vertex")
    return found
