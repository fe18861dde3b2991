"""Figures of a result beside the truth; every picture is of the same views of both."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from diffrec import colour
from diffrec.colour import linear_to_srgb
from relight.lights import directions, solid_angles

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

LUMINANCE = np.array(colour.LUMINANCE, np.float32)
DARKEST_VISIBILITY = 0.05
DARKEST_ALBEDO = 0.01
COMPARED = 32
"""Rows of the panoramas that lights are compared as: a texel is 5.6 degrees."""


def encoded(linear: Floats) -> Floats:
    """SRGB in [0, 1] of linear values."""
    values = torch.from_numpy(np.clip(linear, 0, 1).astype(np.float32))
    return np.asarray(linear_to_srgb(values).numpy(), np.float32)


def psnr(found: Floats, truth: Floats, where: Mask | None = None) -> float:
    """In dB, of sRGB pictures [N, H, W, 3] given as linear; the mean over views.

    where: [N, H, W], the pixels that count; a view without any is passed over.
    """
    figures = []
    for number in range(len(truth)):
        error = (encoded(found[number]) - encoded(truth[number])) ** 2
        if where is not None:
            error = error[where[number]]
        if error.size:
            figures.append(-10 * math.log10(max(float(error.mean()), 1e-10)))
    return float(np.mean(figures)) if figures else math.nan


def over_white(colour: Floats, coverage: Floats) -> Floats:
    """Pictures over black, [..., 3] and [..., 1], put over white."""
    return colour + 1 - coverage


def interior(*coverages: Floats, rim: int = 2) -> Mask:
    """Pixels [N, H, W] that all the objects cover, farther than `rim` from where one does not."""
    whole = np.min([one[..., 0] for one in coverages], axis=0) > 0.999
    kernel = np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)
    return np.stack([
        cv2.erode(view.astype(np.uint8), kernel, borderValue=0) > 0 for view in whole
    ])  # fmt: skip


def albedo_scale(found: Floats, truth: Floats, where: Mask) -> Floats:
    """Factors [3] that bring an albedo nearest to the true one (least squares, linear)."""
    a, b = found[where].astype(np.float64), truth[where].astype(np.float64)
    factors = (a * b).sum(axis=0) / np.maximum((a * a).sum(axis=0), 1e-9)
    return np.asarray(factors, np.float32)


def bake_slope(albedo: Floats, truth: Floats, visibility: Floats, where: Mask) -> float:
    """Slope of the log of an albedo, over the true one, on the log of visibility.

    0: shadows are in the light alone; 1: they are painted. visibility: [N, H, W], 0 to 1.
    nan where nothing is in shadow.
    """
    seen = np.log(np.clip(visibility[where], DARKEST_VISIBILITY, 1).astype(np.float64))
    painted = [np.log(np.maximum(one[where] @ LUMINANCE, DARKEST_ALBEDO))
               for one in (albedo, truth)]  # fmt: skip
    spread = seen - seen.mean()
    total = float((spread**2).sum())
    if total < 1e-6 * len(seen) or not len(seen):
        return math.nan
    return float((spread * (painted[0] - painted[1]).astype(np.float64)).sum() / total)


def normal_error(found: Floats, truth: Floats, where: Mask) -> float:
    """Mean angle in degrees between normals [N, H, W, 3] of any length."""
    a, b = found[where].astype(np.float64), truth[where].astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosine = (a * b).sum(axis=1) / np.maximum(lengths, 1e-9)
    return float(np.degrees(np.arccos(cosine.clip(-1, 1))).mean())


@dataclass(frozen=True)
class LightFigures:
    """Correlation of log radiance, the highest radiance over the true one, and the angle in
    degrees between the places of both."""

    correlation: float
    peak: float
    off: float


def light_figures(found: Floats, truth: Floats) -> LightFigures:
    """Compare panoramas [H, 2H, 3], linear; each is averaged to `COMPARED` rows first.

    Radiance is luminance. Texels count by their solid angle; what is darker than a thousandth of
    a light's mean counts as that.
    """
    small = [_reduced(one) @ LUMINANCE for one in (found, truth)]
    weight = np.repeat(solid_angles(COMPARED)[:, None], 2 * COMPARED, axis=1)
    weight = weight / weight.sum()
    logs = []
    for one in small:
        value = np.log(np.maximum(one, 1e-3 * float((weight * one).sum()) + 1e-12))
        logs.append(value - (weight * value).sum())
    a, b = logs
    norm = math.sqrt(float((weight * a * a).sum()) * float((weight * b * b).sum()))
    correlation = float((weight * a * b).sum()) / norm if norm > 1e-12 else 0.0
    ways = directions(COMPARED).reshape(-1, 3)
    first, second = (ways[one.argmax()] for one in small)
    off = math.degrees(math.acos(float(np.clip(first @ second, -1, 1))))
    return LightFigures(correlation, float(small[0].max() / small[1].max()), off)


def _reduced(panorama: Floats) -> Floats:
    """Averaged to `COMPARED` rows, by the pixels' solid angles."""
    height = panorama.shape[0]
    if height % COMPARED:
        raise ValueError(f"a panorama of {height} rows is not a multiple of {COMPARED}")
    factor = height // COMPARED
    weight = solid_angles(height).reshape(COMPARED, factor, 1, 1, 1)
    blocks = panorama.reshape(COMPARED, factor, 2 * COMPARED, factor, 3)
    means = (blocks * weight).sum(axis=(1, 3)) / (weight.sum(axis=(1, 3)) * factor)
    return np.asarray(means, np.float32)


def chamfer(
    first: tuple[Floats, NDArray[np.int64]],
    second: tuple[Floats, NDArray[np.int64]],
    count: int = 20_000,
) -> float:
    """Mean of the mean distances from each surface to the other, in world units.

    Surfaces: positions [V, 3] and triangles [F, 3], of which `count` points each are drawn.
    """
    a, b = (_points(*one, count) for one in (first, second))
    there, back = cKDTree(b).query(a)[0].mean(), cKDTree(a).query(b)[0].mean()
    return float(0.5 * (there + back))


def _points(positions: Floats, triangles: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    chance = np.random.default_rng(0)
    corners = positions[triangles].astype(np.float64)
    sides = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = np.linalg.norm(np.cross(*sides), axis=1)
    which = chance.choice(len(triangles), count, p=areas / areas.sum())
    u, v = chance.random((2, count, 1))
    flip = u + v > 1
    u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
    return np.asarray(corners[which, 0] + u * sides[0][which] + v * sides[1][which])
