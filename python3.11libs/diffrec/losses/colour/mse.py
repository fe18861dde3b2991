"""Mean squared error."""

from __future__ import annotations

from torch import Tensor


def loss(color: Tensor, reference: Tensor) -> Tensor:
    """mean (x - y)^2."""
    return (color - reference).square().mean()
