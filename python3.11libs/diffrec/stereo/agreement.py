"""What depths of several photographs say together: where the surface is, and what is empty."""

from __future__ import annotations

import torch
from torch import Tensor

from diffrec.stereo.photographs import Photographs
from diffrec.stereo.sweep import Depths

LEAST = 2
"""Other photographs that must know a point before it is believed."""
TOLERANCE = 1.5
"""By how many planes their depths may differ."""
BEHIND = 3.0
"""So many planes behind a surface are part of the object."""


@torch.no_grad()
def agreed(photographs: Photographs, depths: Depths) -> Depths:
    """The depths that other photographs confirm."""
    kept = torch.zeros_like(depths.known)
    for number in range(len(photographs)):
        known = depths.known[number]
        ways = photographs.rays(number)[known]
        points = photographs.position[number] + depths.depth[number][known][:, None] * ways
        confirmed = torch.zeros(len(points), device=points.device)
        for other in range(len(photographs)):
            if other != number:
                pixel, shown = photographs.pixel(other, points)
                away = depths.depth[other].reshape(-1)[pixel] - photographs.depth(other, points)
                near = away.abs() < TOLERANCE * depths.step
                confirmed += shown & depths.known[other].reshape(-1)[pixel] & near
        kept[number, known] = confirmed >= LEAST
    return Depths(depths.depth, kept, depths.step)


@torch.no_grad()
def emptiness(photographs: Photographs, depths: Depths, points: Tensor) -> Tensor:
    """How many photographs see past points [P, 3], less twice those that see them as solid: [P]."""
    count = points.new_zeros(len(points))
    for number in range(len(photographs)):
        pixel, shown = photographs.pixel(number, points)
        known = shown & depths.known[number].reshape(-1)[pixel]
        before = depths.depth[number].reshape(-1)[pixel] - photographs.depth(number, points)
        before /= depths.step
        count += known & (before > TOLERANCE)
        count -= 2 * (known & (before <= 0.5) & (before > -BEHIND))
    return count
