"""The photographs that stereo looks at: few enough, small enough, with their cameras."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from diffrec.data.views import ImageViews

MOST = 48
"""Photographs at most: more of them say little that is new."""
LARGEST = 384
"""Longest edge of a picture, pixels."""
_AT_ONCE = 4


@dataclass(frozen=True)
class Photographs:
    """N pictures of one size and their cameras, on one device.

    pictures: [N, 4, H, W], encoded (square root of linear) RGB times coverage, and coverage.
    clip_from_world, world_from_clip, camera_from_world: [N, 4, 4]; position: [N, 3], world units.
    """

    pictures: Tensor
    clip_from_world: Tensor
    world_from_clip: Tensor
    camera_from_world: Tensor
    position: Tensor

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures, pixels."""
        return int(self.pictures.shape[2]), int(self.pictures.shape[3])

    def rays(self, number: int) -> Tensor:
        """The way [H, W, 3] from a camera through its pixels, of length 1 along its axis."""
        height, width = self.size
        device = self.pictures.device
        y = 1 - 2 * (torch.arange(height, device=device) + 0.5) / height
        x = 2 * (torch.arange(width, device=device) + 0.5) / width - 1
        place = torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).flip(-1)
        clip = functional.pad(place, (0, 1), value=0.5)
        clip = functional.pad(clip, (0, 1), value=1.0)
        world = clip @ self.world_from_clip[number].T
        ray = world[..., :3] / world[..., 3:] - self.position[number]
        return ray / self.along(number, ray)[..., None]

    def along(self, number: int, ways: Tensor) -> Tensor:
        """How far directions [..., 3] of the world go along a camera's axis."""
        return -(ways @ self.camera_from_world[number, 2, :3])

    def depth(self, number: int, points: Tensor) -> Tensor:
        """The depth [...] of points [..., 3] along a camera's axis, world units."""
        return self.along(number, points - self.position[number])

    def place(self, number: int, points: Tensor) -> tuple[Tensor, Tensor]:
        """Where points [..., 3] lie in a picture [..., 2] (-1 to 1, row 0 at -1), and before it."""
        matrix = self.clip_from_world[number]
        clip = points @ matrix[:, :3].T + matrix[:, 3]
        depth = clip[..., 3:]
        place = clip[..., :2] / depth.clamp_min(1e-6)
        flipped = place * place.new_tensor([1.0, -1.0])
        return flipped, depth[..., 0] > 1e-6

    def pixel(self, number: int, points: Tensor) -> tuple[Tensor, Tensor]:
        """The pixel [P] that points [P, 3] fall on, counted row by row, and whether they do."""
        height, width = self.size
        place, before = self.place(number, points)
        column = ((place[..., 0] + 1) / 2 * width).floor().long()
        row = ((place[..., 1] + 1) / 2 * height).floor().long()
        shown = before & (column >= 0) & (column < width) & (row >= 0) & (row < height)
        return row.clamp(0, height - 1) * width + column.clamp(0, width - 1), shown


@torch.no_grad()
def taken(views: ImageViews, spacing: float) -> Photographs:
    """Photographs as stereo takes them: `spacing`, world units, covers some two pixels of theirs.

    Raises:
        DataError: a picture that is read now is broken or of another size.
    """
    chosen = _spread(functional.normalize(views.positions(), dim=1))
    shrink = _shrink(views, chosen, spacing)
    pictures, known = [], []
    for begin in range(0, len(chosen), _AT_ONCE):
        batch = views.batch(chosen[begin : begin + _AT_ONCE])
        assert batch.image is not None
        image = batch.image.permute(0, 3, 1, 2)
        pictures.append(functional.avg_pool2d(image, shrink) if shrink > 1 else image)
        known.append((batch.clip_from_world, batch.camera_from_world, batch.camera_position))
    every = torch.cat(pictures)
    encoded = torch.cat([every[:, :3].clamp(0, 2).sqrt(), every[:, 3:]], dim=1)
    clip, camera, position = (torch.cat(list(one)) for one in zip(*known, strict=True))
    # In double precision: near and far of a projection are far apart.
    return Photographs(encoded, clip, torch.linalg.inv(clip.double()).float(), camera, position)


def _spread(ways: Tensor) -> list[int]:
    """Which views are taken: all, or as many as `MOST`, each as far from the others as can be."""
    if len(ways) <= MOST:
        return list(range(len(ways)))
    chosen = [0]
    nearest = ways @ ways[0]
    while len(chosen) < MOST:
        chosen.append(int(nearest.argmin()))
        nearest = torch.maximum(nearest, ways @ ways[chosen[-1]])
    return sorted(chosen)


def _shrink(views: ImageViews, chosen: list[int], spacing: float) -> int:
    """By how much pictures are made smaller; those of the closest half of the cameras decide."""
    covered = sorted((spacing / views.pixel_sizes().clamp_min(1e-9))[chosen].tolist())
    largest = -(-max(views.resolution) // LARGEST)
    return max(1, int(covered[len(covered) // 2] / 2), largest)
