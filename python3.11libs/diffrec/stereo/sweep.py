"""Depths of photographs by plane sweep (Collins 1996) and normalised cross-correlation.

For every plane before a camera its neighbours' pictures are drawn as that camera would see them if
all lay on the plane; where the pictures' patterns agree best, there the surface is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from diffrec.stereo.photographs import Photographs

WINDOW = 5
"""Edge of the patch that is compared, pixels."""
NEIGHBOURS = 6
"""Photographs that one is compared with; the best two count, as others may be hidden."""
BEST = 2
LEAST_ANGLE, MOST_ANGLE = 0.07, 0.9
"""Radians between the directions to neighbours: closer tell no depth, wider look different."""
ALIKE = 0.8
"""Correlation from which patches show the same."""
APART, BETTER = 4, 0.02
"""A depth counts where all that are so many planes away correlate less, by so much."""
PATTERN = 3e-4
"""Least variance of a patch, of encoded colours, summed over the channels."""
_NOISE = 4e-4
"""Variance that a patch may have by noise; patches of little pattern correlate less for it."""
_COVERED = 0.9
_AT_ONCE = 1_000_000  # pixels


@dataclass(frozen=True)
class Depths:
    """depth: [N, H, W] along the cameras' axes, world units; known: [N, H, W], where it is one."""

    depth: Tensor
    known: Tensor
    step: float
    """Between neighbouring planes, world units."""


@torch.no_grad()
def swept(photographs: Photographs, hull: Tensor, box: float, step: float) -> Depths:
    """The depths that photographs agree on, within a hull.

    hull: [R, R, R] at the middles of the cells of a cube of edge `box` around the origin, indexed
    z, y, x; negative inside. step: between the planes, world units.
    """
    height, width = photographs.size
    shape = (len(photographs), height, width)
    depth = hull.new_zeros(shape)
    known = torch.zeros(shape, dtype=torch.bool, device=hull.device)
    sides = _neighbours(photographs)
    for number, beside in enumerate(sides):
        frame = _frame(photographs.pictures[number, 3])
        if frame is None or len(beside) < BEST:
            continue
        rows, columns = frame
        found = _of_one(photographs, number, beside, hull, box, step, rows, columns)
        if found is not None:
            depth[number, rows, columns], known[number, rows, columns] = found
    return Depths(depth, known, step)


def _neighbours(photographs: Photographs) -> list[list[int]]:
    """For each photograph those taken from nearly its direction, nearest first."""
    ways = functional.normalize(photographs.position, dim=1)
    angle = (ways @ ways.T).clamp(-1, 1).acos()
    angle = torch.where((angle < LEAST_ANGLE) | (angle > MOST_ANGLE), torch.inf, angle)
    nearest, which = angle.topk(min(NEIGHBOURS, len(angle)), largest=False)
    return [
        [j for j, a in zip(one, angles, strict=True) if a < 9]
        for one, angles in zip(which.tolist(), nearest.tolist(), strict=True)
    ]


def _frame(coverage: Tensor) -> tuple[slice, slice] | None:
    """The rows and columns that show the object, and a patch beyond; None where none do."""
    shown = coverage > _COVERED
    spans = []
    for axis in (1, 0):
        where = shown.any(axis).nonzero()[:, 0]
        if not len(where):
            return None
        low, high = int(where[0]) - WINDOW // 2, int(where[-1]) + WINDOW // 2
        spans.append(slice(max(low, 0), high + 1))
    return spans[0], spans[1]


