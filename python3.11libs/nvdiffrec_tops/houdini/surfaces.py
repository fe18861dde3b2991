"""A mesh out of a glTF file that the trainer wrote, as Houdini wants it."""

from __future__ import annotations

import json
import struct
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nvdiffrec_tops.houdini.messages import ToolError

_TYPES = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_CODES = {5126: "f", 5125: "I", 5123: "H", 5122: "h"}
_LARGEST = {"h": 32767.0, "H": 65535.0}
"""What a whole number is divided by that stands for a share of one."""


@dataclass(frozen=True)
class Surface:
    """A mesh as Houdini wants it.

    Attributes:
        points: x, y, z of each point, one after the other.
        corners: the points of the triangles, three each, clockwise from outside.
        normal: x, y, z of each corner.
        tangent, bitangent: likewise; empty where the file has none.
        uv: u, v, 0 of each corner, v upward; empty where the file has none.
        colour: red, green, blue of each corner, linear; empty where the file has none.
    """

    points: array[float]
    corners: array[int]
    normal: array[float]
    tangent: array[float]
    bitangent: array[float]
    uv: array[float]
    colour: array[float]


def read_surface(path: Path) -> Surface:
    """The mesh of a glTF file: an asset's, or the preview of a training that runs.

    Points are joined across seams.

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
    position, normal, indices = tables["POSITION"], tables["NORMAL"], tables["indices"]
    tangent, uv, colour = (tables.get(name) for name in ("TANGENT", "TEXCOORD_0", "COLOR_0"))
    numbers: dict[tuple[float, ...], int] = {}
    place = []
    for at in range(0, len(position), 3):
        place.append(numbers.setdefault(tuple(position[at : at + 3]), len(numbers)))
    # glTF's triangles run counter-clockwise from outside, Houdini's clockwise.
    order = [indices[at + step] for at in range(0, len(indices), 3) for step in (0, 2, 1)]
    made = Surface(
        array("f", (value for point in numbers for value in point)),
        array("i", (place[one] for one in order)),
        *(array("f") for _ in range(5)),
    )
    for one in order:
        n = normal[3 * one : 3 * one + 3]
        made.normal.extend(n)
        if tangent is not None:
            t, side = tangent[4 * one : 4 * one + 3], tangent[4 * one + 3]
            made.tangent.extend(t)
            made.bitangent.append(side * (n[1] * t[2] - n[2] * t[1]))
            made.bitangent.append(side * (n[2] * t[0] - n[0] * t[2]))
            made.bitangent.append(side * (n[0] * t[1] - n[1] * t[0]))
        if uv is not None:
            made.uv.extend((uv[2 * one], 1 - uv[2 * one + 1], 0.0))
        if colour is not None:
            made.colour.extend(colour[4 * one : 4 * one + 3])
    return made


def _tables(path: Path) -> dict[str, array[Any]]:
    """What the file says of its vertices, by glTF's names, and ``indices``."""
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
    widths = {"POSITION": 3, "NORMAL": 3, "TANGENT": 4, "TEXCOORD_0": 2, "COLOR_0": 4}
    found = {
        name: _table(document, primitive["attributes"][name], data, start, width)
        for name, width in widths.items()
        if name in primitive["attributes"] or name in ("POSITION", "NORMAL")
    }
    count = len(found["POSITION"]) // 3
    if any(len(table) != widths[name] * count for name, table in found.items()):
        raise ValueError("tables of different lengths")
    indices = found["indices"] = _table(document, primitive["indices"], data, start, 1)
    if indices.typecode not in "IH":
        raise ValueError("numbers of vertices that are none")
    if (indices and max(indices) >= count) or len(indices) % 3:
        raise ValueError("a triangle has no such vertex")
    return found


def _table(document: Any, number: int, data: bytes, start: int, width: int) -> array[Any]:
    """The values of an accessor, which begin at `start`; shares of one as such."""
    accessor = document["accessors"][number]
    view = document["bufferViews"][accessor["bufferView"]]
    code = _CODES[accessor["componentType"]]
    if _TYPES[accessor["type"]] != width:
        raise ValueError("a table of another width")
    table = array(code)
    begin, size = start + view["byteOffset"], view["byteLength"]
    row = width * table.itemsize
    step = view.get("byteStride", row)
    if begin + size > len(data) or size != accessor["count"] * step or step < row:
        raise ValueError("a table is cut off")
    if step % table.itemsize:
        raise ValueError("rows that are not whole")
    table.frombytes(data[begin : begin + size])
    if step != row:
        wide = step // table.itemsize
        rows = (table[at : at + width] for at in range(0, len(table), wide))
        table = array(code, (one for values in rows for one in values))
    if accessor.get("normalized"):
        return array("f", (max(one / _LARGEST[code], -1.0) for one in table))
    return table
