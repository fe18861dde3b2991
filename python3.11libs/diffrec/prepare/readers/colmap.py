"""COLMAP's models, text and binary, of every version since 3.0, with rigs.

What writes them: COLMAP, GLOMAP, hloc; RealityScan, Metashape and Agisoft's scripts by export;
Houdini's ml_preprocessgsplats (``images/``, ``sparse/0/*.bin``, ``pointcloud/points3d.ply``). Read
by COLMAP itself. Poses are world to camera; camera axes are right, down, forward; pixels count from
the picture's top left corner, so that the middle of the first one is (0.5, 0.5).
Documented in COLMAP's *Output Format* and *Camera Models*.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from diffrec.prepare import mapping
from diffrec.prepare.errors import CamerasError, solver
from diffrec.prepare.readers.photographs import Photographs
from diffrec.prepare.readers.project import (
    Project,
    ProjectError,
    Shot,
    checked,
    posed,
    thinned,
    whole,
)
from nvdiffrec_contract.regularfiles import read_regular

RANK = 30
LABEL = "COLMAP"
WANTED = "a folder with images/ and sparse/0/ (cameras, images, points3D: .bin or .txt)"

FILES = ("cameras", "images", "points3D")
MODELS = ("sparse/0", "sparse", "colmap/sparse/0", "dense/sparse", "distorted/sparse/0", "")
"""Where a model may lie in the folder that is named."""
SEVERAL = 100
"""Models beside each other that are looked at."""
MOST_BYTES = 2 << 30
CLOUD = "pointcloud/points3d.ply"
_PARAMETERS = {0: 3, 1: 4, **dict.fromkeys(range(2, 12), 5)}
"""COLMAP's models by number, with the least count of their parameters."""


def recognise(path: Path) -> bool:
    return bool(_models(path))


def read(path: Path, photographs: Photographs) -> Project:
    """Of several models beside each other the one of the most photographs is read."""
    colmap = solver()
    found = [(folder, _model(colmap, folder)) for folder in _models(path)]
    found.sort(key=lambda one: -int(one[1].num_reg_images()))
    folder, model = found[0]
    notes = [
        f"{other} holds another {one.num_reg_images()} photographs, which have no place among "
        f"those of {folder}"
        for other, one in found[1:]
    ]
    try:
        lenses_of = mapping.lenses_of(model)
    except CamerasError as error:
        raise ProjectError(f"{folder}: {error.cause}", error.cure) from None
    shots: list[Shot] = []
    missing: list[str] = []
    index: dict[int, int] = {}
    for number in sorted(model.reg_image_ids()):
        image = model.image(number)
        where = f"{folder}: image {image.name}"
        pose = image.cam_from_world()
        rotation, centre = posed(
            np.asarray(pose.rotation.matrix()).T, np.asarray(image.projection_center()), where
        )
        lens = checked(lenses_of[int(image.camera_id)], where)
        photograph = photographs.named(str(image.name), where)
        if photograph is None:
            missing.append(str(image.name))
            continue
        index[int(number)] = len(shots)
        shots.append(Shot(photograph, lens, rotation, centre))
    refused = {
        str(image.name): "COLMAP has not placed it"
        for number, image in model.images.items()
        if not image.has_pose
    }
    points, seen = _points(colmap, model, index, path)
    return whole(
        Project(LABEL, folder, tuple(shots), points, seen, None, refused, tuple(missing),
                tuple(notes))
    )  # fmt: skip


def _models(path: Path) -> list[Path]:
    """The folders of the models that a path names."""
    if path.is_file():
        if path.suffix not in (".bin", ".txt") or path.stem not in FILES:
            return []
        path = path.parent
    for inner in MODELS:
        if _is_model(path / inner):
            beside = path / inner
            if beside.name == "0" and beside.parent.name == "sparse":
                numbers = sorted(beside.parent.glob("[0-9]*"))[:SEVERAL]
                return [one for one in numbers if _is_model(one)]
            return [beside]
    return []


def _is_model(folder: Path) -> bool:
    return _ending(folder) is not None


