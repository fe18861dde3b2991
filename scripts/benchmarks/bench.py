"""Time and memory of a training iteration, with the share of each operation.

Every resolution runs in a process of its own, on the sample scene, so that peak memory is its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WARM_UP_ITERATIONS = 100

PARTS = (
    "views",
    "geometry",
    "light",
    "rasterize",
    "edge topology",
    "interpolate",
    "material",
    "shade",
    "antialias",
    "loss",
    "regularisers",
    "backward",
    "optimizer",
)


def measure(sample: Path, size: int, iterations: int, device_name: str) -> dict[str, Any]:
    """Both passes at size x size: seconds per iteration, peak memory, shares of the parts."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    from diffrec.data.load import load_views
    from diffrec.geometry.dmtet import DMTetGeometry
    from diffrec.geometry.vertices import VertexGeometry
    from diffrec.materials import NeuralMaterial, TextureMaterial
    from diffrec.scene import Scene
    from diffrec.shading.light import EnvironmentLight
    from diffrec.textured_mesh import load_reference_mesh
    from diffrec.training.loop import train_pass
    from diffrec.training.passes import Pass, TexturePass, TopologyPass
    from nvdiffrec_contract.configuration import load_config

    device = torch.device(device_name)
    config = dataclasses.replace(
        load_config(sample / "sample.json"),
        train_res=(size, size),
        texture_res=(1024, 1024),
        dmtet_grid=64,
        iter=iterations - 1,
        save_interval=0,
        ref_mesh=str(sample / "sample.obj"),
        envmap=str(sample / "sky.hdr"),
    )
    views, _ = load_views(config, device, lambda line: None)
    light = EnvironmentLight(512).to(device)

    grid = DMTetGeometry(config.dmtet_grid, config.mesh_scale, device=device)
    field = NeuralMaterial(config, grid.box()).to(device)
    first = (TopologyPass(config, grid, field), Scene(grid, field, light))
    known = load_reference_mesh(Path(str(config.ref_mesh)), None, device).mesh
    free = VertexGeometry(known).to(device)
    textures = TextureMaterial.random(config).to(device)
    second = (TexturePass(config, known, free, textures), Scene(free, textures, light))
    todo: list[tuple[tuple[Pass, Scene], int]] = [(first, WARM_UP_ITERATIONS), (second, iterations)]
    passes = []
    for (current, scene), warm_up in todo:

        def train(count: int, current: Pass = current, scene: Scene = scene) -> float:
            shortened = dataclasses.replace(config, iter=count - 1)
            began = time.perf_counter()
            train_pass(
                shortened, current, scene, views, log=lambda line: None, picture=lambda *_: None
            )
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            return (time.perf_counter() - began) / count

        # The first surface is noise; what counts is the shape it soon becomes.
        train(warm_up)
        seconds = statistics.median(train(iterations) for _ in range(3))
        parts: dict[str, float] = {}
        if device.type != "cuda":  # whose iterations are recorded, without labels
            with profile(activities=[ProfilerActivity.CPU]) as profiler:
                train(iterations)
            parts = shares(profiler.events())
        passes.append({"seconds": seconds, "shares": parts})
    scale = 1 if sys.platform == "darwin" else 1024
    result: dict[str, Any] = {"size": size, "batch": config.batch, "passes": passes}
    result["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
    if device.type == "cuda":
        result["peak_device_bytes"] = torch.cuda.max_memory_allocated(device)
    return result


def shares(events: Any) -> dict[str, float]:
    """The part of an iteration that each label takes, what stands inside another not counted."""
    totals = dict.fromkeys(PARTS, 0.0)
    for event in events:
        parent = event.cpu_parent
        while parent is not None and parent.name not in totals:
            parent = parent.cpu_parent
        if event.name in totals and parent is None:
            totals[event.name] += event.cpu_time_total
    whole = sum(totals.values())
    return {part: total / whole for part, total in totals.items()}


def main() -> int:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 512])
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=1e9, help="after which no size is begun")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--sample", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(measure(options.sample, options.one, options.iterations, options.device)))
        return 0
    began, slowest = time.perf_counter(), 0.0
    with tempfile.TemporaryDirectory() as folder:
        sample = [sys.executable, "-m", "diffrec.sample", folder]
        subprocess.run(sample, check=True, stdout=subprocess.DEVNULL)
        rows: list[dict[str, Any]] = []
        for size in options.sizes:
            started = time.perf_counter()
            if rows and started - began + 1.5 * slowest > options.seconds:
                break
            child = [sys.executable, __file__, "--one", str(size), "--sample", folder]
            child += ["--iterations", str(options.iterations), "--device", options.device]
            done = subprocess.run(child, check=True, stdout=subprocess.PIPE, text=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            slowest = max(slowest, time.perf_counter() - started)
    print_tables(rows)
    if len(rows) < len(options.sizes):
        print("\nThe time ran out before every size was measured; --seconds gives more.")
    return 0


def print_tables(rows: list[dict[str, Any]]) -> None:
    """The figures of all sizes as two Markdown tables, on a GPU as one."""
    import torch

    machine = f"{torch.get_num_threads()} threads"
    on_gpu = "peak_device_bytes" in rows[0]
    if on_gpu:
        machine = torch.cuda.get_device_name()
    print(f"{time.strftime('%Y-%m-%d')}, {platform.platform()}, {machine},")
    print(f"PyTorch {torch.__version__}\n")
    print("| views | pass 1 per iteration | pass 2 per iteration | peak memory |")
    print("|---|---|---|---|")
    for row in rows:
        first, second = row["passes"]
        print(
            f"| {row['batch']} x {row['size']}² | {_milliseconds(first['seconds'])} "
            f"| {_milliseconds(second['seconds'])} "
            f"| {row.get('peak_device_bytes', row['peak_bytes']) / 2**30:.2f} GiB |"
        )
    if on_gpu:
        return
    head = " | ".join(f"{row['size']}² pass {n}" for row in rows for n in (1, 2))
    print(f"\n| share of an iteration | {head} |")
    print("|---" * (1 + 2 * len(rows)) + "|")
    for part in PARTS:
        cells = [f"{p['shares'][part]:.0%}" for row in rows for p in row["passes"]]
        print(f"| {part} | {' | '.join(cells)} |")


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms" if seconds > 0.1 else f"{seconds * 1e3:.2f} ms"


if __name__ == "__main__":
    raise SystemExit(main())
