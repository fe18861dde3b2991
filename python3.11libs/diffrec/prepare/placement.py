"""Step 6: where the object is, how large, and which way is up.

The data set's world has the object's box in the middle of the grid, at a size that fills most of
it, and standing upright. ``placement.json`` holds the way back to the solver's coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from diffrec.data.metres import FORMAT, METRES
from diffrec.prepare import masks
from diffrec.prepare.errors import MasksError
from diffrec.prepare.outline import hull
from diffrec.prepare.solved import Array, Solved, up_of
from nvdiffrec_contract import jsonfiles

MESH_SCALE = 2.1
"""Side of the grid, nvdiffrec's own."""
SIDE = 1.75
"""Longest side of the object's box in that world."""
CELLS = (40, 72)
"""Cells along a side of the cube: around all that the masks show, then around the object."""
VOTES = 0.8
POINTS = 100
"""Points of the object that say how far down it reaches."""
SPARE = 0.1
"""How much further down it may reach, in its height."""


@dataclass(frozen=True)
class Placement:
    """The data set's world, z up, from the solver's: scale * (turn @ (point - centre)).

    Attributes:
        scale: data set units in one of the solver's.
        turn: rotation [3, 3].
        centre: the middle of the object's box, in the solver's world.
        box: the sides of the object's box, data set units.
        metres: in a data set unit; None where no length is known.
    """

    scale: float
    turn: Array
    centre: Array
    box: Array
    metres: float | None = None

    def points(self, points: Array) -> Array:
        """Points of the solver's world in the data set's."""
        return np.asarray(self.scale * (points - self.centre) @ self.turn.T)

    def matrix(self) -> Array:
        """Data set from solver, [4, 4]."""
        found = np.eye(4)
        found[:3, :3] = self.scale * self.turn
        found[:3, 3] = -found[:3, :3] @ self.centre
        return found


def place(solved: Solved, coverage: Mapping[str, NDArray[np.float32]]) -> Placement:
    """The placement by the hull of the masks.

    Args:
        solved: the cameras.
        coverage: of the object in each photograph, [h, w] of any size.

    Raises:
        MasksError: no space is inside the masks.
    """
    turn = _upright(solved)
    centre, half = _reach(solved, coverage)
    box = np.zeros(3)
    for count in CELLS:
        points = hull.cube(np.zeros(3), half, count) @ turn + centre
        carved = hull.carve(solved, coverage, points, VOTES)
        inside = carved.points[carved.inside]
        if not len(inside):
            raise MasksError(
                "no space is inside the masks of all photographs",
                "look at report/masks.png, and correct the masks that show something else",
            )
        level = (inside - centre) @ turn.T
        low, high = np.percentile(level, 0.05, axis=0), np.percentile(level, 99.95, axis=0)
        low[2] = max(low[2], _lowest(solved, coverage, turn, centre, high[2]))
        box = high - low + carved.spacing
        centre = centre + 0.5 * (low + high) @ turn
        half = 0.6 * float(box.max())
    scale = SIDE / float(box.max())
    return Placement(scale, turn, centre, box * scale)


def _lowest(
    solved: Solved,
    coverage: Mapping[str, NDArray[np.float32]],
    turn: Array,
    centre: Array,
    top: float,
) -> float:
    """The height below which nothing of the object was seen.

    Where all photographs look down, the hull goes on below the object until their sights part.
    """
    if len(solved.points) < POINTS:
        return -np.inf
    votes, shown = np.zeros(len(solved.points)), np.zeros(len(solved.points))
    for name, mask in coverage.items():
        value, visible = hull.sampled(solved, name, mask, solved.points)
        votes += np.where(visible, value > 0.5, 0)
        shown += visible
    of_it = solved.points[votes >= VOTES * np.maximum(shown, 1)]
    if len(of_it) < POINTS:
        return -np.inf
    lowest = float(np.percentile((of_it - centre) @ turn[2], 1))
    return lowest - SPARE * (top - lowest)


def _reach(solved: Solved, coverage: Mapping[str, NDArray[np.float32]]) -> tuple[Array, float]:
    points = masks.around(solved, coverage).reshape(-1, 3)
    return points.mean(0), 0.8 * float(np.ptp(points, axis=0).max())


def _upright(solved: Solved) -> Array:
    """Rows are the data set's axes in the solver's world: the first photograph looks along +y."""
    up = up_of(solved.cameras) if solved.up is None else np.array(solved.up)
    forward = solved.cameras[min(solved.cameras)].rotation[:, 2]
    forward = forward - up * (up @ forward)
    if np.linalg.norm(forward) < 1e-6:
        forward = np.cross(up, np.eye(3)[np.abs(up).argmin()])
    forward = forward / np.linalg.norm(forward)
    return np.stack([np.cross(forward, up), forward, up])


def coverage_of(out: Path, solved: Solved, longest: int = 400) -> dict[str, NDArray[np.float32]]:
    """The masks, reduced."""
    found = {}
    for name in solved.cameras:
        mask = masks.grey(masks.path_of(out, name))
        scale = min(1.0, longest / max(mask.shape))
        small = cv2.resize(mask, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        found[name] = np.asarray(small / 255.0, np.float32)
    return found


def save(path: Path, placement: Placement) -> None:
    """Write ``placement.json``."""
    forward = placement.matrix()
    # The trainer turns the data set's z up into the mesh's y up.
    y_up = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    mesh = y_up @ forward
    unit = 1.0 if placement.metres is None else placement.metres
    asset = np.diag([unit, unit, unit, 1.0]) @ mesh
    document: dict[str, Any] = {
        "format": FORMAT,
        "version": 1,
        "mesh_scale": MESH_SCALE,
        "object_box": placement.box.tolist(),
        "data_set_from_solver": forward.tolist(),
        "mesh_from_solver": mesh.tolist(),
        "solver_from_mesh": np.linalg.inv(mesh).tolist(),
        "asset_from_solver": asset.tolist(),
        "solver_from_asset": np.linalg.inv(asset).tolist(),
        METRES: placement.metres,
    }
    jsonfiles.write(path, document)


def load(path: Path) -> Placement:
    """What was saved."""
    document = jsonfiles.read_object(path)
    matrix = np.array(document["data_set_from_solver"])
    scale = float(np.linalg.norm(matrix[0, :3]))
    turn = matrix[:3, :3] / scale
    metres = document.get(METRES)
    box = np.array(document["object_box"])
    return Placement(scale, turn, -turn.T @ matrix[:3, 3] / scale, box, metres)
