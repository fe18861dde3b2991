"""The lobes that light is filtered with, and the exact filters."""

from __future__ import annotations

import torch
from torch import Tensor

from diffrec.ops import cubemap


def ggx_lobe(cosine: Tensor, roughness: float) -> Tensor:
    """Unnormalised weight of light at an angle from the mirror direction: D(n . h) n . l.

    Walter et al. 2007's GGX with alpha = roughness^2, half vector midway; zero behind.
    """
    alpha2 = roughness**4
    half = ((1 + cosine) * 0.5).clamp(0, 1)  # cos^2 of half the angle
    return cosine.clamp_min(0) / (half * (alpha2 - 1) + 1).square()


def exact_rows(directions: Tensor, size_in: int, roughness: float | None) -> Tensor:
    """Rows [P, 6 Ri^2] of the exact filter for directions [P, 3], adding up to one, float64.

    GGX of a roughness, or the cosine lobe (irradiance over pi) for None.
    """
    device = directions.device
    source = cubemap.texel_directions(size_in, torch.float64, device).reshape(-1, 3)
    area = cubemap.solid_angles(size_in, torch.float64, device).reshape(-1).repeat(6)
    cosine = directions.double() @ source.T
    lobe = cosine.clamp_min(0) if roughness is None else ggx_lobe(cosine, roughness)
    weight = lobe * area
    return weight / weight.sum(1, keepdim=True)
