"""The texels of a tile, read from the texture that was trained."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from diffrec.asset.texels import PART, Texels, dilated, texels_of
from diffrec.geometry.mesh import Mesh

MARGIN = 4
"""Texels that are repeated around a texture, so that its edge is read like its inside."""
FINEST = 8
"""Reads of a texel along a line at most, where the texture is finer than the tile."""


@dataclass(frozen=True)
class Readable:
    """A texture that is read between its texels.

    `planes`: [1, C, H, W], with `MARGIN` more texels on each side; `repeated`: beyond the unit
    square it begins anew.
    """

    planes: Tensor
    repeated: bool

    @property
    def resolution(self) -> tuple[int, int]:
        """Height and width, without the margins."""
        height, width = self.planes.shape[2:]
        return height - 2 * MARGIN, width - 2 * MARGIN


@torch.no_grad()
def readable(image: Tensor, mesh: Mesh) -> Readable:
    """A texture [H, W, C] of a mesh, made ready for `resampled`.

    Charts are dilated: what stood beside them would come in at their edges. A mesh whose texture
    coordinates leave the unit square sees its texture repeated.
    """
    assert mesh.texcoords is not None
    repeated = bool(((mesh.texcoords < 0) | (mesh.texcoords > 1)).any())
    if not repeated:
        image = dilated(image, texels_of(mesh, (image.shape[0], image.shape[1])))
    planes = image.permute(2, 0, 1)[None]
    way = "circular" if repeated and min(image.shape[:2]) >= MARGIN else "replicate"
    return Readable(functional.pad(planes, (MARGIN,) * 4, mode=way), repeated)


@torch.no_grad()
def resampled(
    texture: Readable, texels: Texels, chart: Tensor, source: Tensor, scale: float
) -> Tensor:
    """A tile [S, S, C], of a constant [1, 1, C]; texels that its mesh does not read hold 0.

    Args:
        texture: what is read.
        texels: of the tile's mesh, for a square of S x S.
        chart: [F] of its triangles.
        source: [C, 2, 3], as of a `Layout`.
        scale: texels of the tile over those of the texture, along a line.
    """
    side, planes = texels.resolution[0], texture.planes
    height, width = texture.resolution
    size = planes.new_tensor([width, height], dtype=torch.float64)
    if height == width == 1:  # a constant stays one
        return planes[0, :, MARGIN, MARGIN].reshape(1, 1, -1)
    result = planes.new_zeros(side * side, planes.shape[1])
    reads = min(max(round(1 / scale), 1), FINEST)
    steps = ((torch.arange(reads, device=planes.device) + 0.5) / reads).tolist()
    for read, nearest in zip(*(torch.split(one, PART) for one in texels.read), strict=True):
        own = source[chart[texels.triangle[nearest]]]
        corner = torch.stack([read % side, read // side], dim=1).double()
        total = planes.new_zeros(len(read), planes.shape[1])
        for x in steps:
            for y in steps:
                place = (corner + corner.new_tensor([x, y])) / side
                uv = (own[:, :, :2] * place[:, None, :]).sum(2) + own[:, :, 2]
                inside = uv - torch.floor(uv) if texture.repeated else uv.clamp(0, 1)
                total += _read(planes, inside, size)
        result.index_copy_(0, read, total / reads**2)
    return result.reshape(side, side, -1)


def _read(planes: Tensor, uv: Tensor, size: Tensor) -> Tensor:
    """The values [P, C] at texture coordinates [P, 2] in [0, 1], interpolated by cubics."""
    shown = (uv * size + MARGIN) / (size + 2 * MARGIN) * 2 - 1
    found = functional.grid_sample(
        planes, shown.float()[None, None], mode="bicubic", align_corners=False
    )
    return found[0, :, 0].T
