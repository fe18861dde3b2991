"""The child process that runs xatlas: `python -m diffrec.geometry.xatlas_process IN.npz OUT.npz`.

IN: positions [V, 3] float32, triangles [F, 3] uint32, resolution (texels). OUT: texcoords [T, 2],
origin top left; triangles [F, 3] into texcoords; charts. Imports neither torch nor the rest of
diffrec, so that it starts in a fraction of a second.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import xatlas

PADDING = 2  # texels between charts: room for bilinear filtering and one mip level


def main(source: Path, target: Path) -> None:
    """Chart and pack the mesh in `source`; write `target` at once or not at all."""
    with np.load(source, allow_pickle=False) as data:
        positions, triangles = data["positions"], data["triangles"]
        resolution = int(data["resolution"])
    atlas = xatlas.Atlas()
    atlas.add_mesh(positions, triangles)
    packing = xatlas.PackOptions()
    packing.resolution = resolution
    packing.padding = PADDING
    packing.bilinear = True
    # xatlas turns a chart by swapping u and v, which mirrors it; without that, and with the
    # winding enforced, all charts have one handedness and normal maps one bitangent.
    packing.rotate_charts = False
    charting = xatlas.ChartOptions()
    charting.fix_winding = True
    atlas.generate(charting, packing)
    if atlas.atlas_count != 1:
        raise RuntimeError(f"xatlas spread the charts over {atlas.atlas_count} textures")
    _, indices, uv = atlas[0]
    texcoords = np.stack([uv[:, 0], 1.0 - uv[:, 1]], axis=1)
    part = target.with_suffix(".part.npz")
    np.savez(part, texcoords=texcoords, triangles=indices, charts=atlas.chart_count)
    part.replace(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
