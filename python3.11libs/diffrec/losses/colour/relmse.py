"""Relative squared error, after Rousselle et al., SIGGRAPH Asia 2011."""

from __future__ import annotations

from torch import Tensor

EPSILON = 0.1


def loss(color: Tensor, reference: Tensor) -> Tensor:
    """Symmetric in both: mean (x - y)^2 / (x^2 + y^2 + 0.1)."""
    scale = color.square() + reference.square() + EPSILON
    return ((color - reference).square() / scale).mean()
