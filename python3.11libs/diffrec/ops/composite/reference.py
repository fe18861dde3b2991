"""Shaded pixels put into a picture, by PyTorch and the operation `antialias`."""

from __future__ import annotations

import torch
from torch import Tensor

from diffrec.ops.antialias import antialias
from diffrec.ops.raster import Raster
from diffrec.ops.topology import EdgeTopology


def composite(
    values: Tensor,
    pixels: Tensor,
    background: Tensor | None,
    raster: Raster,
    clip: Tensor,
    triangles: Tensor,
    topology: EdgeTopology | None,
) -> Tensor:
    """[B, H, W, 4]; differentiable by autograd."""
    frame = values.new_zeros((*raster.triangle.shape, 4))
    if background is not None:
        frame[..., :3] = background
    opaque = torch.cat([values, torch.ones_like(values[:, :1])], dim=1)
    image = frame.reshape(-1, 4).index_copy(0, pixels, opaque).reshape(frame.shape)
    return antialias(image, raster, clip, triangles, topology=topology)
