"""JSON files of cameras with pictures, as NeRF, instant-ngp and nerfstudio write them.

``frames[].file_path`` names a picture, with or without its ending, relative to the file's folder;
``transform_matrix`` is camera-to-world (OpenGL camera, z-up world). The lens is ``camera_angle_x``,
the horizontal field of view in radians, or focal lengths ``fl_x``, ``fl_y`` and principal point
``cx``, ``cy`` in pixels of pictures of ``w`` x ``h``; a frame may have its own.
The world is turned by -90 degrees about x, so that its z becomes our y (up).
"""

from __future__ import annotations

import dataclasses
import math
import os
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from diffrec.data import looks
from diffrec.errors import DataError
from diffrec.pictures import headers
from nvdiffrec_contract.dataset import Camera, Description, Problem, Row, Size
from nvdiffrec_contract.engines import DIFFREC, NVDIFFREC
from nvdiffrec_contract.jsonfiles import JsonError, read_object
from nvdiffrec_contract.wording import shown

if TYPE_CHECKING:
    import torch

    from diffrec.data.views import ImageViews
    from nvdiffrec_contract.configuration import Config

MAX_FRAMES = 100_000
MAX_BYTES = 256 << 20
MOST = 1e12
"""Coordinates above this are none."""
FOCAL = (1e-3, 1e4)
"""Focal lengths, in widths of the picture: fields of view of 180 to 0.006 degrees."""
LOOKED = 16
"""Pictures whose alpha is looked at."""

_DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")
_PINHOLES = ("PINHOLE", "SIMPLE_PINHOLE", "OPENCV", "SIMPLE_RADIAL", "RADIAL", "PERSPECTIVE")


UNDISTORT = "undistort the photographs to pinhole pictures (nvdiffrec-tops prepare does)"


class _Wrong(Exception):
    """A field of the file is wrong; the message names it."""

    def __init__(self, cause: str, cure: str = "correct the file, or write it again") -> None:
        super().__init__(cause)
        self.cure = cure


def describe(path: Path, kind: str, label: str) -> Description:
    """The data set that a file of cameras and the pictures beside it make."""
    found = Description(
        kind, label, str(path.parent), coverage="alpha", up="z", nvdiffrec="train_res"
    )
    try:
        values = read_object(path, str(path), MAX_BYTES)
        frames = values.get("frames")
        if not isinstance(frames, list) or not 0 < len(frames) <= MAX_FRAMES:
            raise _Wrong(f'{path}: "frames" must be a list of 1 to {MAX_FRAMES} frames')
        for i, frame in enumerate(frames):
            if not isinstance(frame, dict):
                raise _Wrong(f"{path}: frame {i}: found {shown(frame)}; allowed: an object")
        pictures = [
            _picture(path.parent, frame.get("file_path"), f"{path}: frame {i}")
            for i, frame in enumerate(frames)
        ]
        cameras = _cameras(values, frames, path, pictures[0])
    except (JsonError, _Wrong) as error:
        cure = error.cure if isinstance(error, _Wrong) else "write the file again"
        problem = Problem("cameras", str(error), cure, file=str(path))
        return dataclasses.replace(found, problems=(problem,))
    faulty = [(i, one.fault) for i, one in enumerate(cameras) if one.fault]
    problems = []
    if faulty:
        index, fault = faulty[0]
        problems.append(
            Problem(
                "cameras",
                f"{len(faulty)} of {len(cameras)} cameras of {path} are none; frame {index}: "
                f'"transform_matrix": {fault}',
                "solve the cameras again, or take these frames out of the file",
                file=str(path),
            )
        )
    else:
        problems += _lens_of_nvdiffrec(path, cameras)
    problems += _about_pictures(path, pictures, [str(one["file_path"]) for one in frames])
    return dataclasses.replace(
        found,
        pictures=tuple(map(str, pictures)),
        cameras=tuple(cameras),
        problems=tuple(problems),
    )


