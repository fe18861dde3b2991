"""Charts made ready for a texture: relaxed, cut, turned upright and packed, as plain arrays.

Without PyTorch, so that the kernels can be compiled by a process that starts in a moment, see
`diffrec.charting.compile_kernels`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffrec.charting.ids import chart_ids, signed_areas, split
from diffrec.charting.overlap import cut_apart, overlapping
from diffrec.charting.packing import pack_charts, upright
from diffrec.charting.quality import triangle_stretch
from diffrec.charting.relaxation import relaxed

__all__ = ["laid_out", "surface_area"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def laid_out(corner: Floats, texcoords: Floats, indices: Ints, texels: int) -> tuple[Floats, Ints]:
    """Texture coordinates [T, 2] in [0, 1], origin top left, and triangles [F, 3] into them.

    corner: [F, 3, 3] on the surface; texcoords: [T, 2], v upward, each of one chart, anywhere;
    indices: [F, 3] into them; texels: of the texture's side. Charts get less stretch and the size
    that they have on the surface; none covers itself or another, none is mirrored.
    """
    texcoords = _sized(corner, texcoords, indices, chart_ids(indices))
    density = texels / np.sqrt(surface_area(corner))
    texcoords, indices = relaxed(corner, texcoords, indices, density)
    number = chart_ids(indices)
    texcoords = _sized(corner, texcoords, indices, number)
    texcoords[indices] = upright(texcoords[indices], number)
    return _packed(texcoords, indices, texels)


def _packed(texcoords: Floats, indices: Ints, texels: int) -> tuple[Floats, Ints]:
    """Placed charts. What covers itself at just this size is cut, and all is packed anew."""
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


def surface_area(corner: Floats) -> float:
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
