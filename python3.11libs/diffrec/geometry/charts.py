"""Texture coordinates for a mesh: xatlas in child processes, or a method that cannot fail.

The mesh is cut into parts of some thousand triangles, which xatlas charts in processes of their
own (`diffrec.geometry.xatlascharts`). Where it does not deliver, and for charts that it stretches
or folds, charts by projection (`diffrec.geometry.boxcharts`) take their place. All charts are then
packed together (`diffrec.geometry.chartpacking`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from diffrec.geometry.boxcharts import box_charts, covers_itself
from diffrec.geometry.chartids import chart_ids, signed_areas
from diffrec.geometry.chartpacking import pack_charts, upright
from diffrec.geometry.chartparts import mesh_parts
from diffrec.geometry.chartquality import triangle_stretch
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

    method: "xatlas" or "box projection"; charts: how many; seconds: wall clock; degenerate:
    triangles without area, which keep their place in the mesh and need no texels; note: why
    xatlas was not used, or not for all of the mesh, for the log, else None.
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
    timeout: float = 300.0,
    command: Sequence[str] | None = None,
    workers: int | None = None,
) -> Charted:
    """Charts and packs a mesh; positions, triangles and their order stay as they are.

    resolution: of the texture, texels or (height, width); it sets the space between charts.
    timeout: seconds that xatlas may take; 0 does without it. command: the child process in place
    of xatlas, its input and output file are appended (for tests). workers: child processes at a
    time, by default one per usable core; the result does not depend on it.
    The texture coordinates lie in [0, 1] with the origin top left, do not overlap and are not
    mirrored: increasing texture height is cross(normal, tangent) everywhere.
    Raises EmptyMeshError for a mesh without triangles.
    """
    if mesh.triangles.numel() == 0:
        raise EmptyMeshError("There is no triangle to give texture coordinates to.")
    texels = resolution if isinstance(resolution, int) else min(resolution)
    positions = mesh.positions.detach().cpu().double().numpy()
    triangles = mesh.triangles.detach().cpu().numpy().astype(np.int64)

    start = time.monotonic()
    texcoords, indices, method, note = _laid_out(
        positions, triangles, texels, timeout, command, workers
    )
    number = chart_ids(indices)
    flat = upright(_sized(positions[triangles], texcoords[indices], number), number)
    placed = np.zeros_like(texcoords)
    placed[indices.reshape(-1)] = pack_charts(flat, number, texels).reshape(-1, 2)
    placed[:, 1] = 1.0 - placed[:, 1]
    device = mesh.positions.device
    charted = replace(
        mesh,
        texcoords=torch.from_numpy(placed.clip(0.0, 1.0).astype(np.float32)).to(device),
        texcoord_triangles=torch.from_numpy(indices).to(device),
        tangents=None,
        tangent_triangles=None,
    )
    count, seconds = int(number.max()) + 1, time.monotonic() - start
    return Charted(charted, method, count, seconds, _degenerate(positions, triangles), note)


def _laid_out(
    positions: Floats,
    triangles: Ints,
    texels: int,
    timeout: float,
    command: Sequence[str] | None,
    workers: int | None,
) -> tuple[Floats, Ints, str, str | None]:
    """Unpacked texture coordinates [T, 2] and triangles [F, 3], the method, and the note."""
    if timeout <= 0:
        return *box_charts(positions, triangles, texels), "box projection", "the time limit is 0"
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
        return *box_charts(positions, triangles, texels), "box projection", reasons[0]
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
    return texcoords[used], indices.reshape(-1, 3).astype(np.int64), "xatlas", note


def _weak(corner: Floats, texcoords: Floats, indices: Ints, texels: int) -> NDArray[np.bool_]:
    """Which triangles [F] belong to a chart that is stretched, mirrored or covers itself."""
    flat, number = texcoords[indices], chart_ids(indices)
    level, area = triangle_stretch(corner, flat)
    stretch = np.bincount(number, np.where(area > 0, level**2 * area, 0.0))
    weak = stretch > _STRETCH**2 * np.bincount(number, area)
    weak |= np.bincount(number, (area > 0) & (signed_areas(flat) <= 0)) > 0
    density = texels / np.sqrt(max(float(area.sum()), 1e-30))
    weak |= covers_itself(number, flat * density)
    return np.asarray(weak[number])


def _sized(corner: Floats, flat: Floats, number: Ints) -> Floats:
    """The charts with as much area as they have on the surface, and no direction preferred.

    xatlas rounds the width and the height of a chart up to whole texels, which stretches small
    ones: u and v are scaled until the mean squares of their gradients on the surface are equal.
    """
    e1, e2 = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    shaped = triangle_stretch(corner, flat)[1]
    f1, f2 = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    steep = (
        (e2**2).sum(1)[:, None] * f1**2
        - 2.0 * (e1 * e2).sum(1)[:, None] * f1 * f2
        + (e1**2).sum(1)[:, None] * f2**2
    ) / np.where(shaped > 0, shaped, np.inf)[:, None]
    energy = np.stack([np.bincount(number, steep[:, k]) for k in range(2)], 1)
    covered = np.bincount(number, np.abs(signed_areas(flat)))
    surface = np.bincount(number, shaped)
    sound = (energy > 0).all(1) & (covered > 0) & (surface > 0)
    ratio = np.ones((len(sound), 2))
    ratio[sound] = np.sqrt(energy[sound][:, ::-1] / energy[sound]).clip(0.5, 2.0)
    grown = np.ones(len(sound))
    grown[sound] = (surface[sound] / covered[sound]).clip(0.1, 10.0)
    return np.asarray(flat * np.sqrt(grown[:, None] * ratio)[number][:, None, :])


def _degenerate(positions: Floats, triangles: Ints) -> int:
    """How many triangles have no area to speak of."""
    a, b, c = (positions[triangles[:, k]] for k in range(3))
    doubled = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    longest = np.maximum(np.linalg.norm(b - a, axis=1), np.linalg.norm(c - a, axis=1))
    return int((doubled <= 1e-7 * longest**2).sum())
