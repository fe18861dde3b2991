"""Linear radiance as the logarithmic losses see it."""

from __future__ import annotations

import torch
from torch import Tensor

from diffrec.colour import linear_to_srgb

# Largest radiance that the tone mapping knows: that of half precision, about.
BRIGHTEST = 65535.0


def tonemap(linear: Tensor) -> Tensor:
    """srgb(log(1 + x)) with x clamped to [0, 65535]: linear radiance to what the log losses see."""
    return linear_to_srgb(torch.log1p(linear.clamp(0.0, BRIGHTEST)))
