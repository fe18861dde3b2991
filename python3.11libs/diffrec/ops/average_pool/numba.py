"""Averages of cube maps on the CPU, all cores."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor


def pool(cube: Tensor) -> Tensor:
    """Means over 2 x 2, [F, R, R, C] to [F, R / 2, R / 2, C], float32."""
    faces, size, _, channels = cube.shape
    result = torch.empty((faces, size // 2, size // 2, channels), dtype=torch.float32)
    _pool(cube.detach().contiguous().numpy(), result.numpy())
    return result


def pool_backward(gradient: Tensor) -> Tensor:
    """The gradient of `pool`'s argument."""
    faces, size, _, channels = gradient.shape
    result = torch.empty((faces, size * 2, size * 2, channels), dtype=torch.float32)
    _unpool(gradient.contiguous().numpy(), result.numpy())
    return result


@njit(parallel=True, cache=True)
def _pool(cube: Any, result: Any) -> None:
    faces, size, _, channels = result.shape
    quarter = np.float32(0.25)
    for line in prange(faces * size):
        f = line // size
        y = line % size
        for x in range(size):
            for c in range(channels):
                upper = cube[f, 2 * y, 2 * x, c] + cube[f, 2 * y, 2 * x + 1, c]
                lower = cube[f, 2 * y + 1, 2 * x, c] + cube[f, 2 * y + 1, 2 * x + 1, c]
                result[f, y, x, c] = (upper + lower) * quarter


@njit(parallel=True, cache=True)
def _unpool(gradient: Any, result: Any) -> None:
    faces, size, _, channels = result.shape
    quarter = np.float32(0.25)
    for line in prange(faces * size):
        f = line // size
        y = line % size
        for x in range(size):
            for c in range(channels):
                result[f, y, x, c] = gradient[f, y // 2, x // 2, c] * quarter
