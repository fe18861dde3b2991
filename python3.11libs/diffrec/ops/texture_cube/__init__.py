"""Trilinear fetches of cube maps."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from diffrec.ops.backends import Operation
from diffrec.ops.texture_cube import reference

_operation = Operation(__name__)


def texture_cube(
    levels: Sequence[Tensor],
    directions: Tensor,
    lod: Tensor | None,
) -> Tensor:
    """Trilinear fetch [P, C] of cube levels [6, R, R, C] along directions [P, 3], any length.

    Bilinear across the edges of faces too. `lod`: [P], clamped to the levels; None reads the
    first. Gradients to texels, directions and lod.
    """
    kernels = _operation.kernels(levels[0]) or reference
    fetched: Tensor = kernels.fetch(levels, directions, lod)
    return fetched
