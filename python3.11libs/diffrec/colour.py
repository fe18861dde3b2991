"""Linear and sRGB-encoded colour (IEC 61966-2-1), elementwise on tensors and arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Shares of linear red, green and blue (Rec. 709)."""


def linear_to_srgb(linear: Tensor) -> Tensor:
    """12.92 x up to 0.0031308, else 1.055 x^(1/2.4) - 0.055; the slope is finite everywhere."""
    # In place, for large pictures; no gradient asks for what is overwritten.
    bright = linear.clamp_min(0.0031308).pow(1 / 2.4).mul_(1.055).sub_(0.055)
    return torch.where(linear <= 0.0031308, linear * 12.92, bright)


def tone_mapped(linear: Tensor) -> Tensor:
    """Radiance [H, W, 3] of any range as sRGB in [0, 1], for looking at.

    Colours keep their hue, the brightest two hundredths become white (Reinhard et al. 2002, by
    luminance); what is within [0, 1] anyway stays as it is.
    """
    luminance = (linear * linear.new_tensor(LUMINANCE)).sum(-1, keepdim=True)
    values = luminance.reshape(-1)
    rank = max(1, round(0.98 * values.numel()))
    white = values.kthvalue(rank).values.clamp_min(1.0)
    share = (1 + luminance / white**2) / (1 + luminance)
    return linear_to_srgb((linear * share).clamp(0, 1))


def srgb_to_linear(encoded: Tensor) -> Tensor:
    """The inverse of `linear_to_srgb`: x / 12.92 up to 0.04045, else ((x + 0.055) / 1.055)^2.4."""
    bright = ((encoded.clamp_min(0.04045) + 0.055) / 1.055).pow(2.4)
    return torch.where(encoded <= 0.04045, encoded / 12.92, bright)


def srgb_to_linear_array(encoded: NDArray[Any]) -> NDArray[np.float32]:
    """As `srgb_to_linear`, for an array in [0, 1]; computed in its precision."""
    bright = ((encoded + 0.055) / 1.055) ** 2.4
    return np.where(encoded <= 0.04045, encoded / 12.92, bright).astype(np.float32)
