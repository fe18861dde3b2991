"""A patterned ball above a patterned floor, photographed from a ring of cameras: all known."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from diffrec.prepare.solved import Array, Camera, Lens, Solved

CENTRE = np.array([0.3, -0.2, 0.5])
RADIUS = 0.5
FLOOR = -0.1
LENS = Lens((120, 160), (190.0, 190.0), (80.0, 60.0), (0.0, 0.0, 0.0, 0.0))


def looking(eye: Array, at: Array, lens: int = 1) -> Camera:
    """A camera at ``eye`` that looks at a point, with z up."""
    forward = (at - eye) / np.linalg.norm(at - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return Camera(lens, np.stack([right, np.cross(forward, right), forward], axis=1), eye)


def ring(
    count: int,
    distance: float = 2.2,
    lens: Lens = LENS,
    heights: tuple[float, ...] = (0.5, 1.1),
    arc: float = 2 * math.pi,
) -> Solved:
    """Cameras around the ball, or along an arc of that, in turn at each of the heights above its
    middle."""
    cameras = {}
    for i in range(count):
        angle = arc * i / count
        out = np.array([math.cos(angle), math.sin(angle), heights[i % len(heights)]])
        cameras[f"view_{i:02d}"] = looking(CENTRE + distance * out / np.linalg.norm(out), CENTRE)
    return Solved({1: lens}, cameras, np.zeros((0, 3)), ())


def photograph(camera: Camera, lens: Lens) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The picture [H, W, 3], BGR, and the ball's mask [H, W]."""
    height, width = lens.size
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    rays = lens.rays(np.stack([columns, rows], axis=-1).reshape(-1, 2))
    ways = np.concatenate([rays, np.ones((len(rays), 1))], axis=1) @ camera.rotation.T
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    from_middle = camera.centre - CENTRE
    b = ways @ from_middle
    inside = b**2 - from_middle @ from_middle + RADIUS**2
    on_ball = inside > 0
    surface = from_middle + (-b - np.sqrt(np.maximum(inside, 0)))[:, None] * ways
    u = (np.arctan2(surface[:, 1], surface[:, 0]) / (2 * np.pi)) % 1
    v = np.arccos(np.clip(surface[:, 2] / RADIUS, -1, 1)) / np.pi
    ball = looked_up(pattern(1, (0, 90, 220)), u, v)
    with np.errstate(divide="ignore", invalid="ignore"):
        along = (FLOOR - camera.centre[2]) / ways[:, 2]
    on_floor = (along > 0) & (along < 20)
    floor = camera.centre + np.where(on_floor, along, 0)[:, None] * ways
    ground = looked_up(pattern(2, (150, 160, 140)), floor[:, 0] / 8 + 0.5, floor[:, 1] / 8 + 0.5)
    colour = np.where(on_floor[:, None], ground, [190.0, 180.0, 170.0])
    colour = np.where(on_ball[:, None], ball, colour).reshape(height, width, 3)
    return (
        np.asarray(np.clip(colour, 0, 255), np.uint8),
        np.asarray(on_ball.reshape(height, width) * 255, np.uint8),
    )


@lru_cache
def pattern(seed: int, colour: tuple[int, int, int], side: int = 1024) -> NDArray[np.float32]:
    """Blots of many sizes around a colour, that repeat at the picture's edges."""
    chance = np.random.default_rng(seed)
    found = np.zeros((side, side), np.float32)
    for size in (16, 32, 64, 128, 256, 512):
        blots = chance.normal(size=(size, size)).astype(np.float32)
        found += cv2.resize(blots, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.array(colour, np.float32) + 22 * found[..., None], np.float32)


def looked_up(picture: NDArray[np.float32], u: Array, v: Array) -> NDArray[np.float32]:
    """A repeating picture's colours [N, 3]."""
    side = picture.shape[0]
    x, y = (u % 1 * (side - 1)).astype(np.float32), (v % 1 * (side - 1)).astype(np.float32)
    shape = (-1, 8)  # OpenCV's pictures have at most 32767 rows
    found = cv2.remap(picture, x.reshape(shape), y.reshape(shape), cv2.INTER_LINEAR)
    return np.asarray(found).reshape(-1, 3)
