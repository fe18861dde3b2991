"""Which way is up, by how the cameras were held."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEVEL = 4.0
"""The horizontals of cameras lie in a plane where they spread over it so much more than beside."""
UPWARD = 0.3
"""A camera says what is up where so much of up lies in its picture: of one that looks straight down
any side of the picture may be the upper one."""
TILTED = 45.0
"""Degrees that a camera which was held upright is tilted at most."""
CANDIDATES = 60
"""Cameras whose pairs are asked which way is up, at most."""
ROUNDS = 10


def up_of(right: Array, above: Array) -> Array | None:
    """Up, as the photographer held the camera: at right angles to what was level in the pictures.

    Pictures of a turntable say the same: its axis. Pictures that stand turned against most of the
    others, by a tag that lies or was lost, have no say. None where the cameras say nothing.

    Args:
        right: the cameras' axes [N, 3] along the rows of their pictures.
        above: those [N, 3] up the columns.
    """
    first = _by_all(right, above)
    if first is None or not turned_by(right, above, first).any():
        return first  # nobody contradicts
    found = _most_agreed(_candidates(right, above), right, above)
    for _ in range(ROUNDS):
        agreeing = turned_by(right, above, found) == 0
        better = _by_all(right[agreeing], above[agreeing]) if agreeing.any() else None
        if better is None or np.allclose(better, found):
            break
        if np.count_nonzero(turned_by(right, above, better) == 0) < np.count_nonzero(agreeing):
            break
        found = better
    return found


def _most_agreed(candidates: Array, right: Array, above: Array) -> Array:
    """The direction of [K, 3] that is up in the pictures of the most cameras."""
    along, across = candidates @ above.T, candidates @ right.T
    length = np.hypot(along, across)
    upright = along / np.maximum(length, 1e-12) - np.cos(np.radians(TILTED))
    score = (np.minimum(length / UPWARD, 1) * np.maximum(upright, 0)).sum(1)
    return np.asarray(candidates[score.argmax()])


def turned_by(right: Array, above: Array, up: Array) -> NDArray[np.int64]:
    """Quarter turns [N] clockwise by which pictures stand turned, -1 to 2; 0 for those that stand
    upright or whose camera looks up or down. Arguments as for :func:`up_of`."""
    along, across = above @ up, right @ up
    quarters = np.round(np.degrees(np.arctan2(across, along)) / 90).astype(np.int64)
    quarters[quarters == -2] = 2
    return np.where(np.hypot(along, across) < UPWARD, 0, quarters)


def _by_all(right: Array, above: Array) -> Array | None:
    """Up by cameras that all were held upright."""
    mean = above.mean(0)
    # Cameras that moved around the object: all their horizontals lie in a plane.
    values, vectors = np.linalg.eigh(right.T @ right / len(right))
    found = vectors[:, 0]
    if not values[1] > LEVEL * max(values[0], 1e-9):
        found = mean
    found = found * (1.0 if found @ mean >= 0 else -1.0)
    length = float(np.linalg.norm(found))
    return np.asarray(found / length) if length > 1e-9 else None


def _candidates(right: Array, above: Array) -> Array:
    """Directions [K, 3] that may be up: what each camera has above, and what is level to two."""
    some = right[np.unique(np.linspace(0, len(right) - 1, CANDIDATES).astype(int))]
    one, other = np.triu_indices(len(some), 1)
    crossed = np.cross(some[one], some[other])
    length = np.linalg.norm(crossed, axis=1)
    crossed = crossed[length > 0.1] / length[length > 0.1, None]
    return np.concatenate([above, crossed, -crossed])


def turn_of(up: Array) -> Array:
    """The rotation [3, 3] that takes a unit direction to +y by the shortest way.

    What points straight down is turned about x.
    """
    x, y, z = (float(one) for one in up)
    level = x * x + z * z
    if y < 0 and level < 1e-30:
        return np.diag([1.0, -1.0, -1.0])
    # 1 / (1 + y); near straight down 1 + y has lost its digits.
    share = (1.0 - y) / level if y < 0 else 1.0 / (1.0 + y)
    return np.array(
        [
            [1 - x * x * share, -x, -x * z * share],
            [x, y, z],
            [-x * z * share, -z, 1 - z * z * share],
        ]
    )
