# Kernels are in Warp's language: int(0) declares a variable that changes in a loop, annotations are
# not types, and vectors and arrays have operations that their Python stand-ins lack.
# ruff: noqa: UP018
# mypy: disable-error-code="index, valid-type, no-untyped-def, misc, operator, arg-type"
"""Shaded pixels put into a picture with NVIDIA Warp; see `antialias.warp` for the rest."""

from __future__ import annotations

import torch
import warp as wp
from torch import Tensor

from diffrec.ops.antialias.warp import blend as blend
from diffrec.ops.antialias.warp import blend_backward as blend_backward
from diffrec.ops.antialias.warp import find as find
from diffrec.ops.warp import launch, start_warp
from diffrec.ops.warp.lanes import put_four

start_warp()
wp.set_module_options({"enable_backward": False, "fuse_fp": False})


def compose(
    values: Tensor, pixels: Tensor, triangle: Tensor, background: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Colours and coverage [B, H, W, 4], twice: one for `blend` to change.

    `values`: [P, 3] of the covered `pixels`; `triangle`: [B, H, W]; `background`: [B, H, W, 3].
    """
    shape = (*triangle.shape, 4)
    image = torch.empty(shape, dtype=torch.float32, device=values.device)
    copy = torch.empty_like(image)
    count = triangle.numel()
    inputs = [
        values.detach().contiguous(),
        pixels.contiguous(),
        triangle.contiguous().view(-1),
        values.new_empty((0, 3))
        if background is None
        else background.detach().expand(*triangle.shape, 3).reshape(-1, 3),
        image.view(-1, 4),
        copy.view(-1, 4),
    ]
    launch(_compose, count + pixels.shape[0], inputs, values.device)
    return image, copy


def compose_backward(grad: Tensor, pixels: Tensor) -> Tensor:
    """Gradient [P, 3] for the values, of that for the image."""
    result = torch.empty((pixels.shape[0], 3), dtype=torch.float32, device=grad.device)
    launch(_compose_backward, pixels.shape[0], [grad.view(-1, 4), pixels, result], grad.device)
    return result


@wp.kernel
def _compose(
    values: wp.array2d(dtype=wp.float32),
    pixels: wp.array(dtype=wp.int64),
    triangle: wp.array(dtype=wp.int32),
    background: wp.array2d(dtype=wp.float32),
    image: wp.array2d(dtype=wp.float32),
    copy: wp.array2d(dtype=wp.float32),
):
    """A thread for every pixel that is empty, and one for every row of covered ones."""
    i = wp.tid()
    count = triangle.shape[0]
    if i < count:
        if triangle[i] < 0:
            value = wp.vec4(0.0, 0.0, 0.0, 0.0)
            if background.shape[0] > 0:
                value = wp.vec4(background[i, 0], background[i, 1], background[i, 2], 0.0)
            put_four(image, i, value)
            put_four(copy, i, value)
    else:
        row = i - count
        pixel = int(pixels[row])
        if pixel >= 0:
            value = wp.vec4(values[row, 0], values[row, 1], values[row, 2], 1.0)
            put_four(image, pixel, value)
            put_four(copy, pixel, value)


@wp.kernel
def _compose_backward(
    grad: wp.array2d(dtype=wp.float32),
    pixels: wp.array(dtype=wp.int64),
    result: wp.array2d(dtype=wp.float32),
):
    i = wp.tid()
    pixel = int(pixels[i])
    for k in range(3):
        value = float(0.0)
        if pixel >= 0:
            value = grad[pixel, k]
        result[i, k] = value
