"""Averages of cube maps in plain PyTorch, any device and dtype."""

from __future__ import annotations

from torch import Tensor


def average_pool(cube: Tensor) -> Tensor:
    """[6, R, R, C] to [6, R / 2, R / 2, C]; differentiable by autograd."""
    faces, size, _, channels = cube.shape
    return cube.reshape(faces, size // 2, 2, size // 2, 2, channels).mean(dim=(2, 4))
