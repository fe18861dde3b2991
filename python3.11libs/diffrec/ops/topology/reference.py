"""Which triangles share an edge, in plain PyTorch, any device."""

from __future__ import annotations

import torch
from torch import Tensor


def neighbors(triangles: Tensor) -> Tensor:
    """Across every edge, the other triangle's: [F, 3] int32, -1 where there is not exactly one.

    Edge i of a triangle lies opposite its corner i. The entry is 3 * triangle + edge.
    """
    triangles = triangles.long()
    count = triangles.shape[0]
    start, end = triangles.roll(-1, 1).view(-1), triangles.roll(-2, 1).view(-1)
    low, high = torch.minimum(start, end), torch.maximum(start, end)
    # High 32 bits: one end; low 32 bits: the other. Collapsed edges get keys of their own.
    own = torch.arange(3 * count, device=triangles.device)
    key = torch.where(low == high, -1 - own, (low << 32) | high)
    key, order = torch.sort(key, stable=True)
    equal = torch.zeros(3 * count + 1, dtype=torch.bool, device=key.device)
    if count:
        equal[1:-1] = key[1:] == key[:-1]
    first = equal[1:] & ~equal[:-1]  # equal to the next, not to the previous
    last = equal[:-1] & ~equal[1:]
    first_of_two = first & last.roll(-1)
    last_of_two = last & first.roll(1)
    other = torch.where(first_of_two, order.roll(-1), torch.where(last_of_two, order.roll(1), -1))
    result = torch.full_like(other, -1)
    result[order] = other
    return result.int().view(count, 3)
