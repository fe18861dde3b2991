"""RGBA pictures with ``transforms_train.json`` and ``transforms_test.json``: NeRF's synthetic sets.

``camera_angle_x`` is the horizontal field of view in radians, ``frames[].file_path`` names a
picture without its suffix, ``transform_matrix`` is camera-to-world (OpenGL camera, z-up world).
The world is turned by -90 degrees about x, so that its z becomes our y (up).
Layout: Mildenhall et al., *NeRF* (ECCV 2020), released data.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch

from diffrec import cameras
from diffrec.data.photographs import read_photograph, read_size
from diffrec.data.views import DataError, ImageViews, View, split_views
from nvdiffrec_contract.configuration import Config
from nvdiffrec_contract.jsonfiles import JsonError, read_object
from nvdiffrec_contract.wording import shown

MAX_FRAMES = 100_000
MAX_BYTES = 256 << 20


def load_nerf_synthetic(
    folder: Path, config: Config, device: torch.device | str
) -> tuple[ImageViews, ImageViews]:
    """Training and validation views of a folder.

    ``transforms_test.json`` gives the validation views; without it they are split off the training
    views as ``split_views`` says. With ``diffrec.holdout`` set they are always split off.

    Raises:
        DataError: missing or broken files, or a picture outside the folder.
    """
    training = _read_views(folder, "transforms_train.json", config, device)
    if config.diffrec.holdout or not (folder / "transforms_test.json").is_file():
        return split_views(training, config)
    test = _read_views(folder, "transforms_test.json", config, device)
    limit = config.diffrec.validation_views
    if limit is not None and limit < len(test):
        test = test.subset([i * len(test) // limit for i in range(limit)])
    return training, test


def _read_views(folder: Path, name: str, config: Config, device: torch.device | str) -> ImageViews:
    path = folder / name
    try:
        values = read_object(path, str(path), MAX_BYTES)
    except JsonError as error:
        raise DataError(str(error)) from None
    angle = values.get("camera_angle_x")
    if not isinstance(angle, int | float) or not 0 < angle < math.pi:
        raise DataError(f'{path}: "camera_angle_x": found {shown(angle)}; allowed: 0 to pi radians')
    frames = values.get("frames")
    if not isinstance(frames, list) or not 0 < len(frames) <= MAX_FRAMES:
        raise DataError(f'{path}: "frames" must be a list of 1 to {MAX_FRAMES} frames')
    turn = cameras.rotation_x(-0.5 * math.pi).double()
    near, far = config.cam_near_far
    views = []
    for i, frame in enumerate(frames):
        where = f"{path}: frame {i}"
        if not isinstance(frame, dict):
            raise DataError(f"{where}: found {shown(frame)}; allowed: an object")
        picture = _picture(folder, frame.get("file_path"), where)
        if i == 0:
            height, width = read_size(picture)
            fovy = cameras.fovy_from_fovx(float(angle), width / height)
            projection = cameras.perspective(fovy, width / height, near, far)
        pose = turn @ torch.from_numpy(_pose(frame.get("transform_matrix"), where))
        views.append(
            View(
                picture.name,
                torch.linalg.inv(pose).float(),
                projection,
                partial(read_photograph, picture, None, config.diffrec.photo_res),
            )
        )
    return ImageViews(views, device, pre_load=config.pre_load)


def _picture(folder: Path, text: Any, where: str) -> Path:
    """The picture that ``file_path`` names, which must lie inside the folder."""
    if not isinstance(text, str) or not text or not text.isprintable() or len(text) > 4096:
        raise DataError(f'{where}: "file_path": found {shown(text)}; allowed: a relative path')
    relative = PurePosixPath(text.replace("\\", "/"))
    drive = ":" in relative.parts[0] if relative.parts else False
    if relative.is_absolute() or drive or ".." in relative.parts:
        raise DataError(
            f'{where}: "file_path" {shown(text)} leads out of the data set; '
            f"allowed: a path inside {folder}"
        )
    if relative.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        relative = relative.with_name(relative.name + ".png") if relative.name else relative
    return folder.joinpath(*relative.parts)


def _pose(value: Any, where: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """World-from-camera [4, 4] float64, with scale taken out of its axes."""
    rows = value if isinstance(value, list) else []
    good = len(rows) == 4 and all(
        isinstance(row, list) and len(row) == 4 and all(_is_number(v) for v in row) for row in rows
    )
    if not good:
        raise DataError(f'{where}: "transform_matrix" must be 4 x 4 numbers, camera to world')
    matrix = np.array(rows, dtype=np.float64)
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    if (lengths < 1e-9).any() or (lengths > 1e9).any():
        raise DataError(f'{where}: "transform_matrix" is no camera: an axis has no length')
    matrix[:3, :3] /= lengths
    skew = np.abs(matrix[:3, :3].T @ matrix[:3, :3] - np.eye(3)).max()
    if skew > 1e-2 or np.linalg.det(matrix[:3, :3]) < 0 or abs(matrix[3] - [0, 0, 0, 1]).max() > 0:
        raise DataError(f'{where}: "transform_matrix" is no camera: its axes are not perpendicular')
    return matrix


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e12
