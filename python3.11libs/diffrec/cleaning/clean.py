"""The surface between the passes and the mesh at the end, as the configuration wants them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from diffrec import side_work
from diffrec.geometry.mesh import Mesh

__all__ = ["evened", "loosened", "plain"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_PATIENCE = 30.0  # seconds for kernels that are being compiled


def plain(mesh: Mesh) -> tuple[Floats, Ints]:
    """Positions [V, 3] and triangles [F, 3] of a mesh as arrays."""
    positions = mesh.positions.detach().cpu().double().numpy()
    return np.nan_to_num(positions, posinf=0, neginf=0), mesh.triangles.cpu().numpy()


def evened(mesh: Mesh) -> Mesh:
    """The surface with even triangles, about as many of them, and with smooth normals.

    What else the mesh carries is left out.
    """
    side_work.wait_for(side_work.CLEANING, _PATIENCE)
    # Numba takes a moment to load: not for a run that wants none of it.
    from diffrec.cleaning.remesh import remeshed
    from diffrec.cleaning.untangle import untangled

    positions, triangles = remeshed(*plain(mesh))
    positions, _before, _after = untangled(positions, triangles)
    device = mesh.positions.device
    even = Mesh(torch.from_numpy(positions).float(), torch.from_numpy(triangles))
    return even.to(device).with_normals()


def loosened(mesh: Mesh, log: Callable[[str], None]) -> torch.Tensor:
    """The mesh's positions [V, 3] with as few self-intersections as can be had; says so."""
    from diffrec.cleaning.untangle import untangled

    positions, triangles = plain(mesh)
    moved, before, after = untangled(positions, triangles)
    if before == after:
        return mesh.positions
    log(f"Self-intersecting faces: {before}, loosened until {after} were left")
    return torch.from_numpy(moved).to(mesh.positions)
