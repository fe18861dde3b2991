"""Seconds, stretch and use of the texture of charts: ours beside xatlas's own.

Without mesh files it makes rough surfaces of about the sizes asked for. The baseline is xatlas
with its default options on the whole mesh, in a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from diffrec.charting.charts import chart
from diffrec.charting.quality import measure_charts
from diffrec.geometry.dmtet import DMTetGeometry
from diffrec.geometry.mesh import Mesh
from diffrec.runtime.processor_cores import usable_cores
from diffrec.textured_mesh import load_obj

WHOLE = """
import sys, time, numpy as np, xatlas
data = np.load(sys.argv[1])
atlas, packing, charting = xatlas.Atlas(), xatlas.PackOptions(), xatlas.ChartOptions()
packing.resolution, packing.padding, packing.bilinear = int(sys.argv[3]), 2, True
packing.rotate_charts, charting.fix_winding = False, True
atlas.add_mesh(data["positions"], data["triangles"])
began = time.perf_counter()
atlas.generate(charting, packing)
_, triangles, uv = atlas[0]
np.savez(sys.argv[2], uv=uv, triangles=triangles, seconds=time.perf_counter() - began)
"""


def rough_surface(faces: int) -> Mesh:
    """A noisy, bumpy ball by marching tetrahedra with about so many triangles."""
    grid = max(16, round((faces / 4.3) ** 0.5))
    geometry = DMTetGeometry(grid)
    points = geometry.grid_vertices
    noise = torch.randn(len(points), generator=torch.Generator().manual_seed(0))
    bumps = torch.sin(16 * points + torch.tensor([0.0, 1.0, 2.0])).prod(dim=1)
    with torch.no_grad():
        geometry.sdf.copy_(points.norm(dim=1) - 0.75 + 0.12 * bumps + noise * 0.5 / grid)
    return geometry.mesh().detach()


def whole(mesh: Mesh, texels: int) -> tuple[Mesh, float]:
    """The mesh with texture coordinates as xatlas makes them, and its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/in.npz", f"{folder}/out.npz"
        triangles = mesh.triangles.numpy().astype(np.uint32)
        np.savez(source, positions=mesh.positions.numpy(), triangles=triangles)
        subprocess.run([sys.executable, "-c", WHOLE, source, target, str(texels)], check=True)
        with np.load(target) as data:
            uv = torch.from_numpy(data["uv"]) * torch.tensor([1.0, -1.0]) + torch.tensor([0.0, 1.0])
            indices = torch.from_numpy(data["triangles"].astype(np.int64))
            seconds = float(data["seconds"])
    return Mesh(mesh.positions, mesh.triangles, uv, indices), seconds


def row(name: str, mesh: Mesh, charted: Mesh, method: str, seconds: float, texels: int) -> str:
    """A line of the table."""
    assert charted.texcoords is not None
    assert charted.texcoord_triangles is not None
    quality = measure_charts(
        mesh.positions.double().numpy(),
        mesh.triangles.numpy(),
        charted.texcoords.double().numpy(),
        charted.texcoord_triangles.numpy(),
        texels,
    )
    return (
        f"| {name} | {len(mesh.triangles):,} | {method} | {seconds:.1f} s | {quality.charts:,} "
        f"| {quality.seams:.0f} | {quality.stretch:.3f} | {quality.stretch_99:.2f} "
        f"| {quality.coverage:.0%} | {quality.lost} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("meshes", nargs="*", type=Path, help="OBJ files")
    parser.add_argument("--faces", type=int, nargs="+", default=[15_000, 100_000])
    parser.add_argument("--texels", type=int, default=1024)
    parser.add_argument("--without-whole", action="store_true", help="leave the baseline out")
    options = parser.parse_args()
    if options.meshes:
        meshes = [(path.parent.parent.name, load_obj(path).mesh) for path in options.meshes]
    else:
        meshes = [("rough ball", rough_surface(faces)) for faces in options.faces]
    chart(rough_surface(1000), 64)  # compiles
    print(f"{usable_cores()} cores, texture {options.texels}²\n")
    print("| mesh | faces | method | time | charts | seams | L2 | L2, 99% | coverage | lost |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, mesh in meshes:
        for made in (chart(mesh, options.texels), chart(mesh, options.texels, method="xatlas")):
            label = "xatlas in parts, relaxed" if made.method == "xatlas" else made.method
            print(row(name, mesh, made.mesh, label, made.seconds, options.texels), flush=True)
        if not options.without_whole:
            baseline, seconds = whole(mesh, options.texels)
            print(row(name, mesh, baseline, "xatlas alone", seconds, options.texels), flush=True)


if __name__ == "__main__":
    main()
