"""Points of the object that the photographs have in common, and what they say about pixels.

A solver's points lie on object and surroundings alike. Whether a point is of the object is known
better than whether a pixel is: the photographs that saw it must all show it within the outline.
Those of the object, seen in a photograph or hidden there, cover what the object covers, and
nothing of the same colour beside it or behind its openings. How much it says that such points are
near is learned, where they lie densely; an object that is smooth, or seen by few photographs, is
left to its colours.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from diffrec.prepare.outline import hull
from diffrec.prepare.solved import Solved

FEWEST = 300
"""Points of the object from which on they say anything."""
SEEN = 3
"""Photographs that must have seen a point."""
AGREE = 0.85
"""Part of the photographs that saw a point whose outlines must hold it."""
STEPS = np.array([0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 26, 34, 1e9])
"""Bounds of distances to the next point, in pixels of a picture 320 wide."""
WIDTH = 320.0
WITHIN, AROUND = 0.03, 0.15
"""How far from the outline object and surroundings are learned from, in longest sides of the
picture: at its rim an object has fewer points than in its middle."""
RARE = 1e-4
"""A part of the pixels that may be chance."""
LIMIT = 3.0
"""The most that points say, as a logarithm of odds."""
DENSE, SPARSE = 0.03, 0.06
"""How far three quarters of the object are from its next point at most, in radii of a disc of its
size: up to the first points say what they can, from the second on nothing, as gaps between them are
no better than what lies beside the object."""

Floats = NDArray[np.float32]


class Landmarks:
    """The solver's points, and which photographs saw each."""

    def __init__(self, solved: Solved) -> None:
        self._solved = solved
        seen: dict[str, list[int]] = {name: [] for name in solved.cameras}
        for number, names in enumerate(solved.seen):
            for name in names:
                if name in seen:
                    seen[name].append(number)
        self._seen = {name: np.array(numbers, np.int64) for name, numbers in seen.items()}

    def odds(self, outlines: Mapping[str, Floats]) -> dict[str, Floats]:
        """Whether pixels are of the object, by the points near them.

        Args:
            outlines: what is taken for the object so far in each photograph, [H, W], 0 to 1.

        Returns:
            the logarithm of the odds, [H, W] for each photograph; none where the object has too
            few points.
        """
        ours = self._of_the_object(outlines)
        if ours.sum() < FEWEST:
            return {}
        away = {name: self._distance(name, ours, one) for name, one in outlines.items()}
        weight = (SPARSE - _gaps(away, outlines)) / (SPARSE - DENSE)
        if weight <= 0:
            return {}
        inside, beside = np.zeros((2, len(STEPS) - 1))
        for name, outline in outlines.items():
            mask = (outline > 0.5).astype(np.uint8)
            width = max(mask.shape)
            to_edge = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
            to_object = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5)
            rim = (mask > 0) & (to_edge <= WITHIN * width)
            near = (mask == 0) & (to_object <= AROUND * width)
            inside += np.histogram(away[name][rim], STEPS)[0]
            beside += np.histogram(away[name][near], STEPS)[0]
        inside, beside = inside / max(inside.sum(), 1), beside / max(beside.sum(), 1)
        told = np.clip(np.log((inside + RARE) / (beside + RARE)), -LIMIT, LIMIT)
        told *= min(weight, 1.0)
        middles = 0.5 * (STEPS[:-1] + np.minimum(STEPS[1:], 1.2 * STEPS[-2]))
        return {
            name: np.interp(one, middles, told).astype(np.float32) for name, one in away.items()
        }

    def _of_the_object(self, outlines: Mapping[str, Floats]) -> NDArray[np.bool_]:
        """Which points [N] lie within the outline in the photographs that saw them."""
        points = self._solved.points
        held, shown = np.zeros(len(points)), np.zeros(len(points))
        for name, outline in outlines.items():
            numbers = self._seen[name]
            value, visible = hull.sampled(self._solved, name, outline, points[numbers])
            held[numbers] += value * visible
            shown[numbers] += visible
        return np.asarray((shown >= SEEN) & (held >= AGREE * shown))

    def _distance(self, name: str, ours: NDArray[np.bool_], outline: Floats) -> Floats:
        """Of each pixel to the next place with points of the object, hidden ones too, [H, W]."""
        size = (outline.shape[0], outline.shape[1])
        places = hull.shown(self._solved, name, self._solved.points[ours], size)
        found = cv2.distanceTransform(1 - places, cv2.DIST_L2, 5)
        return np.asarray(found * (WIDTH / max(size)), np.float32)


def _gaps(away: Mapping[str, Floats], outlines: Mapping[str, Floats]) -> float:
    """How far three quarters of the object are from its next point, in its radii."""
    distances, radii = [], []
    for name, outline in outlines.items():
        inside = outline > 0.5
        scale = WIDTH / max(outline.shape)
        distances.append(away[name][inside])
        radii.append(scale * np.sqrt(inside.sum() / np.pi))
    return float(np.percentile(np.concatenate(distances), 75) / max(float(np.mean(radii)), 1e-6))
