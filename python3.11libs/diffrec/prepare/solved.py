"""Cameras and points as a solver found them: what every way to get cameras ends in.

The world is the solver's own. Camera axes are right, down and forward (OpenCV, COLMAP); pixels
count from the top left corner of the picture, so that the middle of its first pixel is (0.5, 0.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffrec.data import upright
from diffrec.prepare import lenses
from nvdiffrec_contract import jsonfiles

Array = NDArray[np.float64]
MOST = 256 << 20


@dataclass(frozen=True)
class Lens:
    """A lens with its distortion.

    Attributes:
        size: (height, width) in pixels.
        focal: (x, y) in pixels.
        centre: principal point (x, y) in pixels.
        distortion: the coefficients of ``model``; by default OpenCV's k1, k2, p1, p2 and perhaps k3
            to k6.
        model: the distortion's name, see ``lenses``.
        skew: pixels that x grows by where y does by one focal length.
    """

    size: tuple[int, int]
    focal: tuple[float, float]
    centre: tuple[float, float]
    distortion: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    model: str = lenses.OPENCV
    skew: float = 0.0

    @property
    def matrix(self) -> Array:
        """OpenCV's camera matrix [3, 3], for which the middle of the first pixel is (0, 0)."""
        (fx, fy), (cx, cy) = self.focal, self.centre
        return np.array([[fx, self.skew, cx - 0.5], [0, fy, cy - 0.5], [0, 0, 1.0]])

    @property
    def coefficients(self) -> Array:
        """OpenCV's distortion coefficients."""
        return np.array(self.distortion, np.float64)

    def resized(self, size: tuple[int, int]) -> Lens:
        """The same lens for pictures of another size, (height, width)."""
        y, x = size[0] / self.size[0], size[1] / self.size[1]
        return Lens(
            size,
            (self.focal[0] * x, self.focal[1] * y),
            (self.centre[0] * x, self.centre[1] * y),
            self.distortion,
            self.model,
            self.skew * x,
        )

    def rays(self, pixels: Array) -> Array:
        """Directions [N, 2] (x / z, y / z) of pixels [N, 2]."""
        if not len(pixels):
            return np.zeros((0, 2))
        (fx, fy), (cx, cy) = self.focal, self.centre
        y = (pixels[:, 1] - cy) / fy
        x = (pixels[:, 0] - cx - self.skew * y) / fx
        return lenses.undistorted(self.model, self.distortion, np.stack([x, y], axis=1))

    def directions(self, pixels: Array) -> Array:
        """Directions [N, 3] of pixels [N, 2] in the camera's axes; z is 1."""
        return np.column_stack([self.rays(pixels), np.ones(len(pixels))])

    def pixels(self, rays: Array) -> Array:
        """Pixels [N, 2] of directions [N, 2]: the inverse of :meth:`rays`."""
        x, y = lenses.distorted(self.model, self.distortion, np.asarray(rays, np.float64)).T
        (fx, fy), (cx, cy) = self.focal, self.centre
        return np.stack([x * fx + y * self.skew + cx, y * fy + cy], axis=1)


@dataclass(frozen=True)
class Camera:
    """Where a photograph was taken.

    Attributes:
        lens: its number in ``Solved.lenses``.
        rotation: camera to world, [3, 3].
        centre: in the world, [3].
    """

    lens: int
    rotation: Array
    centre: Array

    def into(self, points: Array) -> Array:
        """World points [N, 3] in the camera's axes."""
        return np.asarray((points - self.centre) @ self.rotation)


