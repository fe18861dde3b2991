"""Photographs with masks and ``poses_bounds.npy``: the LLFF layout, as NeRD's data sets use it.

The array is N x 17: a 3 x 5 matrix per photograph (camera axes down, right, back and the camera
centre as columns in the world, then height, width and focal length in pixels of the pictures that
the cameras were solved from), and the nearest and farthest depth. Rows follow the sorted order of
the files in ``images/``; ``masks/`` holds one mask each, matched by that same order. Without it the
photographs' own alpha is the mask.
Layout: Mildenhall et al., *Local Light Field Fusion* (SIGGRAPH 2019), released data.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffrec.errors import DataError
from diffrec.pictures import headers
from nvdiffrec_contract.dataset import Camera, Description, Problem
from nvdiffrec_contract.engines import DIFFREC, NVDIFFREC
from nvdiffrec_contract.regularfiles import open_regular

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from diffrec.data import Log
    from diffrec.data.views import Views
    from nvdiffrec_contract.configuration import Config

RANK = 10
LABEL = "photographs with masks (LLFF, NeRD)"
WANTED = "a folder with poses_bounds.npy (LLFF, NeRD)"

FILE = "poses_bounds.npy"
MAX_ARRAY_BYTES = 64 << 20
MOST = 1e12
"""Numbers above this are none."""
FOCAL = (1e-3, 1e4)
"""Focal lengths, in heights of the picture: fields of view of 180 to 0.006 degrees."""
LARGEST = 1e6
"""Pictures of more pixels on a side than this are none."""
LOOKED = 16
"""Photographs whose alpha is looked at."""


class _NoNumPy(Exception):
    """This interpreter has no NumPy, or one that is broken."""


class _NoCameras(Exception):
    """The array holds no cameras; the message names the file."""


def recognise(path: Path) -> bool:
    return (path / FILE).is_file()


def describe(path: Path, quick: bool) -> Description:
    photos, masks = headers.in_folder(path / "images"), headers.in_folder(path / "masks")
    found = Description(
        "llff",
        LABEL,
        str(path),
        tuple(map(str, photos)),
        tuple(map(str, masks)),
        coverage="masks" if masks else "alpha",
        up="",
        nvdiffrec="own_size",
    )
    problems = _about_masks(path, photos, masks)
    try:
        cameras, origin, unknown = _cameras(path / FILE)
    except _NoNumPy:
        note = Problem(
            "cameras",
            f"{path / FILE} was not read: this Python has no NumPy",
            severity="note",
            file=str(path / FILE),
        )
        return dataclasses.replace(found, problems=(*problems, note), complete=False)
    except _NoCameras as error:
        problem = Problem(
            "cameras",
            str(error),
            "solve the cameras again, or copy the file again",
            file=str(path / FILE),
        )
        return dataclasses.replace(found, problems=(*problems, problem))
    if photos and len(cameras) != len(photos):
        problems.append(
            Problem(
                "pictures",
                f"{len(photos)} photographs and {len(cameras)} cameras in {path / FILE}",
                "put back the photographs that the cameras were solved from, all of them: each "
                "camera needs one, in the sorted order of the names",
                file=str(path),
            )
        )
    faulty = [(i, camera.fault) for i, camera in enumerate(cameras) if camera.fault]
    if faulty:
        index, fault = faulty[0]
        problems.append(
            Problem(
                "cameras",
                f"{len(faulty)} of {len(cameras)} cameras of {path / FILE} are none; camera "
                f"{index}: {fault}",
                "solve the cameras again, or take out these photographs with their masks and rows",
                file=str(path / FILE),
            )
        )
    elif unknown:
        problems.append(
            Problem(
                "cameras",
                f"{path / FILE} says no depths for {unknown} of {len(cameras)} cameras; they are "
                "not needed",
                severity="note",
                file=str(path / FILE),
            )
        )
    return dataclasses.replace(
        found, cameras=tuple(cameras), origin=origin, problems=tuple(problems)
    )


def load(
    found: Description, config: Config, device: torch.device | str, log: Log
) -> tuple[Views, Views]:
    """Training and validation views of a folder (see ``split_views`` for which is which).

    The world keeps the axes and the scale of ``poses_bounds.npy``; its origin moves to the point
    nearest to all optical axes. The cameras say which way is up in it. Photographs keep their size
    unless ``diffrec.photo_res`` is set.

    Raises:
        DataError: the description tells why not, or a picture cannot be read.
    """
    import numpy as np
    import torch

    from diffrec.data.photographs import read_photograph
    from diffrec.data.upright import up_of
    from diffrec.data.views import ImageViews, View, projection, split_views

    problem = found.refusal(DIFFREC)
    if problem is not None:
        raise DataError.of(problem)
    near, far = config.cam_near_far
    masks = found.masks or (None,) * len(found.pictures)
    views = []
    for name, mask, camera in zip(found.pictures, masks, found.cameras):
        pose = np.eye(4)
        pose[:3] = camera.camera_to_world
        pose[:3, 3] -= found.origin
        photo = Path(name)
        views.append(
            View(
                photo.name,
                torch.from_numpy(np.linalg.inv(pose)).float(),
                projection(camera, near, far),
                partial(
                    read_photograph,
                    photo,
                    None if mask is None else Path(mask),
                    config.diffrec.photo_res,
                    camera.aspect,
                ),
                photo,
            )
        )
    read = ImageViews(views, device, pre_load=config.pre_load)
    axes = np.array([np.array(camera.camera_to_world)[:, :2] for camera in found.cameras])
    up = up_of(axes[:, :, 0], axes[:, :, 1])
    read.up = None if up is None else (float(up[0]), float(up[1]), float(up[2]))
    return split_views(read, config)


def nearest_point_to_axes(centres: NDArray[Any], axes: NDArray[Any]) -> NDArray[np.float64]:
    """The point [3] with the least sum of squared distances to N lines.

    ``centres`` [N, 3] are points on the lines, ``axes`` [N, 3] unit directions. Solves
    sum(I - a a^T) p = sum(I - a a^T) c; parallel lines get the least-norm solution.
    """
    import numpy as np

    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]
    right_side = (across @ centres[:, :, None]).sum(axis=0)[:, 0]
    solution = np.linalg.lstsq(across.sum(axis=0), right_side, rcond=None)[0]
    return np.asarray(solution, dtype=np.float64)


def _about_masks(path: Path, photos: list[Path], masks: list[Path]) -> list[Problem]:
    if not photos:
        return [
            Problem(
                "pictures",
                f"{path} has no photographs in its folder images",
                f"put the photographs there, in the order of {FILE}",
                file=str(path / "images"),
            )
        ]
    if not masks:
        return _without_masks(path, photos)
    stems = [[one.stem for one in files] for files in (photos, masks)]
    if len(photos) != len(masks):
        alone = sorted(set(stems[0]) ^ set(stems[1]))
        odd = f", unpaired: {', '.join(alone[:3])}" if 0 < len(alone) < len(photos) else ""
        return [
            Problem(
                "pictures",
                f"{path} has {len(photos)} photographs and {len(masks)} masks{odd}",
                "each photograph needs its mask, matched by sorted names: add those that are "
                "missing (white is the object), or take out what has none",
                file=str(path),
            )
        ]
    first = _first_stranger(*stems)
    if first is None:
        return []
    return [
        Problem(
            "pictures",
            f"in sorted order the photograph {photos[first].name} meets the mask "
            f"{masks[first].name}",
            "name each mask like its photograph, with leading zeros",
            refused=False,
            file=str(path),
        )
    ]


def _without_masks(path: Path, photos: list[Path]) -> list[Problem]:
    alpha = {one: headers.look(one).alpha for one in headers.sample(photos, LOOKED)}
    without = next((one for one, has in alpha.items() if has is False), None)
    folder = path / "masks"
    missing = "has no masks" if folder.is_dir() else "this folder is missing"
    if without is not None:
        return [
            Problem(
                "masks",
                f"{folder}: {missing}, and {without.name} has no alpha channel: nothing says "
                "what to cut out",
                "put one mask for each photograph there, white is the object",
                file=str(folder),
            )
        ]
    return [
        Problem(
            "masks",
            f"{folder}: {missing}; nvdiffrec does not look at the photographs' own alpha",
            "put their alpha channels there as pictures (white is the object), or use the engine "
            "diffrec",
            engines=(NVDIFFREC,),
            file=str(folder),
        )
    ]


def _first_stranger(photos: list[str], masks: list[str]) -> int | None:
    """Photographs and masks are matched by order: where the same numbers sort otherwise, one gets
    another's mask. What all names of a folder have in common tells nothing."""
    ours, theirs = _told(photos), _told(masks)
    if ours == theirs or len(set(ours)) < len(ours) or set(ours) != set(theirs):
        return None
    return next(i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b)


