"""The benchmark's lights: panoramas made of gradients and of discs of radiance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Colour = tuple[float, float, float]

HEIGHT = 128


@dataclass(frozen=True)
class Disc:
    """A round light. Azimuth from -z towards +x, elevation and radius in degrees; linear RGB."""

    azimuth: float
    elevation: float
    radius: float
    colour: Colour


@dataclass(frozen=True)
class Light:
    """Radiance of zenith, horizon and ground, and the discs on them; linear RGB."""

    zenith: Colour
    horizon: Colour
    ground: Colour
    discs: tuple[Disc, ...] = ()


LIGHTS = {
    # The sun is as bright as the rest of the sky together, from a thousandth of its area.
    "sun": Light((0.16, 0.26, 0.5), (0.45, 0.46, 0.48), (0.14, 0.12, 0.09),
                 (Disc(38, 42, 2.5, (420.0, 380.0, 310.0)),)),
    "coloured": Light((0.05, 0.08, 0.16), (0.10, 0.12, 0.16), (0.08, 0.04, 0.03),
                      (Disc(-70, 25, 22, (5.5, 1.1, 0.5)), Disc(115, 35, 22, (0.4, 1.2, 5.0)),
                       Disc(20, 55, 2.5, (260.0, 250.0, 200.0)))),
    "overcast": Light((1.1, 1.15, 1.25), (0.6, 0.62, 0.65), (0.18, 0.17, 0.15)),
    "evening": Light((0.10, 0.13, 0.26), (0.42, 0.28, 0.2), (0.08, 0.06, 0.05),
                     (Disc(-120, 14, 3, (420.0, 210.0, 80.0)),)),
    "studio": Light((0.10, 0.10, 0.10), (0.08, 0.08, 0.08), (0.05, 0.05, 0.05),
                    (Disc(-50, 35, 17, (9.0, 8.6, 8.0)), Disc(80, 10, 14, (3.2, 3.8, 4.6)),
                     Disc(180, 50, 10, (7.0, 6.6, 6.0)))),
    "window": Light((0.12, 0.11, 0.10), (0.14, 0.12, 0.10), (0.10, 0.07, 0.05),
                    (Disc(150, 20, 26, (4.0, 4.6, 5.6)),)),
}  # fmt: skip
OTHERS = ("overcast", "evening", "studio", "window")
"""The lights that no training sees."""


def panorama(name: str, height: int = HEIGHT) -> Floats:
    """Radiance [height, 2 height, 3], linear RGB; row 0 up, the middle looks to -z."""
    light = LIGHTS[name]
    found = np.zeros((height, 2 * height, 3))
    fine = 4  # samples of a pixel along each side, so that small discs keep their energy
    for row in range(fine):
        for column in range(fine):
            ways = directions(height, ((row + 0.5) / fine, (column + 0.5) / fine))
            found += _radiance(light, ways)
    return np.asarray(found / fine**2, np.float32)


def directions(height: int, within: tuple[float, float] = (0.5, 0.5)) -> NDArray[np.float64]:
    """Unit ways [height, 2 height, 3] to the points of a panorama's pixels, as (row, column)."""
    polar = (np.arange(height) + within[0]) / height * np.pi
    azimuth = ((np.arange(2 * height) + within[1]) / (2 * height) - 0.5) * 2 * np.pi
    polar, azimuth = np.meshgrid(polar, azimuth, indexing="ij")
    ring = np.sin(polar)
    return np.stack([ring * np.sin(azimuth), np.cos(polar), -ring * np.cos(azimuth)], axis=-1)


def solid_angles(height: int) -> NDArray[np.float64]:
    """Steradians [height] of a pixel of each row; 4 pi over the whole panorama."""
    edges = np.cos(np.arange(height + 1) / height * np.pi)
    return np.asarray((edges[:-1] - edges[1:]) * np.pi / height)


def irradiance(light: Floats, normals: Floats) -> Floats:
    """What points with normals [N, 3] get of the whole panorama, over pi, [N, 3]; no shadows."""
    height = light.shape[0]
    ways = directions(height).reshape(-1, 3).astype(np.float32)
    weights = np.repeat(solid_angles(height), 2 * height)[:, None] * light.reshape(-1, 3) / np.pi
    found = [
        np.maximum(part @ ways.T, 0) @ weights.astype(np.float32)
        for part in np.array_split(normals, max(1, len(normals) // 512))
    ]
    return np.concatenate(found)


def _radiance(light: Light, ways: NDArray[np.float64]) -> NDArray[np.float64]:
    up = ways[..., 1:2]
    above = np.maximum(up, 0) ** 0.6
    sky = np.array(light.horizon) * (1 - above) + np.array(light.zenith) * above
    found = np.where(up > 0, sky, np.array(light.ground))
    for disc in light.discs:
        turn, tilt = math.radians(disc.azimuth), math.radians(disc.elevation)
        c = math.cos(tilt)
        toward = np.array([c * math.sin(turn), math.sin(tilt), -c * math.cos(turn)])
        inside = ways @ toward > math.cos(math.radians(disc.radius))
        found = found + inside[..., None] * np.array(disc.colour)
    return found
