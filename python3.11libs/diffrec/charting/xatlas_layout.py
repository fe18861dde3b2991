"""Charts by xatlas for a whole mesh: where it does not deliver, the projection takes its place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from diffrec.charting.boxes import box_charts
from diffrec.charting.ids import chart_ids, signed_areas
from diffrec.charting.layout import surface_area
from diffrec.charting.overlap import overlapping
from diffrec.charting.parts import mesh_parts
from diffrec.charting.quality import triangle_stretch
from diffrec.charting.xatlas_charts import NoCharts, xatlas_charts

__all__ = ["by_xatlas"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_PART = 8000  # triangles: xatlas slows down faster than a part grows
_STRETCH = 1.3  # L2 of a chart by xatlas, above which a projection is the better one


def by_xatlas(
    positions: Floats,
    triangles: Ints,
    texels: int,
    timeout: float,
    command: Sequence[str] | None,
    workers: int | None,
) -> tuple[Floats, Ints, str | None]:
    """Unpacked texture coordinates [T, 2], triangles [F, 3] and the note. Raises NoCharts."""
    if timeout <= 0:
        raise NoCharts("the time limit is 0")
    parts = mesh_parts(positions, triangles, _PART)
    found = xatlas_charts(
        positions, triangles, parts, timeout=timeout, command=command, workers=workers
    )
    texcoords, indices = np.zeros((0, 2)), np.zeros_like(triangles)
    rest = np.zeros(len(triangles), dtype=np.bool_)
    reasons = []
    for part, layout in zip(parts, found, strict=True):
        if isinstance(layout, NoCharts):
            reasons.append(str(layout))
            rest[part] = True
        else:
            indices[part] = layout[1] + len(texcoords)
            texcoords = np.concatenate([texcoords, layout[0]])
    if len(reasons) == len(parts):
        raise NoCharts(reasons[0])
    note = None
    if reasons:
        share = f"{len(reasons)} of {len(parts)} parts"
        note = f"{share} charted by projection: {reasons[0]}"
    kept = np.flatnonzero(~rest)
    rest[kept] = _weak(positions[triangles[kept]], texcoords, indices[kept], texels)
    if rest.any():
        other = box_charts(positions, triangles[rest], texels)
        indices[rest] = other[1] + len(texcoords)
        texcoords = np.concatenate([texcoords, other[0]])
    used, indices = np.unique(indices, return_inverse=True)
    return texcoords[used], indices.reshape(-1, 3).astype(np.int64), note


def _weak(corner: Floats, texcoords: Floats, indices: Ints, texels: int) -> NDArray[np.bool_]:
    """Which triangles [F] belong to a chart that is stretched, mirrored or covers itself."""
    flat, number = texcoords[indices], chart_ids(indices)
    level, area = triangle_stretch(corner, flat)
    stretch = np.bincount(number, np.where(area > 0, level**2 * area, 0.0))
    weak = stretch > _STRETCH**2 * np.bincount(number, area)
    weak |= np.bincount(number, (area > 0) & (signed_areas(flat) <= 0)) > 0
    density = texels / np.sqrt(surface_area(corner))
    weak |= np.bincount(number, overlapping(flat * density, number) >= 0) > 0
    return np.asarray(weak[number])
