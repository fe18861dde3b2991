"""Squared difference of tone-mapped colour."""

from __future__ import annotations

from torch import Tensor

from diffrec.losses.tonemapping import tonemap


def loss(color: Tensor, reference: Tensor) -> Tensor:
    """mean (tonemap(x) - tonemap(y))^2."""
    return (tonemap(color) - tonemap(reference)).square().mean()