def _told(stems: list[str]) -> list[str]:
    """The names without the beginning and the end that they share."""
    begin = _shared(stems)
    rest = [stem[begin:] for stem in stems]
    end = _shared([one[::-1] for one in rest])
    return [one[: len(one) - end] for one in rest]


def _shared(names: list[str]) -> int:
    """How many characters at their beginning all names share."""
    count = 0
    for column in zip(*names):
        if len(set(column)) > 1:
            break
        count += 1
    return count


def _cameras(path: Path) -> tuple[list[Camera], tuple[float, float, float], int]:
    """The cameras, the point nearest to their axes, and how many tell no depths.

    Raises:
        _NoNumPy: there is none to read it with.
        _NoCameras: no such array, or one of another shape.
    """
    try:
        import numpy as np

        np.load, np.linalg.lstsq  # noqa: B018
    except Exception as error:  # a broken package may raise anything
        raise _NoNumPy from error
    rows = _array(path)
    axes = rows[:, :15].reshape(-1, 3, 5)
    down, right, back, centre = (axes[:, :, i] for i in range(4))
    poses = np.stack([right, -down, back, centre], axis=-1)
    height, width, focal = (axes[:, i, 4] for i in range(3))
    near, far = rows[:, 15], rows[:, 16]
    rotation = poses[:, :, :3]
    with np.errstate(all="ignore"):
        finite: Any = (np.abs(rows[:, :15]) < MOST).all(axis=1)
        skew = np.abs(rotation.transpose(0, 2, 1) @ rotation - np.eye(3)).max(axis=(1, 2))
        mirrored = np.linalg.det(np.where(finite[:, None, None], rotation, 0)) < 0
        lens = (np.minimum(height, width) >= 1) & (np.maximum(height, width) <= LARGEST)
        lens &= (focal >= FOCAL[0] * height) & (focal <= FOCAL[1] * height)
        unknown = ~((near > 0) & (near < far) & (far < np.inf))
    cameras = []
    for i in range(len(rows)):
        fault = ""
        if not finite[i]:
            fault = "it holds numbers that are infinite or none"
        elif not skew[i] < 1e-2:
            fault = "its axes are not perpendicular and of length 1"
        elif mirrored[i]:
            fault = "its axes are mirrored"
        elif not lens[i]:
            fault = "its height, width or focal length is not above 0, or no lens is like that"
        if fault:
            cameras.append(Camera(_NOWHERE, (1.0, 1.0), (0.5, 0.5), (1.0, 1.0), fault))
            continue
        pose: Any = tuple(map(tuple, poses[i].tolist()))
        size = (float(height[i]), float(width[i]))
        cameras.append(Camera(pose, (float(focal[i]),) * 2, (0.5 * size[1], 0.5 * size[0]), size))
    good = np.array([not one.fault for one in cameras])
    if not good.any():
        return cameras, (0.0, 0.0, 0.0), 0
    x, y, z = nearest_point_to_axes(poses[good][:, :, 3], -poses[good][:, :, 2]).tolist()
    return cameras, (x, y, z), int(unknown.sum())


_NOWHERE = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0))


def _array(path: Path) -> NDArray[np.float64]:
    """The array of a ``poses_bounds.npy``; nothing in the file is executed."""
    import numpy as np

    try:
        if path.stat().st_size > MAX_ARRAY_BYTES:
            raise _NoCameras(f"{path} is larger than 64 MB, which no array of cameras is")
        with open_regular(path) as file:
            array: Any = np.load(file, allow_pickle=False)
    except _NoCameras:
        raise
    except Exception as error:  # NumPy's reader lets out what its parts raise
        said = " ".join(str(error.args[0] if error.args else "").split())[:200]
        raise _NoCameras(f"{path} is no NumPy array that can be read: {said}") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise _NoCameras(f"{path} is no array of numbers")
    if array.ndim != 2 or array.shape[1] != 17 or not len(array):
        listed = " x ".join(map(str, array.shape)) or "a single number"
        raise _NoCameras(f"{path} holds an array of {listed}, not of N x 17")
    with np.errstate(over="ignore"):
        found: NDArray[np.float64] = array.astype(np.float64)
    return found
