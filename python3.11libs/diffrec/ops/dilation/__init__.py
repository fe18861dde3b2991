"""What dilating a texture does in full resolution: sums of what is known, and filling the rest."""

from __future__ import annotations

from torch import Tensor

from diffrec.ops.backends import Operation
from diffrec.ops.dilation import reference
from diffrec.ops.dilation.reference import halved

__all__ = ["filled", "halved", "weighted_sums"]

_operation = Operation(__name__)


def weighted_sums(image: Tensor, weight: Tensor) -> Tensor:
    """Sums of `image` [H, W, C] times `weight` [H, W] over blocks of 2 x 2 texels: [C, H/2, W/2],
    rounded up where the last block is cut. No gradient."""
    found: Tensor = (_operation.kernels(image) or reference).weighted_sums(image, weight)
    return found


def filled(image: Tensor, known: Tensor, background: Tensor) -> Tensor:
    """`image` [H, W, C] where `known` [H, W], and elsewhere the texel of the block of 2 x 2 in
    `background` [C, H/2, W/2]. No gradient."""
    found: Tensor = (_operation.kernels(image) or reference).filled(image, known, background)
    return found
