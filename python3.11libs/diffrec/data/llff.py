"""Photographs with masks and ``poses_bounds.npy``: the LLFF layout, as NeRD's data sets use it.

The array is N x 17: a 3 x 5 matrix per photograph (camera axes down, right, back and the camera
centre as columns in the world, then height, width and focal length in pixels of the pictures that
the cameras were solved from), and the nearest and farthest depth. Rows follow the sorted order of
the files in ``images/``; ``masks/`` holds one mask each, matched by that same order.
Layout: Mildenhall et al., *Local Light Field Fusion* (SIGGRAPH 2019), released data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from diffrec import cameras
from diffrec.data.photographs import list_pictures, read_photograph
from diffrec.data.views import DataError, ImageViews, View, split_views
from nvdiffrec_contract.configuration import Config

MAX_ARRAY_BYTES = 64 << 20


@dataclass(frozen=True)
class Poses:
    """Cameras of a ``poses_bounds.npy``, float64, in its own world frame.

    world_from_camera: [N, 3, 4], axes as columns right, up, back (OpenGL), then the centre.
    height, width, focal: [N] pixels of the pictures that were solved.
    near_far: [N, 2] depths along the optical axis, world units.
    """

    world_from_camera: NDArray[np.float64]
    height: NDArray[np.float64]
    width: NDArray[np.float64]
    focal: NDArray[np.float64]
    near_far: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.focal)


def read_poses(path: Path) -> Poses:
    """Read ``poses_bounds.npy``; nothing in the file is executed.

    Raises:
        DataError: no such array, wrong shape, or numbers that are no cameras.
    """
    try:
        if path.stat().st_size > MAX_ARRAY_BYTES:
            raise DataError(f"{path}: larger than 64 MB; an N x 17 array of cameras is wanted")
        with open(path, "rb") as file:
            array: Any = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError, SyntaxError, OverflowError) as error:
        raise DataError(f"{path}: no NumPy array that can be read: {error}") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise DataError(f"{path}: no array of numbers")
    if array.ndim != 2 or array.shape[1] != 17 or not len(array):
        raise DataError(f"{path}: the array is {array.shape}, an N x 17 array is wanted")
    with np.errstate(over="ignore"):
        array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise DataError(f"{path}: some numbers are infinite or not a number; solve again")
    matrix = array[:, :15].reshape(-1, 3, 5)
    down, right, back = matrix[:, :, 0], matrix[:, :, 1], matrix[:, :, 2]
    world_from_camera = np.stack([right, -down, back, matrix[:, :, 3]], axis=-1)
    poses = Poses(
        world_from_camera, matrix[:, 0, 4], matrix[:, 1, 4], matrix[:, 2, 4], array[:, 15:]
    )
    rotation = world_from_camera[:, :, :3]
    with np.errstate(over="ignore", invalid="ignore"):
        skew = np.abs(rotation.transpose(0, 2, 1) @ rotation - np.eye(3)).max(axis=(1, 2))
        good = (skew < 1e-2) & (np.linalg.det(rotation) > 0)
    if not good.all():
        raise DataError(f"{path}: row {int(np.argmin(good))} holds no rotation; solve again")
    if (np.stack([poses.height, poses.width, poses.focal]) <= 0).any():
        raise DataError(f"{path}: height, width and focal length must be above 0")
    return poses


def nearest_point_to_axes(centres: NDArray[Any], axes: NDArray[Any]) -> NDArray[np.float64]:
    """The point [3] with the least sum of squared distances to N lines.

    ``centres`` [N, 3] are points on the lines, ``axes`` [N, 3] unit directions. Solves
    sum(I - a a^T) p = sum(I - a a^T) c; parallel lines get the least-norm solution.
    """
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]
    right_side = (across @ centres[:, :, None]).sum(axis=0)[:, 0]
    solution = np.linalg.lstsq(across.sum(axis=0), right_side, rcond=None)[0]
    return np.asarray(solution, dtype=np.float64)


def load_llff(
    folder: Path, config: Config, device: torch.device | str
) -> tuple[ImageViews, ImageViews]:
    """Training and validation views of a folder (see ``split_views`` for which is which).

    The world keeps the axes and the scale of ``poses_bounds.npy``; its origin moves to the point
    nearest to all optical axes. Photographs keep their size unless ``diffrec.photo_res`` is set.

    Raises:
        DataError: missing or broken files, or counts that do not match.
    """
    poses = read_poses(folder / "poses_bounds.npy")
    photos = list_pictures(folder / "images")
    masks = list_pictures(folder / "masks")
    for what, files in (("images", photos), ("masks", masks)):
        if len(files) != len(poses):
            raise DataError(
                f"{folder}: poses_bounds.npy holds {len(poses)} cameras, but {what}/ holds "
                f"{len(files)} pictures; each camera needs one, in the sorted order of the names"
            )
    world_from_camera = poses.world_from_camera
    centre = nearest_point_to_axes(world_from_camera[:, :, 3], -world_from_camera[:, :, 2])
    near, far = config.cam_near_far
    views = []
    for i, (photo, mask) in enumerate(zip(photos, masks, strict=True)):
        pose = np.eye(4)
        pose[:3] = world_from_camera[i]
        pose[:3, 3] -= centre
        aspect = float(poses.width[i] / poses.height[i])
        fovy = cameras.fovy_from_focal(float(poses.focal[i]), float(poses.height[i]))
        views.append(
            View(
                photo.name,
                torch.from_numpy(np.linalg.inv(pose)).float(),
                cameras.perspective(fovy, aspect, near, far),
                partial(read_photograph, photo, mask, config.diffrec.photo_res, aspect),
            )
        )
    return split_views(ImageViews(views, device, pre_load=config.pre_load), config)
