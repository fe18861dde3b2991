"""A graphics card's memory: what trainings take at most, beside what was foreseen of them.

Each row is a training of its own process, of so many iterations, with one change to the
configuration. Needs CUDA.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench_machine import heading, table
from bench_runs import Plan, merged, placed, run

from nvdiffrec_contract.errors import UserError
from nvdiffrec_contract.jsonfiles import read_object

CHANGES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "batch 1 of 256²": {"batch": 1, "train_res": [256, 256]},
    "batch 16": {"batch": 16},
    "batch 8 of 1024²": {"batch": 8, "train_res": [1024, 1024]},
    "the same, grid 128": {"batch": 8, "train_res": [1024, 1024], "dmtet_grid": 128},
    "4 layers": {"layers": 4},
    "FlexiCubes, grid 96": {"isosurface": "flexicubes", "dmtet_grid": 96},
    "textures 4096²": {"texture_res": [4096, 4096]},
    "light 1024": {"diffrec": {"light_res": 1024}},
    "light 2048, textures 4096²": {
        "texture_res": [4096, 4096],
        "diffrec": {"light_res": 2048},
    },
    "hash grid 2^22": {"diffrec": {"hashgrid_size_log2": 22}},
}
"""The changes that the estimate was fitted with, by name."""
HEADS = ("training", "reserved at most", "foreseen", "foreseen over reserved")
_TOLD = re.compile(r"GPU memory: ([0-9.]+) GiB at most, ([0-9.]+) GiB were foreseen")


def row(name: str, log: str) -> list[str]:
    """The cells of a training, from its log."""
    told = _TOLD.search(log)
    if told is None:
        return [name, "nothing was told of its memory", "", ""]
    most, foreseen = float(told[1]), float(told[2])
    return [name, f"{most:.1f} GiB", f"{foreseen:.1f} GiB", f"{foreseen / most:.2f}"]


def main() -> int:
    """Measure, and print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configuration", type=Path, metavar="CONFIG.json")
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--timeout", type=float, default=600, help="seconds for each")
    options = parser.parse_args()
    path: Path = options.configuration
    try:
        base = placed(read_object(path, str(path)), path.parent)
    except UserError as error:
        parser.error(str(error))
    short = {"iter": options.iterations, "save_interval": 0, "diffrec": {"validation_views": 2}}
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench_memory_") as place:
        for number, (name, change) in enumerate(CHANGES.items()):
            folder = Path(place, str(number))
            folder.mkdir()
            log = folder / "log"
            plan = Plan(name, merged(merged(base, short), change))
            outcome = run(plan, folder, options.timeout, log)
            told = row(name, log.read_text(encoding="utf-8") if log.exists() else "")
            rows.append([name, outcome.failure, "", ""] if outcome.failure else told)
            print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
    print(heading("memory", ()) + "\n" + table(HEADS, rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
