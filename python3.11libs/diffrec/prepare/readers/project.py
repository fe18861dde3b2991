"""What every reader ends in: photographs with their cameras, and the checks that all share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffrec.errors import DataError
from diffrec.prepare import lenses
from diffrec.prepare.solved import Array, Lens
from nvdiffrec_contract.regularfiles import read_regular

MOST_SHOTS = 100_000
MOST_POINTS = 100_000
"""Points that are kept, evenly chosen: they say where the object is, no more."""
MOST = 1e12
"""Coordinates above this are none."""
FOCAL = (1e-3, 1e4)
"""Focal lengths, in longest sides of the picture: fields of view of 180 to 0.006 degrees."""
LONGEST = 1 << 17
WHOLE = 0.7
"""Part of the way to a picture's corners that a lens must show in order: what its coefficients say
of the corners themselves is often beyond what they were solved from."""
SKEWED = 1e-2
"""By how much the axes of a rotation may miss length 1 and right angles, rounding included."""


class ProjectError(DataError):
    """Another tool's project cannot be read."""

    id = "cameras-of-another-tool"
    cure = "export the cameras again (docs/photographs.md says how, for every tool)"


def content(path: Path, most_bytes: int) -> bytes:
    """What is in a file of a project.

    Raises:
        ProjectError: it cannot be read, is no regular file, or is larger than that.
    """
    try:
        return read_regular(path, most_bytes)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ProjectError(f"{path} cannot be read: {reason}") from None


@dataclass(frozen=True)
class Shot:
    """One photograph with its camera.

    Attributes:
        path: the photograph.
        lens: in pixels of the picture as the tool saw it; the file may be larger or smaller.
        rotation: camera to world, [3, 3]; camera axes are right, down, forward.
        centre: in the world, [3].
        mask: a file with its mask, where the project names one.
    """

    path: Path
    lens: Lens
    rotation: Array
    centre: Array
    mask: Path | None = None


@dataclass(frozen=True)
class Project:
    """What another tool has solved, in its own world.

    Attributes:
        label: the tool.
        file: what was read.
        shots: the photographs with cameras.
        points: [N, 3] in the world, of the surfaces that were seen.
        seen: for each point the indices of the shots that saw it; empty where it is not said.
        up: the direction in the world that points up, where the project says so.
        refused: names of photographs that the project has no camera for, with the reason.
        missing: names of photographs with a camera that were not found.
        notes: sentences for the report.
    """

    label: str
    file: Path
    shots: tuple[Shot, ...]
    points: Array = field(default_factory=lambda: np.zeros((0, 3)))
    seen: tuple[tuple[int, ...], ...] = ()
    up: tuple[float, float, float] | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def posed(rotation: Array, centre: Array, where: str) -> tuple[Array, Array]:
    """A camera's rotation [3, 3] and centre [3], the first made exactly one.

    Args:
        rotation: of either direction.
        centre: any point.
        where: names the camera in messages.

    Raises:
        ProjectError: they are no numbers, or the axes are no right-handed ones at right angles.
    """
    rotation, centre = np.asarray(rotation, np.float64), np.asarray(centre, np.float64)
    if not (np.abs(rotation) < MOST).all() or not (np.abs(centre) < MOST).all():
        raise ProjectError(f"{where}: its position or rotation is infinite or no number")
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > SKEWED:
        raise ProjectError(
            f"{where}: its axes are not at right angles and of length 1, so it is no camera"
        )
    if np.linalg.det(rotation) < 0:
        raise ProjectError(
            f"{where}: its axes are mirrored", "export the cameras again without mirroring an axis"
        )
    u, _s, v = np.linalg.svd(rotation)
    return np.asarray(u @ v), centre


