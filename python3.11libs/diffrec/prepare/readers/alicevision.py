"""AliceVision's and Meshroom's ``.sfm`` (``cameras.sfm``, ``sfm.json``), versions 1.0 to 1.2.

A pose's ``rotation`` is world to camera by columns, so by rows it is camera to world; ``center`` is
the camera's place; axes are right, down, forward. The principal point is in pixels from the
picture's middle since 1.2.1, from its top left corner before. The focal length is ``pxFocalLength``
(one number before 1.2.0, then two), and since 1.2.2 ``focalLength`` in millimetres of a sensor that
is ``sensorWidth`` wide; ``pixelRatio`` is fy / fx since 1.2.5 and fx / fy before. radialk1 and
radialk3 have k1, k2, k3 of r^2, r^4, r^6; brown has k1, k2, k3 and OpenCV's p1, p2; fisheye4 has
OpenCV's fisheye coefficients, fisheye1 the FOV model's angle.
Numbers may stand as texts. Documented by AliceVision's ``sfmDataIO`` with its changelog and its
``camera`` room.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from diffrec.prepare import lenses
from diffrec.prepare.readers.photographs import Photographs
from diffrec.prepare.readers.project import (
    MOST_SHOTS,
    Project,
    ProjectError,
    Shot,
    checked,
    numbers,
    posed,
    thinned,
    whole,
)
from diffrec.prepare.solved import Array, Lens
from nvdiffrec_contract import jsonfiles
from nvdiffrec_contract.jsonfiles import JsonError
from nvdiffrec_contract.wording import shown

RANK = 45
LABEL = "AliceVision (Meshroom)"
WANTED = "cameras.sfm, or another .sfm file of StructureFromMotion or ConvertSfMFormat"

NAMES = ("cameras.sfm", "sfm.sfm", "sfm.json")
MOST_BYTES = 512 << 20
EXPORT = "undistort the photographs in Meshroom (PrepareDenseScene), or export a COLMAP model"
DISTORTIONS = {
    "none": (0, ""),
    "radialk1": (1, lenses.BROWN),
    "radialk3": (3, lenses.BROWN),
    "brown": (5, lenses.BROWN),
    "fisheye4": (4, "OPENCV_FISHEYE"),
    "fisheye1": (1, "FOV"),
}
"""How many coefficients each distortion has, and its name in ``lenses``."""
OLD_TYPES = {
    "pinhole": "none",
    "radial1": "radialk1",
    "radial3": "radialk3",
    "brown": "brown",
    "fisheye": "fisheye4",
    "fisheye4": "fisheye4",
    "fisheye1": "fisheye1",
}
"""Types of lenses before the distortion had a name of its own."""


def recognise(path: Path) -> bool:
    return _file(path) is not None


def read(path: Path, photographs: Photographs) -> Project:
    file = _file(path)
    assert file is not None
    try:
        document = jsonfiles.read_object(file, max_bytes=MOST_BYTES)
    except JsonError as error:
        raise ProjectError(str(error)) from None
    version = _version(document, file)
    intrinsics = {
        str(one.get("intrinsicId")): one for one in _objects(document, "intrinsics", file)
    }
    poses = {
        str(one.get("poseId")): _pose(one, f"{file}: pose {shown(one.get('poseId'))}")
        for one in _objects(document, "poses", file)
    }
    shots: list[Shot] = []
    missing: list[str] = []
    refused: dict[str, str] = {}
    index: dict[str, int] = {}
    for number, view in enumerate(_objects(document, "views", file)):
        name = view.get("path")
        where = f"{file}: view {number}"
        if not isinstance(name, str):
            raise ProjectError(f"{where}: its path is {shown(name)}; allowed: a text")
        pose = poses.get(str(view.get("poseId", view.get("viewId"))))
        short = name.replace("\\", "/").rpartition("/")[2]
        if pose is None or "rigId" in view:
            rig = "rigId" in view
            refused[short] = "cameras of a rig are not read" if rig else "it was not placed"
            continue
        intrinsic = intrinsics.get(str(view.get("intrinsicId")))
        if intrinsic is None:
            raise ProjectError(f"{where} ({short}): its intrinsic is not in the file")
        lens = checked(_lens(intrinsic, version, f"{where} ({short})"), f"{where} ({short})")
        photograph = photographs.named(name, where)
        if photograph is None:
            missing.append(name)
            continue
        index[str(view.get("viewId"))] = len(shots)
        shots.append(Shot(photograph, lens, *pose))
    points, seen = _points(document, index, file)
    return whole(Project(LABEL, file, tuple(shots), points, seen, None, refused, tuple(missing)))


def _file(path: Path) -> Path | None:
    if path.is_dir():
        return next((path / one for one in NAMES if (path / one).is_file()), None)
    named = path.suffix.lower() == ".sfm" or path.name.lower() in NAMES
    return path if named and path.is_file() else None


def _objects(document: Mapping[str, Any], name: str, file: Path) -> list[dict[str, Any]]:
    found = document.get(name, []) or []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ProjectError(f'{file}: "{name}" must be a list of objects')
    if len(found) > MOST_SHOTS:
        raise ProjectError(f'{file}: "{name}" has more than {MOST_SHOTS} entries')
    return found


def _version(document: Mapping[str, Any], file: Path) -> tuple[int, ...]:
    found = document.get("version")
    if not isinstance(found, list):
        raise ProjectError(f'{file} says no "version" of AliceVision\'s format')
    return tuple(int(one) for one in _numbers(found, 3, f"{file}: version"))


def _numbers(values: Any, count: int, where: str) -> Array:
    """Numbers of a list in which they may be texts."""
    if not isinstance(values, list) or not all(
        isinstance(one, str | int | float) for one in values
    ):
        raise ProjectError(f"{where}: {count} numbers were expected")
    return numbers(" ".join(map(str, values)), count, where)


def _number(values: Mapping[str, Any], name: str, otherwise: float, where: str) -> float:
    value = values.get(name)
    return otherwise if value is None else float(_numbers([value], 1, f"{where}: {name}")[0])


def _pose(values: Mapping[str, Any], where: str) -> tuple[Array, Array]:
    pose = values.get("pose")
    transform = pose.get("transform", pose) if isinstance(pose, dict) else None
    if not isinstance(transform, dict):
        raise ProjectError(f"{where}: it has no transform")
    turn = _numbers(transform.get("rotation"), 9, f"{where}: rotation").reshape(3, 3)
    return posed(turn, _numbers(transform.get("center"), 3, f"{where}: center"), where)


def _lens(values: Mapping[str, Any], version: tuple[int, ...], where: str) -> Lens:
    width, height = (_number(values, one, 0.0, where) for one in ("width", "height"))
    point = values.get("principalPoint")
    if isinstance(point, dict):
        point = [point.get("x"), point.get("y")]
    cx, cy = _numbers(point, 2, f"{where}: principalPoint")
    if version >= (1, 2, 1):
        cx, cy = cx + 0.5 * width, cy + 0.5 * height
    fx, fy = _focal(values, version, width, where)
    model, distortion = _distortion(values, where)
    return Lens((int(height), int(width)), (fx, fy), (float(cx), float(cy)), distortion, model)


def _focal(
    values: Mapping[str, Any], version: tuple[int, ...], width: float, where: str
) -> tuple[float, float]:
    given = values.get("pxFocalLength")
    if version < (1, 2, 2) and given is not None:
        both = given if isinstance(given, list) else [given, given]
        fx, fy = _numbers(both, 2, f"{where}: pxFocalLength")
        return float(fx), float(fy)
    sensor = _number(values, "sensorWidth", 36.0, where)
    if sensor <= 0:
        raise ProjectError(f"{where}: a sensor {sensor:g} mm wide is none")
    across = _number(values, "focalLength", 0.0, where) / sensor * width
    ratio = _number(values, "pixelRatio", 1.0, where)
    if not 0.1 < ratio < 10:
        raise ProjectError(f"{where}: a pixel ratio of {ratio:g} is none")
    return across, across * ratio if version >= (1, 2, 5) else across / ratio


def _distortion(values: Mapping[str, Any], where: str) -> tuple[str, tuple[float, ...]]:
    kind = values.get("distortionType")
    if kind is None:
        kind = OLD_TYPES.get(str(values.get("type")))
    elif values.get("type") not in ("pinhole", None):
        kind = None  # an equidistant or an equirectangular lens
    given = values.get("distortionParams") or []
    undone = values.get("undistortionParams") or []
    if kind not in DISTORTIONS or (undone and any(_numbers(undone, len(undone), where))):
        raise ProjectError(
            f"{where}: a lens of type {shown(values.get('type'))} with the distortion "
            f"{shown(values.get('distortionType'))} is not read",
            EXPORT,
        )
    count, model = DISTORTIONS[kind]
    coefficients = _numbers(given, len(given), f"{where}: distortionParams")
    rest = (*(float(one) for one in coefficients), *[0.0] * 5)[:count]
    if not any(rest):
        # FOV and fisheye lenses differ from a pinhole whatever their coefficients are.
        if model in ("", lenses.BROWN):
            return lenses.OPENCV, (0.0, 0.0, 0.0, 0.0)
        if model == "FOV":
            raise ProjectError(f"{where}: its fisheye has no angle", EXPORT)
    if model == lenses.BROWN:
        k1, k2, k3, p1, p2 = (*rest, *[0.0] * 5)[:5]
        return model, (k1, k2, k3, 0.0, p1, p2)
    return model, rest


def _points(
    document: Mapping[str, Any], index: Mapping[str, int], file: Path
) -> tuple[Array, tuple[tuple[int, ...], ...]]:
    places, seen = [], []
    structure = document.get("structure") or []
    if not isinstance(structure, list):
        raise ProjectError(f'{file}: "structure" must be a list')
    for number, one in enumerate(structure):
        if not isinstance(one, dict):
            raise ProjectError(f"{file}: point {number} is no object")
        places.append(_numbers(one.get("X"), 3, f"{file}: point {number}"))
        by = {
            index[str(each.get("observationId"))]
            for each in one.get("observations") or []
            if isinstance(each, dict) and str(each.get("observationId")) in index
        }
        seen.append(tuple(sorted(by)))
    return thinned(np.array(places).reshape(-1, 3), seen)
