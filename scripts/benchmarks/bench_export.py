"""Seconds of making an asset of a large result, stage by stage, without levels of detail.

The result is generated: a rough ball with charts of its own, and textures as noisy as trained ones.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch.nn import functional

from diffrec.charting.charts import chart
from diffrec.export import probe, textures
from diffrec.export.obj import write_obj
from diffrec.imagefiles import write_hdr, write_png
from diffrec.runtime.processor_cores import usable_cores

sys.path.insert(0, str(Path(__file__).parent))
from bench_charts import rough_surface

FACES = 97_000
"""What is asked for: the surface has about a tenth more."""
LIBRARIES = Path(__file__).resolve().parents[2] / "python3.11libs"


def make_result(folder: Path, faces: int, texels: int) -> int:
    """Write `folder`/mesh as a training leaves it; its number of triangles."""
    place = folder / "mesh"
    place.mkdir(parents=True)
    surface = rough_surface(faces)
    charted = chart(surface, texels).mesh.with_normals()
    write_obj(place / "mesh.obj", charted, material="mat")
    random = torch.Generator().manual_seed(0)

    def noise(channels: int, share: float) -> torch.Tensor:
        """Blots as large as a hundred texels, and `share` of noise in every texel."""
        coarse = torch.rand(1, channels, texels // 64, texels // 64, generator=random)
        blots = functional.interpolate(coarse, (texels, texels), mode="bicubic")[0]
        fine = torch.rand(channels, texels, texels, generator=random)
        return (blots * (1 - share) + fine * share).clamp(0, 1).permute(1, 2, 0)

    bumps = torch.cat([noise(2, 0.2) * 0.4 - 0.2, torch.ones(texels, texels, 1)], dim=2)
    pictures = (noise(3, 0.1), noise(3, 0.1), functional.normalize(bumps, dim=2) * 0.5 + 0.5)
    for name, picture in zip(textures.FILES, pictures, strict=True):
        write_png(place / name, picture)
    sky = torch.rand(*probe.PROBE_RESOLUTION, 3, generator=random)
    write_hdr(place / probe.FILES[0], sky)
    return len(charted.triangles)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=FACES)
    parser.add_argument("--texels", type=int, default=2048)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--result", type=Path, help="keep the result here, or take this one")
    parser.add_argument("--profile", action="store_true", help="say which functions take the time")
    options, more = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        result = options.result or Path(folder) / "large"
        if not (result / "mesh").is_dir():
            count = make_result(result, options.faces, options.texels)
            print(f"{count:,} faces, textures of {options.texels}²", flush=True)
        if options.profile:
            _profile(result, Path(folder) / "asset", more)
            return
        print(f"{usable_cores()} cores; options: {' '.join(more) or 'none'}\n")
        print("| run | seconds | of the processors | memory |\n|---|---|---|---|", flush=True)
        for number in range(options.repeat):
            out = Path(folder) / f"asset{number}"
            command = [sys.executable, "-m", "diffrec.asset", f"--out={out}", *more, str(result)]
            before, began = _used(), time.perf_counter()
            environment = {**os.environ, "PYTHONPATH": str(LIBRARIES)}
            subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
            seconds = time.perf_counter() - began
            memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
            print(
                f"| {number + 1} | {seconds:.1f} | {_used() - before:.1f} | {memory:.1f} GiB |",
                flush=True,
            )


def _used() -> float:
    """Seconds of the processors that processes started here have taken."""
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime


def _profile(result: Path, out: Path, more: list[str]) -> None:
    from diffrec.asset.command import main as export

    profile = cProfile.Profile()
    profile.runcall(export, [f"--out={out}", *more, str(result)])
    pstats.Stats(profile).sort_stats("cumulative").print_stats(45)


if __name__ == "__main__":
    main()
