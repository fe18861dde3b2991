"""Texture coordinates for a mesh: charts that are laid out, relaxed, cut and packed.

The smoothed surface is projected along the axes (`diffrec.charting.boxes`), stretch is evened
out and what covers itself is cut (`diffrec.charting.relaxation`), and all charts are packed by
their texels (`diffrec.charting.packing`). On smooth and on rough surfaces this makes fewer
charts with less stretch than xatlas, in a fraction of the time (docs/benchmarks.md). xatlas can
lay out the charts instead (`diffrec.charting.xatlas_charts`); where it does not deliver, and for
charts that it stretches or folds, the projection takes its place.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from diffrec import side_work
from diffrec.geometry.mesh import EmptyMeshError, Mesh

__all__ = ["Charted", "chart"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_PATIENCE = 30.0  # seconds for kernels that are being compiled; to do so here takes ten


@dataclass(frozen=True)
class Charted:
    """A mesh with texture coordinates, and how it came to them.

    method: "projection" or "xatlas"; charts: how many; seconds: wall clock; degenerate: triangles
    without area, which keep their place in the mesh and need no texels; note: why xatlas was not
    used though asked for, or not for all of the mesh, for the log, else None.
    """

    mesh: Mesh
    method: str
    charts: int
    seconds: float
    degenerate: int
    note: str | None = None


def chart(
    mesh: Mesh,
    resolution: int | Sequence[int],
    *,
    method: Literal["projection", "xatlas"] = "projection",
    timeout: float = 300.0,
    command: Sequence[str] | None = None,
    workers: int | None = None,
) -> Charted:
    """Charts and packs a mesh; positions, triangles and their order stay as they are.

    resolution: of the texture, texels or (height, width); it sets the space between charts.
    method: what lays the charts out. Of xatlas: timeout: seconds that it may take; command: the
    child process in its place, the input and output file are appended (for tests); workers: child
    processes at a time, by default one per usable core. The result does not depend on the number
    of cores.
    The texture coordinates lie in [0, 1] with the origin top left, do not overlap and are not
    mirrored: increasing texture height is cross(normal, tangent) everywhere.
    Raises EmptyMeshError for a mesh without triangles.
    """
    if mesh.triangles.numel() == 0:
        raise EmptyMeshError("There is no triangle to give texture coordinates to.")
    texels = resolution if isinstance(resolution, int) else min(resolution)
    # A position that is no number must not take the rest of the mesh with it.
    positions = np.nan_to_num(mesh.positions.detach().cpu().double().numpy(), posinf=0, neginf=0)
    triangles = mesh.triangles.detach().cpu().numpy().astype(np.int64)

    start = time.monotonic()
    side_work.wait_for(side_work.CHARTING, _PATIENCE)
    # Numba takes a moment to load: not for a run that charts nothing.
    from diffrec.charting.boxes import box_charts
    from diffrec.charting.ids import chart_ids
    from diffrec.charting.layout import laid_out

    note: str | None = None
    if method == "xatlas":
        from diffrec.charting.xatlas_charts import NoCharts
        from diffrec.charting.xatlas_layout import by_xatlas

        try:
            texcoords, indices, note = by_xatlas(
                positions, triangles, texels, timeout, command, workers
            )
        except NoCharts as reason:
            method, note = "projection", str(reason)
    if method == "projection":
        texcoords, indices = box_charts(positions, triangles, texels)
    placed, indices = laid_out(positions[triangles], texcoords, indices, texels)
    device = mesh.positions.device
    charted = replace(
        mesh,
        texcoords=torch.from_numpy(placed.astype(np.float32)).to(device),
        texcoord_triangles=torch.from_numpy(indices).to(device),
        tangents=None,
        tangent_triangles=None,
    )
    count, seconds = int(chart_ids(indices).max()) + 1, time.monotonic() - start
    return Charted(charted, method, count, seconds, _degenerate(positions, triangles), note)


def _degenerate(positions: Floats, triangles: Ints) -> int:
    """How many triangles have no area to speak of."""
    a, b, c = (positions[triangles[:, k]] for k in range(3))
    doubled = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    longest = np.maximum(np.linalg.norm(b - a, axis=1), np.linalg.norm(c - a, axis=1))
    return int((doubled <= 1e-7 * longest**2).sum())
