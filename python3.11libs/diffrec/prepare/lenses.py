"""Lens distortions: where a direction falls in the picture of a lens of focal length 1.

``opencv`` is OpenCV's: k1, k2, p1, p2 and perhaps k3 to k6, the last three in the denominator.
``brown`` has four radial coefficients, all in the numerator: k1, k2, k3, k4, p1, p2; its tangential
part is OpenCV's. Every other name is one of COLMAP's camera models (``OPENCV_FISHEYE``, ``FOV``,
``EUCM`` ...) with those of its parameters that follow focal length and principal point, and COLMAP
itself does the sum. Documented in OpenCV's *calib3d* and in COLMAP's *Camera Models*.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffrec.prepare.errors import solver

Array = NDArray[np.float64]

OPENCV, BROWN = "opencv", "brown"
STEPS = 30
"""By which a distortion is taken out of a pixel: no lens needs more."""
NEAR, BESIDE, SINGULAR = 1e-11, 1e-7, 1e-3
WIDE = 4.0
"""Directions further than this from the axis, in distances to the picture at distance 1, are of no
use: a pinhole picture that shows them shows little else."""
COEFFICIENTS = {
    "SIMPLE_RADIAL_FISHEYE": 1,
    "RADIAL_FISHEYE": 2,
    "OPENCV_FISHEYE": 4,
    "FOV": 1,
    "THIN_PRISM_FISHEYE": 8,
    "RAD_TAN_THIN_PRISM_FISHEYE": 12,
    "SIMPLE_DIVISION": 1,
    "DIVISION": 1,
    "SIMPLE_FISHEYE": 0,
    "FISHEYE": 0,
    "EUCM": 2,
}
"""How many each of COLMAP's models has that is not a case of OpenCV's."""
OF_OPENCV = {
    "SIMPLE_PINHOLE": 0,
    "PINHOLE": 0,
    "SIMPLE_RADIAL": 1,
    "RADIAL": 2,
    "OPENCV": 4,
    "FULL_OPENCV": 8,
}
"""COLMAP's models that are cases of OpenCV's, with the number of their coefficients."""


def distorted(model: str, coefficients: tuple[float, ...], rays: Array) -> Array:
    """Where directions [N, 2] (x / z, y / z) fall."""
    if model in COEFFICIENTS:
        points = np.concatenate([rays, np.ones((len(rays), 1))], axis=1)
        found = _camera(model, coefficients).img_from_cam(points)
        return np.asarray(found, np.float64).reshape(-1, 2)
    if not any(coefficients):
        return rays
    x, y = rays.T
    square = x * x + y * y
    if model == BROWN:
        k1, k2, k3, k4, p1, p2 = (*coefficients, *[0.0] * 6)[:6]
        radial = 1 + square * (k1 + square * (k2 + square * (k3 + square * k4)))
    else:
        k1, k2, p1, p2, k3, k4, k5, k6 = (*coefficients, *[0.0] * 8)[:8]
        radial = (1 + square * (k1 + square * (k2 + square * k3))) / (
            1 + square * (k4 + square * (k5 + square * k6))
        )
    return np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (square + 2 * x * x),
            y * radial + p1 * (square + 2 * y * y) + 2 * p2 * x * y,
        ],
        axis=1,
    )


def undistorted(model: str, coefficients: tuple[float, ...], places: Array) -> Array:
    """The directions [N, 2] that fall on places [N, 2]: the inverse of :func:`distorted`. What lies
    further out than ``WIDE``, or has no direction, comes out on that edge."""
    if model in COEFFICIENTS:
        found = np.asarray(_camera(model, coefficients).cam_from_img(places), np.float64)
        lost = ~np.isfinite(found).all(1)
        found[lost] = np.copysign(WIDE, places[lost])
        return np.clip(found, -WIDE, WIDE)
    found = places
    for _ in range(STEPS if any(coefficients) else 0):
        # Newton's: the derivatives are taken from beside.
        here = distorted(model, coefficients, found)
        off = places - here
        if np.abs(off).max(initial=0) < NEAR:
            break
        (a, c), (b, d) = (
            ((distorted(model, coefficients, found + aside) - here) / BESIDE).T
            for aside in BESIDE * np.eye(2)
        )
        whole = a * d - b * c
        whole = np.where(np.abs(whole) < SINGULAR, np.copysign(SINGULAR, whole), whole)
        step = np.stack([d * off[:, 0] - b * off[:, 1], a * off[:, 1] - c * off[:, 0]], axis=1)
        found = np.clip(found + step / whole[:, None], -WIDE, WIDE)
    return found


@lru_cache(maxsize=64)
def _camera(model: str, coefficients: tuple[float, ...]) -> Any:
    """COLMAP's camera of focal length 1 with its axis at 0."""
    colmap = solver()
    camera = colmap.Camera.create_from_model_name(1, model, 1.0, 1, 1)
    focal = [1.0] * len(camera.focal_length_idxs())
    camera.params = [*focal, 0.0, 0.0, *coefficients]
    return camera
