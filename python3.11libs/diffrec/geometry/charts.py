"""Texture coordinates for a mesh: charts that are laid out, relaxed, cut and packed.

The smoothed surface is projected along the axes (`diffrec.geometry.boxcharts`), stretch is evened
out and what covers itself is cut (`diffrec.geometry.chartrelax`), and all charts are packed by
their texels (`diffrec.geometry.chartpacking`). On smooth and on rough surfaces this makes fewer
charts with less stretch than xatlas, in a fraction of the time (docs/benchmarks.md). xatlas can
lay out the charts instead (`diffrec.geometry.xatlascharts`); where it does not deliver, and for
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

from diffrec.geometry.boxcharts import box_charts
from diffrec.geometry.chartids import chart_ids, signed_areas, split
from diffrec.geometry.chartoverlap import cut_apart, overlapping
from diffrec.geometry.chartpacking import pack_charts, upright
from diffrec.geometry.chartparts import mesh_parts
from diffrec.geometry.chartquality import triangle_stretch
from diffrec.geometry.chartrelax import relaxed
from diffrec.geometry.mesh import EmptyMeshError, Mesh
from diffrec.geometry.xatlascharts import NoCharts, xatlas_charts

__all__ = ["Charted", "chart"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_PART = 8000  # triangles: xatlas slows down faster than a part grows
_STRETCH = 1.3  # L2 of a chart by xatlas, above which a projection is the better one


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
    note: str | None = None
    if method == "xatlas":
        try:
            texcoords, indices, note = _by_xatlas(
                positions, triangles, texels, timeout, command, workers
            )
        except NoCharts as reason:
            method, note = "projection", str(reason)
    if method == "projection":
        texcoords, indices = box_charts(positions, triangles, texels)
    number, corner = chart_ids(indices), positions[triangles]
    texcoords = _sized(corner, texcoords, indices, number)
    density = texels / np.sqrt(_surface(corner))
    texcoords, indices = relaxed(corner, texcoords, indices, density)
    number = chart_ids(indices)
    texcoords = _sized(corner, texcoords, indices, number)
    texcoords[indices] = upright(texcoords[indices], number)
    placed, indices = _packed(texcoords, indices, texels)
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


def _packed(texcoords: Floats, indices: Ints, texels: int) -> tuple[Floats, Ints]:
    """Texture coordinates [T, 2] in [0, 1], origin top left, and triangles [F, 3] into them.

    What covers itself at just this size is cut, and all is packed anew.
    """
    while True:
        number = chart_ids(indices)
        placed = np.zeros_like(texcoords)
        placed[indices] = pack_charts(texcoords[indices], number, texels)
        shown = placed[indices] * texels
        if (overlapping(shown, number) < 0).all():
            placed[:, 1] = 1.0 - placed[:, 1]
            return placed.clip(0.0, 1.0), indices
        cut = cut_apart(shown, number, indices)
        texcoords, indices = split(texcoords, indices, cut)


def _by_xatlas(
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
    density = texels / np.sqrt(_surface(corner))
    weak |= np.bincount(number, overlapping(flat * density, number) >= 0) > 0
    return np.asarray(weak[number])


def _surface(corner: Floats) -> float:
    """Area of triangles [F, 3, 3], never 0."""
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    return max(0.5 * float(np.linalg.norm(normal, axis=1).sum()), 1e-30)


def _sized(corner: Floats, texcoords: Floats, indices: Ints, number: Ints) -> Floats:
    """Texture coordinates [T, 2] of charts with as much area as they have on the surface."""
    surface = np.bincount(number, triangle_stretch(corner, texcoords[indices])[1])
    covered = np.bincount(number, np.abs(signed_areas(texcoords[indices])))
    sound = (surface > 0) & (covered > 0)
    scale = np.ones(len(sound))
    scale[sound] = np.sqrt(surface[sound] / covered[sound])
    owner = np.zeros(len(texcoords), dtype=np.int64)
    owner[indices] = number[:, None]
    return np.asarray(texcoords * scale[owner][:, None])


def _degenerate(positions: Floats, triangles: Ints) -> int:
    """How many triangles have no area to speak of."""
    a, b, c = (positions[triangles[:, k]] for k in range(3))
    doubled = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    longest = np.maximum(np.linalg.norm(b - a, axis=1), np.linalg.norm(c - a, axis=1))
    return int((doubled <= 1e-7 * longest**2).sum())
