"""An .obj file with its material: pictures of it are rendered under a known light."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from nvdiffrec_contract.dataset import Description, MeshExtent, Problem

if TYPE_CHECKING:
    import torch

    from diffrec.data import Log
    from diffrec.data.views import Views
    from nvdiffrec_contract.configuration import Config

RANK = 90
LABEL = "a reference mesh"
WANTED = "an .obj file"

QUICK_BYTES = 16 << 20
MOST_LINES = 4_000_000
FARTHEST = 1e30
"""Coordinates above this are none."""


def recognise(path: Path) -> bool:
    return path.suffix.lower() == ".obj" and path.is_file()


def describe(path: Path, quick: bool) -> Description:
    try:
        read = not quick or path.stat().st_size <= QUICK_BYTES
        mesh = extent(path) if read else None
    except OSError as error:
        problem = Problem(
            "mesh",
            f"{path} cannot be read: {error.strerror or error}",
            "check its permissions",
            file=str(path),
        )
        return Description("reference_mesh", LABEL, str(path), problems=(problem,))
    problems = []
    if mesh is not None and not (mesh.vertices and mesh.faces):
        problems.append(
            Problem(
                "mesh",
                f"{path} has {mesh.vertices} vertices and {mesh.faces} faces",
                "export it again as a polygon mesh",
                refused=False,  # the trainer's reader has a more precise sentence
                file=str(path),
            )
        )
    return Description(
        "reference_mesh",
        LABEL,
        str(path),
        mesh=mesh,
        light=True,
        nvdiffrec="train_res",
        problems=tuple(problems),
    )


def extent(path: Path) -> MeshExtent:
    """Counts and extent, read line by line; lines that are no numbers are left to the trainer to
    complain of, as is what follows after so many lines.

    Raises:
        OSError: it cannot be read.
    """
    low, high = [math.inf] * 3, [-math.inf] * 3
    vertices = texcoords = faces = 0
    radius = 0.0
    libraries = []
    with open(path, encoding="utf-8-sig", errors="replace") as stream:
        for number, line in enumerate(stream):
            if number > MOST_LINES:
                break
            words = line.split(None, 1)
            keyword = words[0] if len(words) == 2 else ""
            if keyword == "v":
                try:
                    point = [float(one) for one in line.split()[1:4]]
                except ValueError:
                    continue
                if len(point) == 3 and all(abs(one) < FARTHEST for one in point):
                    vertices += 1
                    radius = max(radius, math.hypot(*point))
                    low = [min(a, b) for a, b in zip(low, point)]
                    high = [max(a, b) for a, b in zip(high, point)]
            elif keyword == "vt":
                texcoords += 1
            elif keyword == "f":
                faces += 1
            elif keyword == "mtllib":
                libraries.append(os.path.join(path.parent, *words[1].strip().split("/")))
    if not vertices:
        low = high = [0.0] * 3
    return MeshExtent(
        vertices,
        texcoords,
        faces,
        (low[0], low[1], low[2]),
        (high[0], high[1], high[2]),
        radius,
        tuple(libraries),
    )


def load(found: Description, config: Config, device: torch.device, log: Log) -> tuple[Views, Views]:
    """Views from random sides to train on, and a turntable to validate on.

    Raises:
        ConfigError: the configuration names no light.
        DiffrecError: the mesh, its material or the light cannot be read.
    """
    from diffrec.data.rendered import reference_views

    return reference_views(config, Path(found.path), device, log)
