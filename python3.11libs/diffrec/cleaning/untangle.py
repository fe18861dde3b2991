"""Loosens the places where a surface passes through itself, and leaves the rest of it alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffrec.cleaning.intersections import intersecting

__all__ = ["untangled"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROUNDS = 20
_STEPS = 4  # of smoothing in a round
_PATIENCE = 3  # rounds after which a wider place around a knot is smoothed


def untangled(positions: Floats, triangles: Ints) -> tuple[Floats, int, int]:
    """Positions [V, 3] with fewer self-intersecting triangles, and how many there were and are.

    Vertices of such triangles, and those around them, move towards the mean of their neighbours
    until the triangles are apart, or as far as that helps. positions: [V, 3]; triangles: [F, 3].
    """
    sides = triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    # A side of two triangles counts twice for both of its ends, a border's once.
    begin, end = np.concatenate([sides, sides[:, ::-1]]).T
    valence = np.bincount(begin, minlength=len(positions)).clip(1)[:, None]
    current = positions.copy()
    best, before, fewest = positions, 0, len(triangles) + 1
    for number in range(_ROUNDS + 1):
        knots = intersecting(current, triangles)
        count = int(knots.sum())
        if number == 0:
            before = count
        if count < fewest:
            best, fewest = current.copy(), count
        if count == 0 or number == _ROUNDS:
            break
        loose = np.zeros(len(positions), dtype=np.bool_)
        loose[triangles[knots]] = True
        for _ in range(1 + number // _PATIENCE):
            loose[triangles[loose[triangles].any(axis=1)]] = True
        for _ in range(_STEPS):
            mean = np.stack(
                [np.bincount(begin, current[end, k], minlength=len(positions)) for k in range(3)],
                axis=1,
            )
            current[loose] = 0.5 * (current + mean / valence)[loose]
    return best, before, fewest
