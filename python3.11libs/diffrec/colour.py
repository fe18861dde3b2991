"""Linear and sRGB-encoded colour (IEC 61966-2-1), elementwise on tensors and arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def linear_to_srgb(linear: Tensor) -> Tensor:
    """12.92 x up to 0.0031308, else 1.055 x^(1/2.4) - 0.055; the slope is finite everywhere."""
    bright = linear.clamp_min(0.0031308).pow(1 / 2.4) * 1.055 - 0.055
    return torch.where(linear <= 0.0031308, linear * 12.92, bright)


def srgb_to_linear(encoded: Tensor) -> Tensor:
    """The inverse of `linear_to_srgb`: x / 12.92 up to 0.04045, else ((x + 0.055) / 1.055)^2.4."""
    bright = ((encoded.clamp_min(0.04045) + 0.055) / 1.055).pow(2.4)
    return torch.where(encoded <= 0.04045, encoded / 12.92, bright)


def srgb_to_linear_array(encoded: NDArray[Any]) -> NDArray[np.float32]:
    """As `srgb_to_linear`, for an array in [0, 1]; computed in its precision."""
    bright = ((encoded + 0.055) / 1.055) ** 2.4
    return np.where(encoded <= 0.04045, encoded / 12.92, bright).astype(np.float32)
