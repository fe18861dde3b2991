"""One picture in two files: saved again in another format or quality.

Two photographs of one place say nothing of depth, and what they share outweighs what others say.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 24
"""Pixels of a signature along each side: small enough that how a picture was saved hardly shows."""
SMOOTH = 4.0
SHOWS = 3.0
"""Levels by which a picture differs from its own blur where it can be told from another."""
SAME = 0.998
"""Correlation from which on two signatures are of one picture. Of two photographs of one walk it is
0.6 at most, of one that was saved twice 0.9999."""

Signature = NDArray[np.float32] | None


def signature(picture: NDArray[np.uint8]) -> Signature:
    """What tells a picture, BGR or BGRA, from others; None where it shows next to nothing."""
    grey = cv2.cvtColor(np.ascontiguousarray(picture[..., :3]), cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    detail = (small - cv2.GaussianBlur(small, (0, 0), SMOOTH)).ravel()
    if float(detail.std()) < SHOWS:
        return None
    return np.asarray(detail / np.linalg.norm(detail), np.float32)


def is_among(one: Signature, others: Sequence[Signature]) -> bool:
    """Whether a picture is one of those that were before."""
    known = [other for other in others if other is not None]
    return one is not None and bool(known) and float((np.array(known) @ one).max()) > SAME