def checked(lens: Lens, where: str) -> Lens:
    """The lens, if a lens can be so.

    Raises:
        ProjectError: size, focal length, principal point or distortion cannot be.
    """
    height, width = lens.size
    numbers = (*lens.focal, *lens.centre, *lens.distortion, lens.skew)
    if not all(math.isfinite(one) for one in numbers):
        raise ProjectError(f"{where}: its lens has a number that is infinite or none")
    if not (1 <= height <= LONGEST and 1 <= width <= LONGEST):
        raise ProjectError(f"{where}: {width} x {height} pixels is no size of a photograph")
    longest = max(lens.size)
    if not all(FOCAL[0] * longest <= one <= FOCAL[1] * longest for one in lens.focal):
        raise ProjectError(
            f"{where}: a focal length of {lens.focal[0]:g} pixels for pictures of {width} x "
            f"{height} is no lens's"
        )
    x, y = lens.centre
    if not (-width <= x <= 2 * width and -height <= y <= 2 * height):
        raise ProjectError(f"{where}: its principal point {x:g}, {y:g} lies far off the picture")
    if _folds(lens):
        raise ProjectError(
            f"{where}: its distortion folds the picture over; no picture can be drawn without it",
            "solve the cameras again with fewer coefficients, or export undistorted photographs",
        )
    return lens


def _folds(lens: Lens) -> bool:
    """Whether what lies further from the axis does not always fall further from the middle."""
    height, width = lens.size
    middle = np.array(lens.centre)
    ends = middle + WHOLE * (
        np.array([[0.0, 0], [width, 0], [0, height], [width, height]]) - middle
    )
    rays = lens.rays(ends)
    # What a fisheye shows there may lie too far out for a direction.
    rays = rays[np.abs(rays).max(1) < lenses.WIDE] if lens.model in lenses.COEFFICIENTS else rays
    for ray in rays:
        way = lens.pixels(ray * np.linspace(0, 1, 33)[:, None])
        if (np.diff(np.linalg.norm(way - way[0], axis=1)) <= 0).any():
            return True
    return False


def numbers(text: str | None, count: int, where: str) -> NDArray[np.float64]:
    """``count`` numbers out of a text that blanks or commas separate.

    Raises:
        ProjectError: there are more or fewer, or one is none.
    """
    words = (text or "").replace(",", " ").split(None, count + 1)
    try:
        found = np.array([float(word) for word in words])
    except ValueError:
        found = np.array([])
    if len(found) != count or not np.isfinite(found).all():
        raise ProjectError(f"{where}: {count} numbers were expected")
    return found


def thinned(
    points: Sequence[Array] | Array, seen: Sequence[tuple[int, ...]] = ()
) -> tuple[Array, tuple[tuple[int, ...], ...]]:
    """Points [N, 3] that are finite, an even choice where they are many, with who saw them."""
    found = np.array(points, np.float64).reshape(-1, 3)
    kept = np.flatnonzero((np.abs(found) < MOST).all(1))
    kept = kept[:: max(1, -(-len(kept) // MOST_POINTS))]
    return found[kept], tuple(seen[int(i)] for i in kept) if seen else ()


def whole(project: Project) -> Project:
    """The project, if it has cameras and most of their photographs.

    Raises:
        ProjectError: it has none, too many, or the photographs are not there.
    """
    shots, missing, file = len(project.shots), len(project.missing), project.file
    if shots + missing > MOST_SHOTS:
        raise ProjectError(f"{file} has more than {MOST_SHOTS} cameras; is this the right file?")
    if not shots and not missing:
        why = next((f" ({one})" for one in project.refused.values()), "")
        raise ProjectError(
            f"{file} has no photograph with a camera{why}",
            "align the photographs in the other tool first, then export the cameras again",
        )
    refuse_most_missing(file, project.missing, shots + missing)
    return project


def refuse_most_missing(file: Path, missing: Sequence[str], count: int) -> None:
    """Refuse a project of so many photographs most of which are missing.

    Raises:
        ProjectError: they are.
    """
    if 2 * len(missing) > count:
        raise ProjectError(
            f"{len(missing)} of the {count} photographs that {file} names are not there, "
            f"first {missing[0]}",
            "put them into a folder images beside it, or name their folder: --photographs FOLDER",
        )
