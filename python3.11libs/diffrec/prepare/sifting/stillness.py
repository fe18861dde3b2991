"""Whether a camera moved at all, by the photographs alone: before anything is solved from them.

A camera on a tripod before something that turns or walks shows the same surroundings in every
picture. To find its points and pair them takes minutes or hours; to see it takes a moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from diffrec.prepare.errors import CamerasError

LOOKED_AT = 9
"""Photographs, evenly spread, of which each is compared with the next."""
WIDTH = 160
"""Longest side at which they are."""
EDGE = 6.0
"""Levels by which neighbouring pixels differ where something is to be seen."""
FEWEST = 300
"""Pixels that show something, below which nothing is said."""
STAYED = 0.4
"""Pixels by which an edge may seem to move that stands still, by noise."""
NEARLY_ALL = 0.6
"""Part of the edges that stay where a camera stands; the rest is what moves before it. Of one that
moves a fifth at most does, by chance."""
CORNER = 100.0
"""Least eigenvalue of the gradients about a corner that a solver could find again."""
AROUND, LITTLE = 5, 0.25
"""A corner stays where in so many pixels about it no more than that part has changed."""
SURROUNDINGS = 0.04
"""Part of the corners that stays in all pictures where something that covers up to some 60 % of
them turns before a camera that stands. Of photographs taken on a walk none does."""
QUARTERS = 3
"""Quarters of the picture that have to show some of them; a mark is in one or two."""

NEVER_MOVED = (
    "the camera did not move: nearly all that the photographs show stays at one place in "
    "them (or they are one photograph many times, or the object was moved while all around "
    "it stood still)"
)
TURNED = (
    "the surroundings stay at one place in all pictures while the rest moves: the object was "
    "turned, or moved, before a camera that stood still"
)
WALK_AROUND = "walk around the object with the camera, and let the object stand still"

Picture = NDArray[np.uint8]
Grey = NDArray[np.float32]


def small(picture: Picture) -> Grey:
    """A photograph, BGR or BGRA, as it is compared: grey and reduced."""
    grey = cv2.cvtColor(picture[..., :3], cv2.COLOR_BGR2GRAY)
    scale = WIDTH / max(grey.shape)
    size = (max(8, round(grey.shape[1] * scale)), max(8, round(grey.shape[0] * scale)))
    reduced = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(reduced, (0, 0), 0.8), np.float32)


def spread(count: int) -> list[int]:
    """Which of so many photographs are compared."""
    return sorted({i * (count - 1) // (LOOKED_AT - 1) for i in range(LOOKED_AT)})


def refuse(pictures: Sequence[Grey]) -> None:
    """Stop where the camera stood still in photographs that :func:`small` has made.

    Raises:
        CamerasError: nearly all edges stay in their place, in every photograph; or so much of what
            surrounds something that moves that a solver would place the cameras by it.
    """
    pairs = list(pairwise(pictures))
    if pairs and all(stays(a, b) for a, b in pairs):
        raise CamerasError(NEVER_MOVED, WALK_AROUND)
    if len(pairs) >= LOOKED_AT - 1 and surroundings_stay(pictures):
        raise CamerasError(TURNED, WALK_AROUND)


def stays(a: Grey, b: Grey) -> bool:
    """Whether nearly all edges of a photograph are where they are in another."""
    if a.shape != b.shape:
        return False
    across = 0.5 * (np.roll(a, -1, 1) - np.roll(a, 1, 1))[1:-1, 1:-1]
    down = 0.5 * (np.roll(a, -1, 0) - np.roll(a, 1, 0))[1:-1, 1:-1]
    slope = np.hypot(across, down)
    shown = slope > EDGE
    if int(shown.sum()) < FEWEST:
        return False
    moved = np.abs(_change(a, b)[1:-1, 1:-1][shown]) / slope[shown]
    return float((moved < STAYED).mean()) > NEARLY_ALL


def surroundings_stay(pictures: Sequence[Grey]) -> bool:
    """Whether corners all around the middle stay where they are in all of some pictures."""
    if len({one.shape for one in pictures}) != 1:
        return False
    height, width = pictures[0].shape[:2]
    still = np.ones((height, width), np.bool_)
    for a, b in pairwise(pictures):
        across, down = np.gradient(a, axis=1), np.gradient(a, axis=0)
        change = np.abs(_change(a, b)) >= STAYED * np.maximum(np.hypot(across, down), EDGE)
        still &= cv2.blur(change.astype(np.float32), (AROUND, AROUND)) < LITTLE
    corners = [cv2.cornerMinEigenVal(one, AROUND, ksize=3) > CORNER for one in pictures]
    stay = [one & still for one in corners]
    halves = [(slice(0, height // 2), slice(height // 2, None)),
              (slice(0, width // 2), slice(width // 2, None))]  # fmt: skip
    least = SURROUNDINGS * sum(int(one.sum()) for one in corners)
    if sum(int(one.sum()) for one in stay) < max(least, FEWEST):
        return False
    some = [sum(int(one[y, x].sum()) for one in stay) for y in halves[0] for x in halves[1]]
    return sum(one >= least / 8 for one in some) >= QUARTERS


def _change(a: Grey, b: Grey) -> Grey:
    """By how many levels pixels differ; brightness that drifts is no change."""
    drift = b - a * (np.median(b) / max(float(np.median(a)), 1.0))
    return np.asarray(drift - cv2.GaussianBlur(drift, (0, 0), 12), np.float32)
