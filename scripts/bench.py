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


def measure(sample: Path, size: int, iterations: int, device_name: str) -> dict[str, object]:
    """Both passes at size x size; seconds per iteration (median), peak memory, shares."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    from diffrec.config import load_config
    from diffrec.reconstruct import prepare_first_pass, prepare_second_pass

    device = torch.device(device_name)
    config = load_config(sample / "sample.json")
    config = dataclasses.replace(
        config,
        train_res=(size, size),
        display_res=(size, size),
        iter=iterations,
        save_interval=0,
        ref_mesh=str(sample / str(config.ref_mesh)),
        envmap=str(sample / str(config.envmap)),
    )
    result: dict[str, object] = {"size": size, "batch": config.batch, "passes": []}
    first = prepare_first_pass(config, device)
    for run in (first, None):
        run = run or prepare_second_pass(config, device, first)
        run.train()  # warms caches and compiled kernels up
        times = run.train()
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            run.train()
        totals = {e.key: e.cpu_time_total for e in profiler.key_averages() if e.key in PARTS}
        whole = sum(totals.values())
        result["passes"].append(  # type: ignore[attr-defined]
            {
                "seconds": statistics.median(times),
                "shares": {part: totals.get(part, 0.0) / whole for part in PARTS},
            }
        )
    scale = 1024 if sys.platform != "darwin" else 1
    result["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
    if device.type == "cuda":
        result["peak_device_bytes"] = torch.cuda.max_memory_allocated(device)
    return result


def main() -> int:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 512])
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--sample", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(measure(options.sample, options.one, options.iterations, options.device)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "diffrec.sample", folder], check=True)
        rows = []
        for size in options.sizes:
            child = [sys.executable, __file__, "--one", str(size), "--sample", folder]
            child += ["--iterations", str(options.iterations), "--device", options.device]
            done = subprocess.run(child, check=True, stdout=subprocess.PIPE, text=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
    print_tables(rows)
    return 0


def print_tables(rows: list[dict[str, object]]) -> None:
    """The figures of all sizes as two Markdown tables."""
    import torch

    print(f"{time.strftime('%Y-%m-%d')}, {platform.platform()}, {torch.get_num_threads()} threads,")
    print(f"PyTorch {torch.__version__}\n")
    print("| views | pass 1 per iteration | pass 2 per iteration | peak memory |")
    print("|---|---|---|---|")
    for row in rows:
        first, second = row["passes"]  # type: ignore[misc]
        print(
            f"| {row['batch']} x {row['size']}² | {first['seconds'] * 1e3:.0f} ms "
            f"| {second['seconds'] * 1e3:.0f} ms | {row['peak_bytes'] / 2**30:.2f} GiB |"  # type: ignore[operator]
        )
    head = " | ".join(f"{row['size']}² pass {n}" for row in rows for n in (1, 2))
    print(f"\n| share of an iteration | {head} |")
    print("|---" * (1 + 2 * len(rows)) + "|")
    for part in PARTS:
        cells = [f"{p['shares'][part]:.0%}" for row in rows for p in row["passes"]]  # type: ignore[attr-defined]
        print(f"| {part} | {' | '.join(cells)} |")


if __name__ == "__main__":
    raise SystemExit(main())
