"""The sample's textures and sky, painted with arithmetic."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 512
SKY_HEIGHT = 512

Picture = NDArray[np.float32]

# Albedo is sRGB, as a painter picks it.
CREAM, NAVY = (0.91, 0.85, 0.72), (0.10, 0.14, 0.36)
TEAL, ORANGE = (0.10, 0.52, 0.50), (0.91, 0.45, 0.14)
GOLD, COPPER = (0.90, 0.72, 0.36), (0.80, 0.48, 0.36)
CRIMSON, WHITE = (0.68, 0.10, 0.15), (0.93, 0.92, 0.89)
LETTERS = "TOPS"


def textures(size: int = SIZE) -> tuple[Picture, Picture]:
    """(kd, ks), both [size, size, 3]: kd is sRGB, ks is (occlusion, roughness, metalness), linear.

    Painted at twice the size and reduced with an area filter. Columns are u, along the ring; rows
    are v, around the tube. Four quarters: dots, diagonal stripes, metal chequers, letters.
    """
    full = 2 * size
    u, v = np.meshgrid((np.arange(full) + 0.5) / full, (np.arange(full) + 0.5) / full)
    quarter = np.floor(4 * u).astype(int)
    local = 4 * u - quarter
    kd = np.zeros((full, full, 3))
    roughness = np.zeros((full, full))
    metalness = np.zeros((full, full))

    def paint(
        where: NDArray[np.bool_], color: tuple[float, ...], rough: float, metal: float
    ) -> None:
        kd[where], roughness[where], metalness[where] = color, rough, metal

    dots = quarter == 0
    row = np.floor(8 * v)
    across = np.mod(4 * local + 0.5 * np.mod(row, 2), 1) - 0.5
    down = np.mod(8 * v, 1) - 0.5
    paint(dots, CREAM, 0.65, 0)
    paint(dots & (across**2 + down**2 < 0.33**2), NAVY, 0.25, 0)
    stripes = quarter == 1
    paint(stripes, TEAL, 0.4, 0)
    paint(stripes & (np.mod(3 * local + 4 * v, 1) < 0.45), ORANGE, 0.8, 0)
    chequers = quarter == 2
    odd = np.mod(np.floor(4 * local) + np.floor(8 * v), 2) == 1
    paint(chequers, GOLD, 0.22, 1)
    paint(chequers & odd, COPPER, 0.45, 1)
    letters = quarter == 3
    paint(letters, CRIMSON, 0.5, 0)
    paint(letters & (_letters(full) > 127), WHITE, 0.5, 0)
    seam = np.abs(np.mod(4 * u + 0.5, 1) - 0.5) < 0.035
    paint(seam, (0.13, 0.13, 0.14), 0.3, 0)
    # Smooth changes on top of the sharp ones, so that both are there to be recovered.
    roughness += 0.1 * np.sin(2 * np.pi * (2 * u + v))
    ks = np.stack([np.zeros_like(roughness), roughness.clip(0.12, 0.95), metalness], axis=-1)
    return _reduced(kd, size), _reduced(ks, size)


def _letters(full: int) -> NDArray[np.uint8]:
    """The word twice around the tube in the last quarter, reading along v; 255 is ink."""
    width, height = full // 2, full // 4  # as read: v runs to the right, u downwards
    band = np.zeros((height, width), np.uint8)
    ((wide, tall), _) = cv2.getTextSize(LETTERS, cv2.FONT_HERSHEY_DUPLEX, 1, 1)
    # The quarter is about as long as the tube is round, so letters keep their proportions.
    scale = min(0.82 * width / wide, 0.5 * height / tall)
    thickness = max(2, round(7 * scale / 2))
    ((wide, tall), _) = cv2.getTextSize(LETTERS, cv2.FONT_HERSHEY_DUPLEX, scale, thickness)
    at = ((width - wide) // 2, (height + tall) // 2)
    cv2.putText(band, LETTERS, at, cv2.FONT_HERSHEY_DUPLEX, scale, 255, thickness, cv2.LINE_8)
    ink = np.zeros((full, full), np.uint8)
    turned = np.rot90(band, -1)
    ink[:width, -height:] = turned
    ink[width : 2 * width, -height:] = turned
    return ink


def _reduced(picture: NDArray[np.float64], size: int) -> Picture:
    reduced = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(reduced, dtype=np.float32)


def sky(height: int = SKY_HEIGHT) -> Picture:
    """Latitude-longitude radiance [height, 2 height, 3], linear; row 0 up, the middle looks to -z.

    A gradient sky over brown ground, a sun of moderate strength, a warm and a cool soft box.
    """
    v, u = np.meshgrid(
        (np.arange(height) + 0.5) / height,
        (np.arange(2 * height) + 0.5) / (2 * height),
        indexing="ij",
    )
    azimuth, polar = (u - 0.5) * 2 * np.pi, v * np.pi
    direction = np.stack(
        [np.sin(polar) * np.sin(azimuth), np.cos(polar), -np.sin(polar) * np.cos(azimuth)], axis=-1
    )
    up = direction[..., 1:2]
    horizon, zenith = np.array([0.80, 0.78, 0.76]), np.array([0.16, 0.32, 0.72])
    ground = np.array([0.20, 0.16, 0.12]) * (0.6 + 0.4 * np.exp(-4 * np.maximum(-up, 0)))
    radiance = horizon + (zenith - horizon) * np.maximum(up, 0) ** 0.55
    radiance = radiance + (ground - radiance) * _smooth(-up / 0.03)
    toward = _unit(math.radians(38), math.radians(42))
    angle = np.arccos(np.clip(direction @ toward, -1, 1))[..., None]
    radiance = radiance + np.array([1.0, 0.9, 0.72]) * (
        45 * _smooth((math.radians(5) - angle) / math.radians(1) + 0.5) + 0.8 * np.exp(-angle * 6)
    )
    for azimuth_of, elevation, size, color in (
        (math.radians(-105), math.radians(20), (0.34, 0.5), (5.5, 2.6, 1.5)),
        (math.radians(150), math.radians(30), (0.6, 0.26), (1.2, 2.6, 5.0)),
    ):
        radiance = radiance + np.array(color) * _soft_box(direction, azimuth_of, elevation, size)
    return np.asarray(radiance, dtype=np.float32)


def _unit(azimuth: float, elevation: float) -> NDArray[np.float64]:
    """Unit vector; azimuth from -z towards +x."""
    c = math.cos(elevation)
    return np.array([c * math.sin(azimuth), math.sin(elevation), -c * math.cos(azimuth)])


def _soft_box(
    direction: NDArray[np.float64], azimuth: float, elevation: float, size: tuple[float, float]
) -> NDArray[np.float64]:
    """1 inside a rectangle of half width and height ``size`` on the plane at distance 1, else 0."""
    forward = _unit(azimuth, elevation)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    ahead = direction @ forward
    safe = np.where(ahead > 1e-3, ahead, 1e-3)
    x = np.abs(direction @ right) / safe
    y = np.abs(direction @ np.cross(right, forward)) / safe
    edge = 0.06
    inside = _smooth((size[0] - x) / edge + 0.5) * _smooth((size[1] - y) / edge + 0.5)
    return np.asarray(np.where(ahead > 1e-3, inside, 0.0))[..., None]


def _smooth(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 below 0, 1 above 1, 3x^2 - 2x^3 between."""
    x = np.clip(x, 0, 1)
    return np.asarray(x * x * (3 - 2 * x))
