"""What is wrong with a mesh, in figures: shards, knots, slivers, open and crowded sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffrec.charting.ids import chart_ids
from diffrec.cleaning.intersections import intersecting
from nvdiffrec_contract.wording import counted

__all__ = ["MeshFaults", "measure_mesh", "smallest_angles"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SLIVER = 10.0
"""Degrees: a triangle with a smaller angle is a sliver."""


@dataclass(frozen=True)
class MeshFaults:
    """Figures of one mesh.

    Attributes:
        faces: triangles.
        components: connected parts, the largest included.
        shards: triangles of all parts but the largest.
        intersecting: triangles that pass through others.
        slivers: triangles with an angle below `SLIVER` degrees.
        open_sides: sides of one triangle alone.
        crowded_sides: sides of more than two triangles.
    """

    faces: int
    components: int
    shards: int
    intersecting: int
    slivers: int
    open_sides: int
    crowded_sides: int

    def __str__(self) -> str:
        share = 100.0 / max(1, self.faces)
        return (
            f"{counted(self.components, 'component')} ({self.shards} faces beside the largest), "
            f"{self.intersecting} self-intersecting faces ({self.intersecting * share:.2f}%), "
            f"{self.slivers * share:.1f}% slivers, {self.open_sides} open and "
            f"{self.crowded_sides} non-manifold edges"
        )


def measure_mesh(positions: Floats, triangles: Ints) -> MeshFaults:
    """Measure a mesh: positions [V, 3], triangles [F, 3]. 100,000 triangles take about a second."""
    if len(triangles) == 0:
        return MeshFaults(0, 0, 0, 0, 0, 0, 0)
    sizes = np.bincount(chart_ids(triangles))
    sides = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    _, owners = np.unique(sides[:, 0] * len(positions) + sides[:, 1], return_counts=True)
    return MeshFaults(
        faces=len(triangles),
        components=len(sizes),
        shards=int(sizes.sum() - sizes.max()),
        intersecting=int(intersecting(positions, triangles).sum()),
        slivers=int((smallest_angles(positions, triangles) < SLIVER).sum()),
        open_sides=int((owners == 1).sum()),
        crowded_sides=int((owners > 2).sum()),
    )


def smallest_angles(positions: Floats, triangles: Ints) -> Floats:
    """The smallest angle [F] of each triangle in degrees; 0 of one without area."""
    corner = positions[triangles]
    side = np.roll(corner, -1, axis=1) - corner
    length = np.linalg.norm(side, axis=2)
    doubled = np.linalg.norm(np.cross(side[:, 0], side[:, 1]), axis=1)
    # The smallest angle lies between the two longer sides.
    longest = np.sort(length, axis=1)
    sine = doubled / np.maximum(longest[:, 1] * longest[:, 2], 1e-300)
    return np.asarray(np.degrees(np.arcsin(np.clip(sine, 0.0, 1.0))))
