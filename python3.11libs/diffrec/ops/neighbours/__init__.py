"""Which texels of a cube map lie near each other."""

from __future__ import annotations

from torch import Tensor

from diffrec.ops.backends import Operation
from diffrec.ops.neighbours import reference

_operation = Operation(__name__)


def within(directions: Tensor, window: Tensor, reach: int, nearest: float) -> tuple[Tensor, Tensor]:
    """(start [N + 1] int64, column [E] int32): the texels around each, sorted, each named once.

    `directions`: [N, 3] of a cube's texels; `window`: `cubemap.neighbour_table(size, reach)`;
    texels within `reach` rows and columns whose cosine is at least `nearest` belong.
    """
    kernels = _operation.kernels(window) or reference
    start, column = kernels.within(directions, window, reach, nearest)
    return start, column
