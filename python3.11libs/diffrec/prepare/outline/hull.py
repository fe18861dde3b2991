"""The space that an object takes, by vote of its silhouettes (Laurentini's visual hull 1994)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from diffrec.prepare.solved import Array, Solved

MOST_PIECES = 40
"""Pieces among which the largest is looked for."""
VOTES = 0.85
"""Part of the photographs showing a point whose silhouettes must hold it."""
FEWEST = 0.4
"""Part of the photographs that must show a point for it to be of the object: what lies far off is
shown by few, which may all have the object before it."""


@dataclass(frozen=True)
class Hull:
    """Votes in a cube of points.

    Attributes:
        points: [N, N, N, 3] in the world.
        votes: part of the photographs showing each point that say it is of the object; 0 where too
            few show it.
        needed: part of the votes by which a point is of the object.
    """

    points: Array
    votes: NDArray[np.float32]
    needed: float = VOTES

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """Which points are of the object: the largest piece of those with enough votes."""
        return largest_piece(self.votes >= self.needed)

    def box(self) -> tuple[Array, Array]:
        """Lowest and highest corner of what is of the object; of the cube where nothing is."""
        found = self.points[self.inside]
        found = found if len(found) else self.points.reshape(-1, 3)
        half = 0.5 * self.spacing
        return found.min(0) - half, found.max(0) + half

    @property
    def filled(self) -> float:
        """Part of the cube that is of the object."""
        return float(self.inside.mean())

    @property
    def spacing(self) -> float:
        """Distance of neighbouring points."""
        return float(np.linalg.norm(self.points[1, 0, 0] - self.points[0, 0, 0]))


def largest_piece(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected piece of a grid [N, N, N]; a bridge of one or two cells is none."""
    core = _eroded(inside)
    left, best = core.copy(), np.zeros_like(core)
    for _ in range(MOST_PIECES):
        if not left.any() or left.sum() <= best.sum():
            break
        piece = np.zeros_like(core)
        piece[np.unravel_index(int(left.argmax()), left.shape)] = True
        while True:
            grown = _dilated(piece) & left
            if grown.sum() == piece.sum():
                break
            piece = grown
        left &= ~piece
        if piece.sum() > best.sum():
            best = piece
    return np.asarray(_dilated(best) & inside if best.any() else inside)


def _dilated(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    found = inside.copy()
    for axis in range(3):
        ahead, behind = _halves(axis)
        found[ahead] |= inside[behind]
        found[behind] |= inside[ahead]
    return found


def _eroded(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return ~_dilated(~inside)


def _halves(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """All but the first, and all but the last, along an axis."""
    ahead, behind = [slice(None)] * 3, [slice(None)] * 3
    ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
    return tuple(ahead), tuple(behind)


def cube(centre: Array, half: float, count: int) -> Array:
    """Points [count, count, count, 3], the middles of the cells of a cube."""
    line = (np.arange(count) + 0.5) / count * 2 * half - half
    grid = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1)
    return np.asarray(grid + centre)


def carve(
    solved: Solved,
    masks: Mapping[str, NDArray[np.float32]],
    points: Array,
    needed: float = VOTES,
    doubt: float = 1.0,
) -> Hull:
    """The votes of silhouettes (coverage [h, w] in 0 to 1, of any size) over points.

    ``doubt`` is the weight of a vote of one half, that of 0 or 1 being 1: below 1 what is doubtful
    in one photograph is left to the others.
    """
    flat = points.reshape(-1, 3)
    votes = np.zeros(len(flat), np.float32)
    weights = np.zeros(len(flat), np.float32)
    shown = np.zeros(len(flat), np.float32)
    for name, mask in masks.items():
        value, visible = sampled(solved, name, mask, flat)
        weight = np.where(visible, np.maximum(np.abs(2 * value - 1), doubt), 0)
        votes += weight * value
        weights += weight
        shown += visible
    part = np.where(shown >= FEWEST * len(masks), votes / np.maximum(weights, 1e-6), 0)
    return Hull(points, part.astype(np.float32).reshape(points.shape[:3]), needed)


def sampled(
    solved: Solved, name: str, picture: NDArray[np.float32], points: Array
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A picture's values where it shows points [N, 3], and whether it does."""
    pixels, before = solved.project(name, points)
    height, width = solved.lenses[solved.cameras[name].lens].size
    pixels = np.nan_to_num(np.clip(pixels, -1e6, 1e6), nan=-1.0)
    x = pixels[:, 0] / width * picture.shape[1]
    y = pixels[:, 1] / height * picture.shape[0]
    column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    visible = (
        before & (column >= 0) & (row >= 0)
        & (column < picture.shape[1]) & (row < picture.shape[0])
    )  # fmt: skip
    value = picture[np.where(visible, row, 0), np.where(visible, column, 0)]
    return value, visible


def shown(solved: Solved, name: str, points: Array, size: tuple[int, int]) -> NDArray[np.uint8]:
    """1 at the pixels of a picture of ``size`` (height, width) that points [N, 3] lie in."""
    found = np.zeros(size, np.uint8)
    pixels, before = solved.project(name, points)
    height, width = solved.lenses[solved.cameras[name].lens].size
    pixels = pixels[before] * [size[1] / width, size[0] / height]
    kept = ((pixels >= 0) & (pixels < [size[1], size[0]])).all(1)
    column, row = np.floor(pixels[kept]).astype(np.int64).T
    found[row, column] = 1
    return found


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Intersection of two outlines by their union."""
    return float((a & b).sum() / max(int((a | b).sum()), 1))


def silhouette(solved: Solved, name: str, hull: Hull, size: tuple[int, int]) -> NDArray[np.bool_]:
    """What the hull covers in a photograph, for a picture of ``size`` (height, width)."""
    inside = hull.points[hull.inside]
    found = shown(solved, name, inside, size)
    if not len(inside):
        return found > 0
    # A point stands for a cell: as large in the picture as it is at that distance.
    camera = solved.cameras[name]
    lens = solved.lenses[camera.lens]
    depth = float(np.median(camera.into(inside)[:, 2]))
    focal = lens.focal[0] * (size[1] / lens.size[1])
    reach = max(1, int(np.ceil(1.8 * hull.spacing * focal / max(depth, 1e-9))))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach | 1, reach | 1))
    return np.asarray(cv2.morphologyEx(found, cv2.MORPH_CLOSE, kernel) > 0)
