"""The hash encoding in plain PyTorch, any device and dtype."""

from __future__ import annotations

import torch
from torch import Tensor

from diffrec.ops.hashgrid.layout import PRIMES, HashGridLayout


def hashgrid(points: Tensor, table: Tensor, layout: HashGridLayout) -> Tensor:
    """The encoding, differentiable by autograd; arguments as for the operation."""
    points = points.clamp(0.0, 1.0)
    mask = (1 << layout.log2_entries) - 1
    features = []
    for n, start, dense in zip(layout.resolutions, layout.offsets, layout.dense, strict=True):
        scaled = points * n
        # The last cell is closed, so that x = 1 is its far side.
        cell = scaled.detach().floor().clamp_max(n - 1)
        fraction = scaled - cell
        corner = cell.long()
        value = torch.zeros((), dtype=table.dtype, device=table.device)
        for index in range(8):
            step = [index & 1, index >> 1 & 1, index >> 2]
            x, y, z = (corner[:, axis] + step[axis] for axis in range(3))
            if dense:
                row = x + (n + 1) * (y + (n + 1) * z)
            else:
                # Low bits only: the same in 64 bits as in the paper's 32.
                row = (x * PRIMES[0] ^ y * PRIMES[1] ^ z * PRIMES[2]) & mask
            weight = torch.ones_like(fraction[:, 0])
            for axis in range(3):
                along = fraction[:, axis]
                weight = weight * (along if step[axis] else 1 - along)
            value = value + weight[:, None] * table[start + row]
        features.append(value)
    return torch.cat(features, dim=1)
