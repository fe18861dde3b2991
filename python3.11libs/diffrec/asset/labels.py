"""Numbers that belong together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def joined(count: int, pairs: Ints) -> Ints:
    """[count]: for each number below `count`, the lowest one that the pairs [2, P] join it with.

    Each round goes one pair farther: for small groups, such as the corners around a vertex.
    """
    label: Ints = np.arange(count)
    while True:
        least = np.minimum(label[pairs[0]], label[pairs[1]])
        following = label.copy()
        np.minimum.at(following, pairs[0], least)
        np.minimum.at(following, pairs[1], least)
        if (following == label).all():
            return label
        label = following
