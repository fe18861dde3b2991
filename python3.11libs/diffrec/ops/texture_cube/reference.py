"""Trilinear fetches of cube maps, by PyTorch and the operation `gather`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from diffrec.ops import cubemap
from diffrec.ops.gather import weighted_gather
from diffrec.ops.texture.reference import levels_of


def fetch(levels: Sequence[Tensor], directions: Tensor, lod: Tensor | None) -> Tensor:
    """[P, C] of levels [6, R, R, C] along directions [P, 3]; differentiable by autograd."""
    if lod is None or len(levels) == 1:
        flat = levels[0].reshape(-1, levels[0].shape[3])
        index, weight = cubemap.bilinear(directions, levels[0].shape[1])
        return weighted_gather(flat, index, weight)
    table = torch.cat([level.reshape(-1, level.shape[3]) for level in levels])
    lower, upper, fraction = levels_of(lod, len(levels))
    sizes = [level.shape[1] for level in levels]
    below = cubemap.bilinear_levels(directions, sizes, lower)
    above = cubemap.bilinear_levels(directions, sizes, upper)
    index = torch.cat([below[0], above[0]], dim=1)
    share = fraction[:, None]
    weight = torch.cat([below[1] * (1 - share), above[1] * share], dim=1)
    return weighted_gather(table, index, weight)
