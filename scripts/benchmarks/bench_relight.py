"""What trainings recover of scenes with known maps and lights, and how they look under others.

Each scene is an object made by our own code. Its pictures are path traced by Mitsuba, and once
more rendered without shadows by diffrec itself, for what shadows and bounces alone cost. Each set
is trained by a process of its own for every seed, and judged against the truth.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench_machine import heading, table
from bench_runs import Plan, merged, run
from relight.judging import MEASURES, judge, judge_asset
from relight.scenes import SCENES
from relight.truth import FOLDERS, KINDS, Extent, Truth, truth_of

from nvdiffrec_contract.errors import UserError
from nvdiffrec_contract.files import replace_file
from nvdiffrec_contract.jsonfiles import read_object

HERE = Path(__file__).resolve().parents[2] / "out" / "relight"
Figures = dict[tuple[str, str], list[dict[str, float]]]

NOTES = (
    "PSNR in dB of sRGB pictures. Novel views: whole frame over white. Relighting: by the renderer "
    "that made the truth, under four lights that no training saw, the albedo scaled per channel "
    "(least squares over the held-out views); interior: what both cover, 2 pixels from any rim. "
    "Bake slope: of log(albedo x (1 - occlusion) / true albedo) on the log of the share of the "
    "training light's irradiance that shadows leave; 1 where they are painted. Light: panoramas "
    "of 32 rows, divided by the albedo's scale. *Worst* is over the seeds.",
)


def configuration(data: Path, options: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Of a training of the data set."""
    size = options.size
    return {
        "ref_mesh": str(data),
        "random_textures": True,
        "iter": options.iterations,
        "save_interval": 0,
        "texture_res": [4 * size, 4 * size],
        "train_res": [size, size],
        "batch": 4,
        "learning_rate": [0.03, 0.01],
        "ks_min": [0, 0.08, 0],
        "dmtet_grid": options.grid,
        "mesh_scale": 2.1,
        "background": "white",
        "validate": True,
        "diffrec": {"light_res": 128 if size > 64 else 64, "seed": seed, "device": options.device},
    }


def trained(
    truth: Truth, kind: str, seed: int, options: argparse.Namespace, variant: Mapping[str, Any]
) -> dict[str, float]:
    """Train and judge. Raises UserError where the training fails."""
    plan = Plan(
        f"{truth.name}, {kind}, seed {seed}",
        merged(configuration(truth.data[kind].resolve(), options, seed), variant),
    )
    with tempfile.TemporaryDirectory(prefix="bench_relight_") as place:
        outcome = run(plan, Path(place), options.timeout)
        if outcome.failure or outcome.second is None:
            raise UserError(f"{plan.name}: {outcome.failure or 'nothing was validated'}")
        result = Path(place) / "out" / "run" / "mesh"
        if options.keep is not None:
            kept = options.keep / f"{truth.name}_{FOLDERS[kind]}_{seed}"
            shutil.copytree(Path(place) / "out" / "run", kept, dirs_exist_ok=True)
        figures = judge(truth, kind, result, outcome.second.psnr)
    return figures | {"seconds": outcome.record.seconds or 0.0}


def tables(figures: Figures, scenes: Sequence[str]) -> str:
    """Means over the seeds with the worst, a table a kind of pictures; scenes are columns."""
    parts = []
    for kind in KINDS:
        known = [name for name in scenes if (name, kind) in figures]
        if not known:
            continue
        rows = []
        for key, measure in MEASURES.items():
            cells, means = [measure.title], []
            for name in known:
                values = [one[key] for one in figures[name, kind]]
                means.append(sum(values) / len(values))
                cells.append(f"{means[-1]:{measure.form}}")
                if len(values) > 1:
                    cells[-1] += f", worst {measure.worst(values):{measure.form}}"
            if len(known) > 1:
                cells.append(f"{sum(means) / len(means):{measure.form}}")
            rows.append(cells)
        heads = [f"{kind} pictures", *known, *(["mean"] if len(known) > 1 else [])]
        parts.append(table(heads, rows))
    return "\n".join(parts)


def main() -> int:
    """Measure, and print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", nargs="+", choices=list(SCENES), default=list(SCENES))
    words = list(FOLDERS.values())
    parser.add_argument("--kinds", nargs="+", choices=words, default=words, help="of pictures")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--size", type=int, default=128, help="edge of a picture; 512 on a GPU")
    parser.add_argument("--views", type=int, default=64, help="trained")
    parser.add_argument("--held", type=int, default=20, help="views held out")
    parser.add_argument("--relit", type=int, default=6, help="held-out views that are relit")
    parser.add_argument("--samples", type=int, default=256, help="of a pixel of the truth")
    parser.add_argument("--iterations", type=int, default=200, help="of each pass")
    parser.add_argument("--grid", type=int, default=32, help="32, 64 or 128")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--variant", type=Path, metavar="FILE.json", help="merged into each")
    parser.add_argument("--truth", type=Path, default=HERE, help="folder that keeps the truth")
    parser.add_argument("--ceiling", action="store_true", help="judge the truth's own maps, too")
    parser.add_argument("--timeout", type=float, default=7200, help="seconds for a training")
    parser.add_argument("--keep", type=Path, help="folder for the results")
    parser.add_argument("--output", type=Path, help="written after every training, too")
    options = parser.parse_args()
    # Who ends this ends the training as well, which is in a session of its own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if min(options.size, options.views, options.held, options.relit, options.samples) < 1:
        parser.error("sizes and numbers of views and samples are 1 or more")
    if options.relit > options.held:
        parser.error(f"--relit is at most --held, {options.held}")
    extent = Extent(options.size, options.views, options.held, options.relit, options.samples)
    figures: Figures = {}
    head = heading("relight", NOTES)
    try:
        variant = {} if options.variant is None else read_object(options.variant, "--variant")
        for name in options.scenes:
            truth = truth_of(name, extent, options.truth, _say)
            for kind in (one for one in KINDS if FOLDERS[one] in options.kinds):
                if options.ceiling:
                    best = judge_asset(truth, kind, truth.asset, truth.light, float("nan"))
                    _say(f"{name}, {kind}, the truth itself: {json.dumps(best)}")
                for seed in options.seeds:
                    began = time.perf_counter()
                    found = trained(truth, kind, seed, options, variant)
                    figures.setdefault((name, kind), []).append(found)
                    whole = time.perf_counter() - began
                    _say(f"{name}, {kind}, seed {seed}, {whole:.0f} s: {json.dumps(found)}")
                    text = head + "\n" + tables(figures, options.scenes)
                    if options.output is not None:
                        replace_file(options.output, text.encode())
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    print(head + "\n" + tables(figures, options.scenes))
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
