"""Compiles the kernels of charting into Numba's cache.

`python -m diffrec.charting.compile_kernels` is a process that a run starts beside itself, so that
its own charting finds them compiled. Arguments choose what: `packing`, `layout`; without any, both.
It imports no PyTorch and starts in a moment.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from diffrec.charting.boxes import box_charts
from diffrec.charting.ids import chart_ids
from diffrec.charting.packing import pack_charts, upright
from diffrec.charting.relaxation import relaxed
from diffrec.runtime.compiled_parts import compile_parts
from diffrec.runtime.processor_cores import step_back

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_TEXELS = 64
_STEPS = 24  # of a turn


def winding_stair() -> tuple[Floats, Ints]:
    """Positions [V, 3] and triangles [F, 3] of two turns of a stair: from above it covers itself,
    so that it has to be cut."""
    angle = np.arange(2 * _STEPS + 1) * (2 * np.pi / _STEPS)
    rise = 0.05 * angle
    rims = [np.stack([r * np.cos(angle), r * np.sin(angle), rise], axis=1) for r in (0.5, 1.0)]
    inner = np.arange(2 * _STEPS)
    outer = inner + len(angle)
    triangles = np.concatenate(
        [np.stack([inner, outer, outer + 1], 1), np.stack([inner, outer + 1, inner + 1], 1)]
    )
    return np.concatenate(rims), triangles


def layout() -> None:
    """What comes before packing."""
    positions, triangles = winding_stair()
    texcoords, indices = box_charts(positions, triangles, _TEXELS)
    relaxed(positions[triangles], texcoords, indices, _TEXELS / 4.0)


def packing() -> None:
    """Placing charts, the largest single part."""
    flat = np.array([[[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]], [[5.0, 0.0], [7.0, 1.0], [5.0, 2.0]]])
    number = chart_ids(np.arange(6, dtype=np.int64).reshape(2, 3))
    pack_charts(upright(flat, number), number, _TEXELS)


WORK: dict[str, Callable[[], None]] = {"packing": packing, "layout": layout}


def main(names: Sequence[str]) -> None:
    """Compile what the names say; each is printed when it is ready."""
    compile_parts(WORK, names)


if __name__ == "__main__":
    step_back()
    main(sys.argv[1:])
