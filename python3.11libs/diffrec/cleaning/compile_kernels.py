"""Compiles the kernels of cleaning into Numba's cache.

`python -m diffrec.cleaning.compile_kernels` is a process that a run starts beside itself, as with
`diffrec.charting.compile_kernels`. It imports no PyTorch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import numpy as np

from diffrec.cleaning.intersections import intersecting
from diffrec.cleaning.remesh import remeshed
from diffrec.runtime.compiled_parts import compile_parts
from diffrec.runtime.processor_cores import step_back


def cleaning() -> None:
    """A cube, and two triangles that cross."""
    corner = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    triangles = [half for a, b, c, d in sides for half in ((a, b, c), (a, c, d))]
    remeshed(corner, np.array(triangles), 0.4)
    intersecting(corner, np.array([[0, 3, 5], [1, 2, 7]]))


WORK: dict[str, Callable[[], None]] = {"cleaning": cleaning}


def main(names: Sequence[str]) -> None:
    """Compile what the names say; each is printed when it is ready."""
    compile_parts(WORK, names)


if __name__ == "__main__":
    step_back()
    main(sys.argv[1:])
