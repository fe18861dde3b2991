"""``transforms.json`` of nerfstudio and instant-ngp, ``transforms_train.json`` of NeRF's sets.

``transform_matrix`` is camera to world, 4 x 4 or its upper 3 x 4; camera axes are right, up, back
(OpenGL). The lens is ``fl_x``, ``fl_y``, ``cx``, ``cy`` in pixels of pictures of ``w`` x ``h``, or
``camera_angle_x``, the horizontal field of view in radians; a frame may have its own of everything.
``OPENCV`` has k1, k2, p1, p2 as OpenCV has them, and k3 and k4 as coefficients of r^6 and r^8
(nerfstudio's k4 is not OpenCV's, which stands in the denominator); ``OPENCV_FISHEYE``, and
instant-ngp's ``is_fisheye``, have OpenCV's fisheye k1 to k4. ``file_path`` is relative to the file,
with or without ending; ``mask_path`` and ``ply_file_path`` likewise.
Documented in nerfstudio's *Data conventions*, in its camera utilities, and in instant-ngp's
*Tips for training NeRF models*.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from diffrec.prepare import lenses
from diffrec.prepare.errors import solver
from diffrec.prepare.readers.colmap import cloud_of
from diffrec.prepare.readers.photographs import Photographs, refuse_outside, size_of
from diffrec.prepare.readers.project import (
    MOST_SHOTS,
    Project,
    ProjectError,
    Shot,
    checked,
    posed,
    whole,
)
from diffrec.prepare.solved import Lens
from nvdiffrec_contract import jsonfiles
from nvdiffrec_contract.jsonfiles import JsonError
from nvdiffrec_contract.wording import shown

RANK = 20
LABEL = "nerfstudio, instant-ngp or NeRF"
WANTED = "transforms.json, or a folder with it (or with transforms_train.json)"

FILES = ("transforms.json", "transforms_train.json")
MOST_BYTES = 256 << 20
PINHOLES = ("PINHOLE", "SIMPLE_PINHOLE", "PERSPECTIVE")
BROWN = ("OPENCV", "SIMPLE_RADIAL", "RADIAL", "FULL_OPENCV")
FISHEYE = ("OPENCV_FISHEYE", "FISHEYE")
NUMBERS = (
    "fl_x", "fl_y", "cx", "cy", "w", "h", "camera_angle_x", "camera_angle_y",
    "k1", "k2", "k3", "k4", "p1", "p2",
)  # fmt: skip


def recognise(path: Path) -> bool:
    return _file(path) is not None


def read(path: Path, photographs: Photographs) -> Project:
    file = _file(path)
    assert file is not None
    try:
        document = jsonfiles.read_object(file, max_bytes=MOST_BYTES)
    except JsonError as error:
        raise ProjectError(str(error), "write the file again") from None
    frames = document.get("frames")
    if not isinstance(frames, list) or not 0 < len(frames) <= MOST_SHOTS:
        raise ProjectError(f'{file}: "frames" must be a list of 1 to {MOST_SHOTS} frames')
    shots, missing = [], []
    for index, frame in enumerate(frames):
        where = f"{file}: frame {index}"
        if not isinstance(frame, dict):
            raise ProjectError(f"{where}: found {shown(frame)}; allowed: an object")
        name = _name(file.parent, frame, "file_path", where)
        photograph = photographs.named(name or "", where)
        rotation, centre = _pose(frame.get("transform_matrix"), where)
        if photograph is None:
            missing.append(str(name))
            continue
        lens = checked(_lens({**document, **frame}, photograph, where), where)
        masked = _name(file.parent, frame, "mask_path", where)
        mask = photographs.named(masked, where) if masked else None
        shots.append(Shot(photograph, lens, rotation, centre, mask))
    cloud = _name(file.parent, document, "ply_file_path", str(file))
    points = cloud_of(solver(), file.parent / cloud) if cloud else np.zeros((0, 3))
    return whole(Project(LABEL, file, tuple(shots), points, missing=tuple(missing)))


def _file(path: Path) -> Path | None:
    if path.is_file():
        known = path.suffix.lower() == ".json" and path.stem.lower().startswith("transforms")
        return path if known else None
    return next((path / name for name in FILES if (path / name).is_file()), None)


def _name(folder: Path, values: dict[str, Any], field: str, where: str) -> str | None:
    name = values.get(field)
    if name is None and field != "file_path":
        return None
    if not isinstance(name, str) or not name or not name.isprintable() or len(name) > 4096:
        raise ProjectError(f'{where}: "{field}": found {shown(name)}; allowed: a relative path')
    refuse_outside(folder, name, f'{where}: "{field}"')
    return name


def _pose(rows: Any, where: str) -> Any:
    good = isinstance(rows, list) and len(rows) in (3, 4)
    if not good or not all(
        isinstance(row, list) and len(row) == 4 and all(map(_is_number, row)) for row in rows
    ):
        raise ProjectError(f'{where}: "transform_matrix" must be 4 x 4 or 3 x 4 numbers')
    matrix = np.array(rows, np.float64)
    scale = np.linalg.norm(matrix[:3, :3], axis=0)
    if not ((scale > 1e-9) & (scale < 1e9)).all():
        raise ProjectError(f'{where}: "transform_matrix": an axis has no length')
    # Scale is allowed in it and means nothing; right, up, back become right, down, forward.
    return posed(matrix[:3, :3] / scale * [1, -1, -1], matrix[:3, 3], where)


def _lens(values: dict[str, Any], photograph: Path, where: str) -> Lens:
    for name in NUMBERS:
        if name in values and not _is_number(values[name]):
            raise ProjectError(f'{where}: "{name}": found {shown(values[name])}; allowed: a number')
    if "w" in values and "h" in values:
        height, width = float(values["h"]), float(values["w"])
    else:
        height, width = map(float, size_of(photograph))
    across = _focal(values, "fl_x", "camera_angle_x", width)
    down = _focal(values, "fl_y", "camera_angle_y", height)
    if across is None and down is None:
        raise ProjectError(f'{where}: neither "fl_x" nor "camera_angle_x" says the focal length')
    focal = (across or down or 0.0, down or across or 0.0)
    centre = (float(values.get("cx", 0.5 * width)), float(values.get("cy", 0.5 * height)))
    model, distortion = _distortion(values, where)
    return Lens((round(height), round(width)), focal, centre, distortion, model)


def _focal(values: dict[str, Any], focal: str, angle: str, side: float) -> float | None:
    if values.get(focal):
        return float(values[focal])
    if values.get(angle) and 0 < values[angle] < math.pi:
        return 0.5 * side / math.tan(0.5 * float(values[angle]))
    return None


def _distortion(values: dict[str, Any], where: str) -> tuple[str, tuple[float, ...]]:
    named = values.get("camera_model")
    name = "OPENCV" if named is None else str(named).upper()
    k1, k2, k3, k4, p1, p2 = (
        float(values.get(one, 0.0)) for one in ("k1", "k2", "k3", "k4", "p1", "p2")
    )
    if name in FISHEYE or values.get("is_fisheye") is True:
        return "OPENCV_FISHEYE", (k1, k2, k3, k4)
    if name in PINHOLES:
        return lenses.OPENCV, (0.0, 0.0, 0.0, 0.0)
    if name in BROWN:
        return lenses.BROWN, (k1, k2, k3, k4, p1, p2)
    raise ProjectError(
        f'{where}: "camera_model" is {shown(named)}; pinhole, OPENCV and OPENCV_FISHEYE are read',
        "export undistorted photographs of pinhole cameras",
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
