"""The child process that runs xatlas: `python -m diffrec.charting.xatlas_process IN.npz OUT.npz`.

IN: positions [V, 3] float32, triangles [F, 3] uint32. OUT: texcoords [T, 2], each chart at the
size that it has on the surface, v upward; triangles [F, 3] into texcoords. Where the charts lie
to one another says nothing. Imports neither torch nor the rest of diffrec, so that it starts in a
fraction of a second.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import xatlas

# xatlas has absolute thresholds, below which it leaves out edges and triangles: the mesh is
# charted at this mean edge length.
_EDGE = 1000.0


def main(source: Path, target: Path) -> None:
    """Chart the mesh in `source`; write `target` at once or not at all."""
    with np.load(source, allow_pickle=False) as data:
        positions, triangles = data["positions"].astype(np.float64), data["triangles"]
    edges = positions[triangles[:, 0]] - positions[triangles[:, 1]]
    scale = _EDGE / max(float(np.linalg.norm(edges, axis=1).mean()), 1e-30)
    atlas = xatlas.Atlas()
    atlas.add_mesh(((positions - positions.mean(axis=0)) * scale).astype(np.float32), triangles)
    packing = xatlas.PackOptions()
    packing.resolution = 1024
    # xatlas turns a chart by swapping u and v, which mirrors it; without that, and with the
    # winding enforced, all charts have one handedness and normal maps one bitangent.
    packing.rotate_charts = False
    charting = xatlas.ChartOptions()
    charting.fix_winding = True
    atlas.generate(charting, packing)
    _, indices, uv = atlas[0]
    texcoords = uv * (np.array([atlas.width, atlas.height]) / (atlas.texels_per_unit * scale))
    part = target.with_suffix(".part.npz")
    np.savez(part, texcoords=texcoords, triangles=indices)
    part.replace(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