def _of_one(
    photographs: Photographs,
    number: int,
    beside: list[int],
    hull: Tensor,
    box: float,
    step: float,
    rows: slice,
    columns: slice,
) -> tuple[Tensor, Tensor] | None:
    """Depth and where it is known, of the part of a photograph; None where no plane meets it."""
    picture = photographs.pictures[number, :, rows, columns]
    own = _Patches(picture[None, :3])
    pattern = (_mean(picture[None, 3:])[0, 0] > _COVERED) & (own.variance[0] > PATTERN)
    position = photographs.position[number]
    rays = photographs.rays(number)[rows, columns]
    scores, planes = [], []
    for depths in _planes(photographs, number, box, step, rays.shape[0] * rays.shape[1]):
        points = position + depths[:, None, None, None] * rays
        inside = _inside(hull, points / (0.5 * box))
        met = inside.flatten(1).any(1)
        if not met.any():
            continue
        depths, points, inside = depths[met], points[met], inside[met]
        alike = [
            _correlation(own, photographs.pictures[j], photographs.place(j, points)[0])
            for j in beside
        ]
        score = torch.stack(alike).topk(BEST, dim=0).values.mean(0)
        scores.append(torch.where(inside, score, -1.0))
        planes.append(depths)
    if not scores:
        return None
    score, depths = torch.cat(scores), torch.cat(planes)
    best, at = score.max(0)
    plane = torch.arange(len(depths), device=hull.device)[:, None, None]
    other = torch.where((plane - at).abs() > APART, score, -1.0).amax(0)
    return depths[at], pattern & (best > ALIKE) & (best - other > BETTER)


def _planes(
    photographs: Photographs, number: int, box: float, step: float, pixels: int
) -> Iterator[Tensor]:
    """The depths of the planes through the box, near to far, as many at once as memory takes."""
    middle = float(photographs.depth(number, photographs.position.new_zeros(3)))
    half = 0.5 * box * 3**0.5
    near = max(middle - half, 0.02 * max(middle, step))
    far = max(middle + half, near)  # a camera may look away from the box
    depths = torch.arange(near, far, step, device=photographs.pictures.device)
    yield from torch.split(depths, max(1, _AT_ONCE // pixels))  # type: ignore[no-untyped-call]


def _inside(hull: Tensor, place: Tensor) -> Tensor:
    """Whether points [D, H, W, 3], of the box from -1 to 1, are inside the hull."""
    value = functional.grid_sample(
        hull[None, None], place[None], padding_mode="border", align_corners=False
    )[0, 0]
    return (value < 0) & (place.abs() < 1).all(-1)


def _mean(values: Tensor) -> Tensor:
    """Means over patches of [B, C, H, W]; beyond the border all is 0."""
    channels, reach = values.shape[1], WINDOW // 2
    if values.is_cuda:  # where a convolution may read ten bits of a number, too few for variances
        return functional.avg_pool2d(values, WINDOW, 1, reach)
    # On a CPU two short convolutions are twice as fast as pooling.
    line = values.new_full((channels, 1, WINDOW, 1), 1 / WINDOW)
    values = functional.conv2d(values, line, padding=(reach, 0), groups=channels)
    return functional.conv2d(values, line.mT, padding=(0, reach), groups=channels)


class _Patches:
    """Colours [1, 3, H, W] with the means and the variance [1, H, W] of the patches around each."""

    def __init__(self, colour: Tensor) -> None:
        self.colour = colour
        self.mean = _mean(colour)
        self.variance = _mean(colour.square().sum(1, keepdim=True))[:, 0] - self.mean.square().sum(
            1
        )


def _correlation(own: _Patches, picture: Tensor, place: Tensor) -> Tensor:
    """How alike [D, H, W] the patches are that a neighbour shows at places [D, H, W, 2]."""
    drawn = functional.grid_sample(
        picture[None].expand(len(place), -1, -1, -1), place, align_corners=False
    )
    colour = drawn[:, :3]
    products = (own.colour * colour).sum(1, keepdim=True)
    squares = colour.square().sum(1, keepdim=True)
    means = _mean(torch.cat([drawn, squares, products], dim=1))
    variance = means[:, 4] - means[:, :3].square().sum(1)
    together = means[:, 5] - (own.mean * means[:, :3]).sum(1)
    spread = (own.variance.clamp_min(1e-6) * variance.clamp_min(1e-6)).sqrt() + _NOISE
    return torch.where(means[:, 3] > _COVERED, together / spread, -1.0)