def views(found: Description, config: Config, device: torch.device | str) -> ImageViews:
    """The views of a described file.

    Raises:
        DataError: the description tells why not, or a picture cannot be read.
    """
    import torch

    from diffrec import cameras
    from diffrec.data.photographs import read_photograph
    from diffrec.data.views import ImageViews, View, projection

    problem = found.refusal(DIFFREC)
    if problem is not None:
        raise DataError.of(problem)
    turn = cameras.rotation_x(-0.5 * math.pi).double()
    near, far = config.cam_near_far
    made = []
    for name, camera in zip(found.pictures, found.cameras):
        rows = [*camera.camera_to_world, (0.0, 0.0, 0.0, 1.0)]
        pose = turn @ torch.tensor(rows, dtype=torch.float64)
        picture = Path(name)
        made.append(
            View(
                picture.name,
                torch.linalg.inv(pose).float(),
                projection(camera, near, far),
                partial(read_photograph, picture, None, config.diffrec.photo_res, camera.aspect),
                picture,
            )
        )
    return ImageViews(made, device, pre_load=config.pre_load)


def _picture(folder: Path, text: Any, where: str) -> Path:
    """The picture that ``file_path`` names, which must lie inside the folder."""
    if not isinstance(text, str) or not text or not text.isprintable() or len(text) > 4096:
        raise _Wrong(f'{where}: "file_path": found {shown(text)}; allowed: a relative path')
    relative = PurePosixPath(text.replace("\\", "/"))
    drive = ":" in relative.parts[0] if relative.parts else False
    named = Path(os.path.normpath(folder.joinpath(*relative.parts)))
    if relative.is_absolute() or drive or folder not in named.parents:
        raise _Wrong(
            f'{where}: "file_path" {shown(text)} leads out of the data set; '
            f"allowed: a path inside {folder}"
        )
    endings = [""] if relative.suffix.lower() in headers.SUFFIXES else []
    endings += [one for ending in headers.SUFFIXES for one in (ending, ending.upper())]
    for ending in endings:
        candidate = named.with_name(named.name + ending)
        try:
            if candidate.is_file():
                return candidate
        except OSError:  # longer than a name may be
            break
    return named.with_name(named.name + endings[0])


def _cameras(
    values: dict[str, Any], frames: list[dict[str, Any]], path: Path, first: Path
) -> list[Camera]:
    model = values.get("camera_model", "OPENCV")
    if str(model).upper() not in _PINHOLES:
        raise _Wrong(
            f'{path}: "camera_model" is {shown(model)}; pinhole cameras are read', UNDISTORT
        )
    size = _size_of(first)
    return [
        _camera({**values, **frame}, size, f"{path}: frame {i}") for i, frame in enumerate(frames)
    ]


def _camera(values: dict[str, Any], picture: Size | None, where: str) -> Camera:
    for name in _DISTORTION:
        if values.get(name, 0) != 0:
            raise _Wrong(
                f'{where}: "{name}" is {shown(values[name])}: the lens distorts, and that is not '
                "taken out here",
                UNDISTORT,
            )
    height, width = (float(one) for one in picture or (1, 1))
    if "w" in values or "h" in values:
        height, width = (_number(values, name, where, 1, 1e6) for name in ("h", "w"))
    low, high = FOCAL[0] * width, FOCAL[1] * width
    if "fl_x" in values:
        focal = _number(values, "fl_x", where, low, high)
    else:
        angle: Any = values.get("camera_angle_x")
        if not _is_number(angle) or not 0 < angle < math.pi:
            raise _Wrong(
                f'{where}: "camera_angle_x": found {shown(angle)}; allowed: 0 to pi radians'
            )
        focal = 0.5 * width / math.tan(0.5 * angle)
        if not low <= focal <= high:
            raise _Wrong(
                f'{where}: "camera_angle_x": found {shown(angle)}, which is no lens; '
                "allowed: 0.0001 to 3.139 radians"
            )
    vertical = _number(values, "fl_y", where, low, high) if "fl_y" in values else focal
    centre = (
        _number(values, "cx", where, 0, width) if "cx" in values else 0.5 * width,
        _number(values, "cy", where, 0, height) if "cy" in values else 0.5 * height,
    )
    rows: Any = values.get("transform_matrix")
    if isinstance(rows, list) and len(rows) == 3:
        rows = [*rows, [0.0, 0.0, 0.0, 1.0]]
    good = isinstance(rows, list) and len(rows) == 4
    if not good or not all(
        isinstance(row, list) and len(row) == 4 and all(map(_is_number, row)) for row in rows
    ):
        raise _Wrong(f'{where}: "transform_matrix" must be 4 x 4 numbers, camera to world')
    pose, fault = _pose(rows)
    return Camera(pose, (focal, vertical), centre, (height, width), fault)


