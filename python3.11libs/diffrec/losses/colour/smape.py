"""Symmetric mean absolute percentage error, as used by Vogels et al., SIGGRAPH 2018."""

from __future__ import annotations

from torch import Tensor

EPSILON = 0.01


def loss(color: Tensor, reference: Tensor) -> Tensor:
    """mean |x - y| / (|x| + |y| + 0.01)."""
    scale = color.abs() + reference.abs() + EPSILON
    return ((color - reference).abs() / scale).mean()
