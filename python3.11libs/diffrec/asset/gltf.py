"""The binary container of glTF 2.0, and the one buffer in it."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Numbers of glTF 2.0.
_COMPONENTS = {"float32": 5126, "uint32": 5125, "uint16": 5123, "int16": 5122}
_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963
_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}


class Buffer:
    """The one buffer of a file, with its views and accessors."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def view(self, data: bytes, **said: int) -> int:
        """A view of these bytes, of which more is `said` in the document; its number."""
        self.data += bytes(-len(self.data) % 4)
        found = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data)}
        self.views.append({**found, **said})
        self.data += data
        return len(self.views) - 1

    def accessor(self, values: NDArray[Any], *, indices: bool = False, bounds: bool = False) -> int:
        """An accessor of [N] or [N, 2 to 4]; its number. Whole numbers of vertices are shares."""
        said = {"target": _ELEMENT_ARRAY_BUFFER if indices else _ARRAY_BUFFER}
        rows = np.ascontiguousarray(values)
        if spare := -rows[:1].nbytes % 4 if not indices else 0:
            # Each vertex begins at a multiple of four bytes.
            rows = np.pad(rows, ((0, 0), (0, spare // rows.itemsize)))
            said["byteStride"] = rows[:1].nbytes
        view = self.view(rows.tobytes(), **said)
        found: dict[str, Any] = {
            "bufferView": view,
            "componentType": _COMPONENTS[values.dtype.name],
            "count": len(values),
            "type": _TYPES[1 if values.ndim == 1 else values.shape[1]],
        }
        if not indices and values.dtype.kind in "iu":
            found["normalized"] = True
        if bounds:
            found |= {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        self.accessors.append(found)
        return len(self.accessors) - 1


def container(document: Mapping[str, Any], buffer: Buffer) -> bytes:
    """A whole .glb file: a document, which is told of the buffer here, and the buffer."""
    whole = {
        **document,
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    text = json.dumps(whole, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    data = bytes(buffer.data) + bytes(-len(buffer.data) % 4)
    total = 12 + 8 + len(text) + 8 + len(data)
    return (
        struct.pack("<4sII", b"glTF", 2, total)
        + struct.pack("<I4s", len(text), b"JSON")
        + text
        + struct.pack("<I4s", len(data), b"BIN\0")
        + data
    )
