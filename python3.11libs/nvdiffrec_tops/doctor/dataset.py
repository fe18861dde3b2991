"""The data that a configuration's ``ref_mesh`` names, as far as names and headers tell."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any

from nvdiffrec_tops.doctor import cameras
from nvdiffrec_tops.doctor.cameras import Camera, CameraError
from nvdiffrec_tops.doctor.pictures import SUFFIXES

POINTER = b"version https://git-lfs"
_LARGEST = 64 << 20


@dataclass(frozen=True)
class Dataset:
    """``kind`` is mesh, llff, nerf or unknown; ``path`` the file or folder.

    ``pictures`` and ``masks`` are absolute paths in the order in which they are matched with
    ``cameras``; ``problem`` says why cameras could not be read.
    """

    kind: str
    path: str
    pictures: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    cameras: tuple[Camera, ...] = ()
    problem: str = ""
    notes: tuple[str, ...] = field(default=())


def read_dataset(path: str) -> Dataset:
    """What lies at ``path``; never raises."""
    if os.path.isfile(path):
        return Dataset("mesh" if path.lower().endswith(".obj") else "unknown", path)
    if os.path.isfile(os.path.join(path, "poses_bounds.npy")):
        pictures, masks = (
            tuple(in_folder(os.path.join(path, name))) for name in ("images", "masks")
        )
        try:
            found = tuple(cameras.read_poses_bounds(os.path.join(path, "poses_bounds.npy")))
        except CameraError as error:
            return Dataset("llff", path, pictures, masks, (), str(error))
        return Dataset("llff", path, pictures, masks, found)
    transforms = os.path.join(path, "transforms_train.json")
    if os.path.isfile(transforms):
        try:
            frames = cameras.read_transforms(_json(transforms), transforms)
        except CameraError as error:
            return Dataset("nerf", path, problem=str(error))
        pictures = tuple(_frame_picture(path, name) for name, _ in frames)
        return Dataset("nerf", path, pictures, (), tuple(camera for _, camera in frames))
    return Dataset("unknown", path)


def in_folder(folder: str) -> list[str]:
    """The pictures of a folder in sorted order of their names; hidden files are left out."""
    try:
        names = sorted(os.listdir(folder))
    except (OSError, ValueError):
        return []
    return [
        os.path.join(folder, name)
        for name in names
        if name.lower().endswith(SUFFIXES) and not name.startswith(".")
    ]


def is_pointer(path: str) -> bool:
    """Whether a file is a Git LFS pointer in place of the file itself."""
    try:
        with open(path, "rb") as stream:
            return stream.read(len(POINTER)) == POINTER
    except (OSError, ValueError):
        return False


def sample(items: tuple[str, ...], count: int) -> list[str]:
    """At most ``count`` of them, evenly picked, the first and the last among them."""
    if len(items) <= count:
        return list(items)
    return [items[i * (len(items) - 1) // (count - 1)] for i in range(count)]


def _frame_picture(folder: str, name: str) -> str:
    path = os.path.join(folder, *name.replace("\\", "/").split("/"))
    return path if path.lower().endswith((".png", ".jpg", ".jpeg")) else path + ".png"


def _json(path: str) -> Any:
    try:
        with open(path, "rb") as stream:
            data = stream.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise CameraError(f"{path} is larger than 64 MB")
        return json.loads(data.decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise CameraError(f"{path} cannot be read as JSON: {error}") from None
