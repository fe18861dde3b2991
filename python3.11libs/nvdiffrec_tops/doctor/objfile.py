"""An .obj file's extent and what it refers to, read line by line."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

_MOST = 4_000_000


@dataclass(frozen=True)
class ObjFile:
    """Counts, the box ``low`` to ``high`` of its vertices, the ``radius`` of the sphere around the
    origin that holds them (all in the file's units), and the material files that it names."""

    vertices: int
    texcoords: int
    faces: int
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    radius: float
    libraries: tuple[str, ...]


def read_obj(path: str) -> ObjFile:
    """Read it; lines that are no numbers are left to the trainer to complain of.

    Raises:
        OSError: it cannot be read.
    """
    low, high = [math.inf] * 3, [-math.inf] * 3
    vertices = texcoords = faces = 0
    radius = 0.0
    libraries = []
    with open(path, encoding="utf-8", errors="replace") as stream:
        for number, line in enumerate(stream):
            if number > _MOST:
                break
            if line.startswith("v "):
                try:
                    point = [float(one) for one in line.split()[1:4]]
                except ValueError:
                    continue
                if len(point) == 3 and all(map(math.isfinite, point)):
                    vertices += 1
                    radius = max(radius, math.hypot(*point))
                    low = [min(a, b) for a, b in zip(low, point, strict=True)]
                    high = [max(a, b) for a, b in zip(high, point, strict=True)]
            elif line.startswith("vt "):
                texcoords += 1
            elif line.startswith("f "):
                faces += 1
            elif line.startswith("mtllib "):
                name = line[7:].strip()
                libraries.append(os.path.join(os.path.dirname(path), *name.split("/")))
    return ObjFile(
        vertices,
        texcoords,
        faces,
        (low[0], low[1], low[2]),
        (high[0], high[1], high[2]),
        radius,
        tuple(libraries),
    )