@dataclass(frozen=True)
class Solved:
    """What a solver found.

    Attributes:
        lenses: by number.
        cameras: by the photograph's name.
        points: [N, 3] in the world, of the surfaces that were seen.
        seen: the names of the photographs that saw each point.
        refused: photographs without a camera that can be trusted, with the reason.
        notes: sentences for the report.
        up: the direction in the world that points up, where something says so; None where only
            the photographs do.
    """

    lenses: Mapping[int, Lens]
    cameras: Mapping[str, Camera]
    points: Array
    seen: tuple[tuple[str, ...], ...]
    refused: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    up: tuple[float, float, float] | None = None

    def project(self, name: str, points: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Pixels [N, 2] of world points in a photograph, and which of them lie before it."""
        camera = self.cameras[name]
        inside = camera.into(points)
        before = inside[:, 2] > 1e-6
        flat = inside[:, :2] / np.where(before, inside[:, 2], 1.0)[:, None]
        # Far outside of the picture the polynomial of the distortion turns back.
        wide = (np.abs(flat) > lenses.WIDE).any(1)
        flat = np.clip(flat, -lenses.WIDE, lenses.WIDE)
        return self.lenses[camera.lens].pixels(flat), before & ~wide

    def save(self, path: Path) -> None:
        """Write all of it as JSON."""
        jsonfiles.write(
            path,
            {
                "lenses": {str(number): vars(lens) for number, lens in self.lenses.items()},
                "cameras": {
                    name: {
                        "lens": one.lens,
                        "rotation": one.rotation.tolist(),
                        "centre": one.centre.tolist(),
                    }
                    for name, one in self.cameras.items()
                },
                "points": np.round(self.points, 6).tolist(),
                "seen": self._seen_by_number(),
                "refused": dict(self.refused),
                "notes": list(self.notes),
                "up": self.up,
            },
        )

    def _seen_by_number(self) -> list[list[int]]:
        numbers = {name: number for number, name in enumerate(self.cameras)}
        return [[numbers[name] for name in names if name in numbers] for names in self.seen]


def place_of(out: Path) -> Path:
    """Where a preparation keeps its cameras."""
    return out / "work" / "cameras.json"


def load(path: Path) -> Solved:
    """What was saved."""
    document: dict[str, Any] = jsonfiles.read_object(path, max_bytes=MOST)
    lenses = {int(number): _lens(one) for number, one in document["lenses"].items()}
    cameras = {
        name: Camera(one["lens"], np.array(one["rotation"]), np.array(one["centre"]))
        for name, one in document["cameras"].items()
    }
    names = list(cameras)
    return Solved(
        lenses,
        cameras,
        np.array(document["points"], np.float64).reshape(-1, 3),
        tuple(tuple(names[i] for i in row) for row in document["seen"]),
        document["refused"],
        tuple(document["notes"]),
        None if document.get("up") is None else tuple(document["up"]),
    )


def _lens(document: dict[str, Any]) -> Lens:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
    }
    return Lens(**values)


def nearest_point_to_axes(cameras: Mapping[str, Camera]) -> Array:
    """The point that the cameras look at: nearest to all their axes, those that look past it
    counting little."""
    centres = np.array([one.centre for one in cameras.values()])
    axes = np.array([one.rotation[:, 2] for one in cameras.values()])
    across = _across(axes)
    weight = np.ones(len(axes))
    point = np.zeros(3)
    for _ in range(20):
        point = _nearest(across, centres, weight)
        away = np.linalg.norm(np.einsum("nij,nj->ni", across, point - centres), axis=1)
        weight = 1 / np.maximum(away, 0.5 * np.median(away) + 1e-9)
    return np.asarray(point, np.float64)


def nearest_point(centres: Array, ways: Array) -> Array:
    """The point nearest to lines through points [N, 3] in unit directions [N, 3], by least
    squares."""
    return _nearest(_across(ways), centres, np.ones(len(ways)))


def _across(ways: Array) -> Array:
    """Projections [N, 3, 3] onto the planes across unit directions."""
    return np.asarray(np.eye(3) - ways[:, :, None] * ways[:, None, :])


def _nearest(across: Array, centres: Array, weight: Array) -> Array:
    weighted = weight[:, None, None] * across
    right = (weighted @ centres[:, :, None]).sum(0)[:, 0]
    return np.asarray(np.linalg.lstsq(weighted.sum(0), right, rcond=None)[0])


def right_of(cameras: Mapping[str, Camera]) -> Array:
    """The axes [N, 3] of cameras along the rows of their pictures, in the world."""
    return np.array([one.rotation[:, 0] for one in cameras.values()]).reshape(-1, 3)


def above_of(cameras: Mapping[str, Camera]) -> Array:
    """The axes [N, 3] of cameras up the columns of their pictures, in the world."""
    return np.array([-one.rotation[:, 1] for one in cameras.values()]).reshape(-1, 3)


def up_of(cameras: Mapping[str, Camera]) -> Array:
    """Up in the solver's world; see ``upright.up_of``."""
    found = upright.up_of(right_of(cameras), above_of(cameras))
    return np.array([0.0, 0.0, 1.0]) if found is None else found
