"""The texels of a tile, read from the texture that was trained.

They are interpolated by cubics. Near the outline of a chart these would read texels of another
one; there the nearest texels of the own chart count, as they do when the texture is shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from diffrec.asset.texels import Texels

PART = 1 << 19
"""Texels that are read at once: what is made of them in between stays small."""
MARGIN = 4
"""Texels that are repeated around a texture, so that its edge is read like its inside."""
FINEST = 8
"""Reads of a texel along a line at most, where the texture is finer than the tile."""
LEAST = 1e-3
"""How much the own texels must count, of all that are read at a place."""
NOBODY = -1.0
"""The owner of texels that no chart reads."""


@dataclass(frozen=True)
class Readable:
    """A texture that is read between its texels.

    `planes`: [1, C, H, W], with `MARGIN` more texels on each side; `owner`: [H, W] with the same,
    the chart that reads each, or `NOBODY`; `alone`: [H, W], the chart that reads all of the texels
    that a cubic beside this one takes in, or `NOBODY`. The two are None where the texture is
    repeated beyond the unit square.
    """

    planes: Tensor
    owner: Tensor | None = None
    alone: Tensor | None = None

    @property
    def resolution(self) -> tuple[int, int]:
        """Height and width, without the margins."""
        height, width = self.planes.shape[2:]
        return height - 2 * MARGIN, width - 2 * MARGIN


@torch.no_grad()
def readable(image: Tensor, texels: Texels | None, chart: Tensor) -> Readable:
    """A texture [H, W, C], made ready for `resampled`.

    Args:
        image: the texture.
        texels: what its mesh covers of it; None where the mesh leaves the unit square, and sees
            the texture repeated.
        chart: [F], of the mesh's triangles.
    """
    planes = image.permute(2, 0, 1)[None].contiguous()
    if texels is None:
        way = "circular" if min(image.shape[:2]) >= MARGIN else "replicate"
        return Readable(functional.pad(planes, (MARGIN,) * 4, mode=way))
    owner = planes.new_full((1, 1, *image.shape[:2]), NOBODY)
    if len(texels.covered):
        read, nearest = texels.read
        owner.view(-1)[read] = chart[texels.triangle[nearest]].to(owner)
    planes, owner = (
        functional.pad(one, (MARGIN,) * 4, mode="replicate") for one in (planes, owner)
    )
    # Of the texels from one before to two behind, along both lines.
    around = functional.pad(owner, (1, 2, 1, 2), mode="replicate")
    most, least = (sign * functional.max_pool2d(sign * around, 4, 1) for sign in (1, -1))
    alone = torch.where(most == least, most, NOBODY)
    return Readable(planes, owner[0, 0], alone[0, 0])


@torch.no_grad()
def resampled(
    texture: Readable, texels: Texels, charts: tuple[Tensor, Tensor], source: Tensor, scale: float
) -> Tensor:
    """A tile [S, S, C], of a constant [1, 1, C]; texels that its mesh does not read hold 0.

    Args:
        texture: what is read.
        texels: of the tile's mesh, for a square of S x S.
        charts: of the tile's triangles, [F] each: those in the tile, and those in the texture.
        source: [C, 2, 3], as of a `Layout`.
        scale: texels of the tile over those of the texture, along a line.
    """
    side, planes = texels.resolution[0], texture.planes
    height, width = texture.resolution
    if height == width == 1:  # a constant stays one
        return planes[0, :, MARGIN, MARGIN].reshape(1, 1, -1)
    if len(texels.covered) == 0:  # charts that no texel's centre lies in
        mean = planes[0, :, MARGIN:-MARGIN, MARGIN:-MARGIN].mean(dim=(1, 2))
        return mean.expand(side, side, -1)
    result = planes.new_zeros(side * side, planes.shape[1])
    reads = min(max(round(1 / scale), 1), FINEST)
    steps = ((torch.arange(reads) + 0.5) / reads).tolist()
    size = planes.new_tensor([width, height], dtype=torch.float64)
    for read, nearest in zip(*(torch.split(one, PART) for one in texels.read), strict=True):
        triangle = texels.triangle[nearest]
        own = source[charts[0][triangle]]

        def place(at: Tensor, x: float, y: float, own: Tensor = own) -> Tensor:
            """Where in the texture, margins included, texels [P] of the tile are read."""
            inside = torch.stack([at % side + x, at // side + y], dim=1).double() / side
            uv = (own[:, :, :2] * inside[:, None, :]).sum(2) + own[:, :, 2]
            uv = uv - torch.floor(uv) if texture.owner is None else uv.clamp(0, 1)
            return (uv * size + MARGIN).float()

        total = planes.new_zeros(len(read), planes.shape[1])
        middle = place(texels.covered[nearest], 0.5, 0.5)
        for x in steps:
            for y in steps:
                total += _read(texture, place(read, x, y), middle, charts[1][triangle])
        result.index_copy_(0, read, total / reads**2)
    return result.reshape(side, side, -1)


def _read(texture: Readable, place: Tensor, inside: Tensor, chart: Tensor) -> Tensor:
    """The values [P, C] at places [P, 2] of charts [P]; `inside`: [P, 2], places well in these."""
    found = _interpolated(texture, place, "bicubic")
    if texture.owner is None or texture.alone is None:
        return found
    column, row = torch.floor(place - 0.5).long().unbind(1)
    mixed = (texture.alone[row, column] != chart).nonzero()[:, 0]
    if len(mixed):
        found[mixed] = _own(texture, texture.owner, place[mixed], inside[mixed], chart[mixed])
    return found


def _own(texture: Readable, owner: Tensor, place: Tensor, inside: Tensor, chart: Tensor) -> Tensor:
    """What the own texels among the four around a place say, else those around `inside`."""
    # Of charts that are thinner than a texel, or lie over each other, none may be their own.
    found = _interpolated(texture, inside, "bilinear")
    for where in (inside, place):
        low = torch.floor(where - 0.5)
        share = where - 0.5 - low
        total, weight = torch.zeros_like(found), torch.zeros_like(found[:, :1])
        for x in (0, 1):
            for y in (0, 1):
                column, row = low[:, 0].long() + x, low[:, 1].long() + y
                counted = (share[:, 0] if x else 1 - share[:, 0]) * (
                    share[:, 1] if y else 1 - share[:, 1]
                )
                counted = (counted * (owner[row, column] == chart))[:, None]
                total += counted * texture.planes[0, :, row, column].T
                weight += counted
        found = torch.where(weight > LEAST, total / weight.clamp_min(LEAST), found)
    return found


def _interpolated(texture: Readable, place: Tensor, way: str) -> Tensor:
    """The values [P, C] at places [P, 2], in texels, margins included."""
    size = place.new_tensor(texture.planes.shape[:1:-1])
    shown = (place / size * 2 - 1)[None, None]
    return functional.grid_sample(texture.planes, shown, mode=way, align_corners=False)[0, :, 0].T