def _pose(rows: list[list[float]]) -> tuple[tuple[Row, Row, Row], str]:
    """Camera to world with scale taken out of its axes, and what makes it no camera."""
    axes = [[float(rows[i][j]) for i in range(3)] for j in range(3)]
    lengths = [math.sqrt(x * x + y * y + z * z) for x, y, z in axes]
    none = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0))
    if min(lengths) < 1e-9 or max(lengths) > 1e9:
        return none, "an axis has no length"
    right, up, back = ([x / length for x in axis] for axis, length in zip(axes, lengths))
    for a, b in ((right, up), (up, back), (back, right)):
        if abs(sum(x * y for x, y in zip(a, b))) > 1e-2:
            return none, "its axes are not perpendicular"
    cross = [
        up[1] * back[2] - up[2] * back[1],
        up[2] * back[0] - up[0] * back[2],
        up[0] * back[1] - up[1] * back[0],
    ]
    if sum(x * y for x, y in zip(right, cross)) < 0:
        return none, "its axes are mirrored"
    if [float(one) for one in rows[3]] != [0.0, 0.0, 0.0, 1.0]:
        return none, "its last row is not 0 0 0 1"
    pose = [(right[i], up[i], back[i], float(rows[i][3])) for i in range(3)]
    return (pose[0], pose[1], pose[2]), ""


def _about_pictures(path: Path, pictures: list[Path], names: list[str]) -> list[Problem]:
    missing = [one for one in pictures if not one.is_file()]
    if missing:
        return [
            Problem(
                "pictures",
                f"{len(missing)} of the {len(pictures)} pictures that {path.name} names do not "
                f"exist, first {missing[0]}",
                "put them there, or correct file_path (relative, without an ending)",
                file=str(missing[0]),
            )
        ]
    found = []
    ended = [name for name in names if name.lower().endswith(headers.SUFFIXES)]
    if ended:
        found.append(
            Problem(
                "pictures",
                f"{path} names pictures with their endings ({shown(ended[0])}); nvdiffrec adds "
                "one itself and finds no file",
                f"take the endings out of every file_path in {path.name}, or use the engine "
                "diffrec",
                engines=(NVDIFFREC,),
                file=str(path),
            )
        )
    alpha = {one: headers.look(one).alpha for one in headers.sample(pictures, LOOKED)}
    without = [one for one, has in alpha.items() if has is False]
    if without:
        some = "the pictures have" if len(without) == len(alpha) else "some pictures have"
        cause = f"{some} no alpha channel, first {without[0]}: in them nothing is cut out"
        cure = (
            "save every picture as PNG with the object's mask in its alpha channel; nvdiffrec-tops "
            "prepare makes such masks"
        )
        found.append(Problem("masks", cause, cure, file=str(without[0])))
    return found


def _lens_of_nvdiffrec(path: Path, cameras: list[Camera]) -> list[Problem]:
    """nvdiffrec knows one angle for all pictures, and nothing else of a lens."""
    for camera in cameras:
        (x, y), (height, width) = camera.focal, camera.size
        middle = (0.5 * width, 0.5 * height)
        off = max(abs(a - b) for a, b in zip(camera.centre, middle))
        if off > 0.01 * width or abs(y / x - 1) > 0.01 or abs(x / cameras[0].focal[0] - 1) > 0.01:
            return [
                Problem(
                    "cameras",
                    f"{path} has lenses that nvdiffrec does not know (cx, cy, fl_y, or one of "
                    "their own for some frames); it would train with wrong cameras",
                    f"{UNDISTORT} of one centred lens, or use the engine diffrec",
                    engines=(NVDIFFREC,),
                    file=str(path),
                )
            ]
    return []


def _size_of(picture: Path) -> Size | None:
    """By its header, else by decoding it where something can."""
    look = headers.look(picture)
    if look.size is None and picture.is_file():
        look = looks.decoded(str(picture), "alpha", look)
    return look.size


def _number(values: dict[str, Any], name: str, where: str, low: float, high: float) -> float:
    value: Any = values.get(name)
    if not _is_number(value) or not low <= value <= high:
        raise _Wrong(
            f'{where}: "{name}": found {shown(value)}; allowed: {low:g} to {high:g} pixels'
        )
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < MOST
