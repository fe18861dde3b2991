"""The second factor of the split sum: GGX integrated over (n . v, roughness).

The table lies beside this module; `scripts/build_brdf_table.py` makes it.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffrec.ops.gather import weighted_gather
from diffrec.shading.split_sum.constants import TABLE_SIZE as SIZE

FILE = Path(__file__).with_name("brdf_table.npy")
LEVELS = 65535
"""The table's numbers, 0 to 1, are stored in this many steps."""
_STEPS = 64


def integrate(cosine: Tensor, roughness: Tensor, steps: int = _STEPS) -> Tensor:
    """Scale A and bias B of F0 [..., 2] under uniform white light (Karis 2013).

    `cosine`: n . v in (0, 1], `roughness`, same shape. GGX with alpha = roughness^2 and the
    separable Smith shadowing of Walter et al. 2007, Schlick's Fresnel term. Midpoint rule over
    `steps` x `steps` half vectors, spaced as the lobe's energy but denser in its tail, which
    decides at grazing angles; within 0.0005 of the integral.
    """
    middle = (torch.arange(steps, dtype=cosine.dtype, device=cosine.device) + 0.5) / steps
    rest = (1 - middle).pow(3).repeat_interleave(steps)  # of the lobe's energy, beyond the angle
    share = (3 * (1 - middle).square() / steps**2).repeat_interleave(steps)
    turn = (math.pi * middle).repeat(steps)  # the other half of the turn is its mirror image
    alpha2 = roughness[..., None].pow(4).clamp_min(1e-8)
    # Written so that nothing is a small difference of large numbers: single precision gives the
    # same table on every device.
    spread = alpha2 * (1 - rest)
    half_z2, half_xy2 = rest / (rest + spread), spread / (rest + spread)
    half_z = half_z2.sqrt()
    half_x = half_xy2.sqrt() * torch.cos(turn)
    view_z = cosine[..., None]
    view_x = ((1 - view_z) * (1 + view_z)).clamp_min(0).sqrt()
    view_half = view_x * half_x + view_z * half_z
    light_z = view_z * (half_z2 - half_xy2) + 2 * view_x * half_x * half_z

    def smith(z: Tensor) -> Tensor:
        squared = z.square().clamp_min(1e-12)
        return 2 / (1 + (1 + alpha2 * (1 - squared) / squared).sqrt())

    lit = (light_z > 0) & (view_half > 0)
    visible = smith(view_z) * smith(light_z.clamp_min(0)) * view_half / (half_z * view_z)
    visible = torch.where(lit, visible * share, torch.zeros_like(visible))
    fresnel = (1 - view_half.clamp(0, 1)).pow(5)
    return torch.stack([(visible * (1 - fresnel)).sum(-1), (visible * fresnel).sum(-1)], dim=-1)


@functools.lru_cache(maxsize=4)
def table(device: str) -> Tensor:
    """A and B at texel centres, [256 * 256, 2]: rows are roughness, columns n . v."""
    stored = torch.from_numpy(np.load(FILE, allow_pickle=False).astype(np.float32))
    return (stored / LEVELS).to(device)


def lookup(cosine: Tensor, roughness: Tensor) -> Tensor:
    """A and B [P, 2], bilinear; `cosine` and `roughness` [P] in [0, 1], differentiable."""
    x = (cosine * SIZE - 0.5).clamp(0, SIZE - 1)
    y = (roughness * SIZE - 0.5).clamp(0, SIZE - 1)
    left, top = (v.detach().floor().clamp(max=SIZE - 2) for v in (x, y))
    fx, fy = x - left, y - top
    corner = (top * SIZE + left).long()
    index = torch.stack([corner, corner + 1, corner + SIZE, corner + SIZE + 1], dim=1)
    weight = torch.stack([v * u for v in (1 - fy, fy) for u in (1 - fx, fx)], dim=1)
    return weighted_gather(table(str(cosine.device)).to(cosine.dtype), index, weight)


def write() -> None:
    """Make the table anew, as the file beside this module."""
    centre = (torch.arange(SIZE, dtype=torch.float64) + 0.5) / SIZE
    rows = [integrate(centre, roughness.expand(SIZE)) for roughness in centre]
    np.save(FILE, (torch.cat(rows).clamp(0, 1) * LEVELS).round().numpy().astype(np.uint16))
