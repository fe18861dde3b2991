"""``poses_bounds.npy`` of LLFF and NeRD, by the reader that trains from them.

Axes, units and order: see :mod:`diffrec.data.llff`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diffrec.data import llff
from diffrec.prepare.readers.photographs import Photographs
from diffrec.prepare.readers.project import Project, ProjectError, Shot, checked, posed, whole
from diffrec.prepare.solved import Lens

RANK = 70
LABEL = "LLFF or NeRD"
WANTED = "a folder with poses_bounds.npy and images/"


def recognise(path: Path) -> bool:
    return llff.recognise(_folder(path))


def read(path: Path, photographs: Photographs) -> Project:
    folder = _folder(path)
    found = llff.describe(folder, quick=True)
    file = folder / llff.FILE
    wrong = next(
        (one for one in found.problems if one.about in ("cameras", "pictures")
         and one.severity == "error" and one.refused), None,
    )  # fmt: skip
    if wrong is not None:
        raise ProjectError(wrong.cause, wrong.cure)
    shots = []
    for name, camera in zip(found.pictures, found.cameras, strict=True):
        where = f"{file}: {Path(name).name}"
        pose = np.array(camera.camera_to_world)
        rotation, centre = posed(pose[:, :3] * [1, -1, -1], pose[:, 3], where)
        height, width = (round(one) for one in camera.size)
        lens = Lens((height, width), camera.focal, camera.centre)
        shots.append(Shot(Path(name), checked(lens, where), rotation, centre))
    return whole(Project(LABEL, file, tuple(shots)))


def _folder(path: Path) -> Path:
    return path.parent if path.is_file() and path.name == llff.FILE else path
