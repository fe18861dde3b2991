"""Sums over blocks of texels and filling from them on the CPU, all cores, to the same bits."""

from __future__ import annotations

import torch
from numba import njit, prange
from torch import Tensor

from diffrec.ops.arrays import float32


def weighted_sums(image: Tensor, weight: Tensor) -> Tensor:
    """[C, H/2, W/2]."""
    height, width, channels = image.shape
    sums = torch.empty((channels, (height + 1) // 2, (width + 1) // 2), dtype=torch.float32)
    _weighted_sums(float32(image), float32(weight), sums.numpy())
    return sums


def filled(image: Tensor, known: Tensor, background: Tensor) -> Tensor:
    """[H, W, C]."""
    result = torch.empty(image.shape, dtype=torch.float32)
    _filled(float32(image), known.contiguous().numpy(), float32(background), result.numpy())
    return result


@njit(parallel=True, cache=True)
def _weighted_sums(image, weight, sums):  # type: ignore[no-untyped-def]
    height, width, channels = image.shape
    for row in prange(sums.shape[1]):
        y = 2 * row
        for column in range(sums.shape[2]):
            x = 2 * column
            for k in range(channels):
                total = image[y, x, k] * weight[y, x]
                if x + 1 < width:
                    total += image[y, x + 1, k] * weight[y, x + 1]
                if y + 1 < height:
                    total += image[y + 1, x, k] * weight[y + 1, x]
                    if x + 1 < width:
                        total += image[y + 1, x + 1, k] * weight[y + 1, x + 1]
                sums[k, row, column] = total


@njit(parallel=True, cache=True)
def _filled(image, known, background, result):  # type: ignore[no-untyped-def]
    height, width, channels = image.shape
    for y in prange(height):
        for x in range(width):
            for k in range(channels):
                if known[y, x]:
                    result[y, x, k] = image[y, x, k]
                else:
                    result[y, x, k] = background[k, y // 2, x // 2]
