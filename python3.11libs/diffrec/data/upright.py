"""Which way is up, by how the cameras were held."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEVEL = 4.0
"""The horizontals of cameras lie in a plane where they spread over it so much more than beside."""


def up_of(right: Array, above: Array) -> Array | None:
    """Up, as the photographer held the camera: at right angles to what was level in the pictures.

    Pictures of a turntable say the same: its axis. None where the cameras say nothing.

    Args:
        right: the cameras' axes [N, 3] along the rows of their pictures.
        above: those [N, 3] up the columns.
    """
    mean = above.mean(0)
    # Cameras that moved around the object: all their horizontals lie in a plane.
    values, vectors = np.linalg.eigh(right.T @ right / len(right))
    found = vectors[:, 0]
    if not values[1] > LEVEL * max(values[0], 1e-9):
        found = mean
    found = found * (1.0 if found @ mean >= 0 else -1.0)
    length = float(np.linalg.norm(found))
    return np.asarray(found / length) if length > 1e-9 else None


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