def _ending(folder: Path) -> str | None:
    for ending in (".bin", ".txt"):
        if all((folder / f"{name}{ending}").is_file() for name in ("cameras", "images")):
            return ending
    return None


def _model(colmap: Any, folder: Path) -> Any:
    ending = _ending(folder)
    if not (folder / f"points3D{ending}").is_file():
        raise ProjectError(
            f"{folder} has no points3D{ending}",
            "copy all files of the model; an empty points3D.txt does for one without points",
        )
    _check_sizes(folder, str(ending))
    if ending == ".bin":
        _check_binary(folder)
    model = colmap.Reconstruction()
    try:
        (model.read_binary if ending == ".bin" else model.read_text)(folder)
        return model
    except (RuntimeError, ValueError, IndexError, KeyError, MemoryError, OverflowError) as error:
        said = str(error).rpartition("] ")[2].partition("\n")[0]
        raise ProjectError(f"{folder} is no COLMAP model that can be read: {said[:200]}") from None


def _check_sizes(folder: Path, ending: str) -> None:
    for path in folder.glob(f"*{ending}"):
        if not path.is_file():
            raise ProjectError(f"{path} is a pipe or a device, not a file")
        if path.stat().st_size > MOST_BYTES:
            raise ProjectError(f"{path} is larger than {MOST_BYTES >> 30} GB, which is not read")


def _check_binary(folder: Path) -> None:
    """Whether binary files hold what they say they hold: COLMAP's own reader does not ask, and
    reads on behind the end."""
    for name, walk in (("cameras", _cameras), ("images", _images), ("points3D", _points3d)):
        path = folder / f"{name}.bin"
        try:
            data = read_regular(path, MOST_BYTES)
            (count,) = struct.unpack_from("<Q", data)
            end = walk(data, count)
        except (OSError, struct.error, ValueError) as error:
            said = getattr(error, "strerror", None) or "it is cut, or no such file"
            raise ProjectError(f"{path} cannot be read: {said}") from None
        if end > len(data):
            raise ProjectError(f"{path} cannot be read: it is cut, or no such file")
    for name, least in (("rigs", 8), ("frames", 68)):
        path = folder / f"{name}.bin"
        if path.is_file():
            data = read_regular(path, MOST_BYTES)
            if len(data) < 8 or struct.unpack_from("<Q", data)[0] * least > len(data):
                raise ProjectError(f"{path} cannot be read: it is cut, or no such file")


def _cameras(data: bytes, count: int) -> int:
    return 8 + count * (24 + 8 * 3)


def _images(data: bytes, count: int) -> int:
    at = 8
    for _ in range(count):
        at = data.index(b"\0", at + 64) + 1
        (points,) = struct.unpack_from("<Q", data, at)
        at += 8 + 24 * int(points)
        if at > len(data):
            break
    return at


def _points3d(data: bytes, count: int) -> int:
    at = 8
    for _ in range(count):
        (track,) = struct.unpack_from("<Q", data, at + 43)
        at += 51 + 8 * int(track)
        if at > len(data):
            break
    return at


def _points(colmap: Any, model: Any, index: dict[int, int], path: Path) -> Any:
    places, seen = [], []
    for point in model.points3D.values():
        places.append(np.asarray(point.xyz, np.float64))
        by = {index[int(one.image_id)] for one in point.track.elements if one.image_id in index}
        seen.append(tuple(sorted(by)))
    cloud = path / CLOUD
    if not places and cloud.is_file():
        return cloud_of(colmap, cloud), ()
    return thinned(places, seen)


def cloud_of(colmap: Any, path: Path) -> Any:
    """The points of a PLY file, [N, 3]; none where it cannot be read."""
    model = colmap.Reconstruction()
    try:
        if path.stat().st_size > MOST_BYTES:
            return np.zeros((0, 3))
        model.import_PLY(path)
    except (OSError, RuntimeError, ValueError, MemoryError, IndexError):
        return np.zeros((0, 3))
    return thinned([np.asarray(one.xyz) for one in model.points3D.values()])[0]
