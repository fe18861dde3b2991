"""What is left of a training that is killed again and again: quality and time.

A configuration is trained undisturbed and once more with its process killed at random iterations,
by turns with SIGKILL and SIGTERM; the same command is then given again, and goes on from the last
checkpoint. Checkpoints come as often as the disk allows, since these runs are short.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench_machine import end, environment, heading, table
from bench_runs import merged, placed
from bench_runs_record import Quality, Record, quality

from nvdiffrec_contract.errors import UserError
from nvdiffrec_contract.files import replace_file
from nvdiffrec_contract.jsonfiles import read_object

OFTEN: dict[str, Any] = {"diffrec": {"checkpoint_interval": 50, "checkpoint_seconds": 0}}
HEADS = (
    "run",
    "pass 1: PSNR, SSIM, FLIP",
    "pass 2: PSNR, SSIM, FLIP",
    "against undisturbed",
    "killed",
    "went on from",
    "whole time",
)
NOTES = (
    "PSNR, SSIM and FLIP are means over the validated views. Killed: by SIGKILL and SIGTERM in "
    "turn, at random iterations of both passes; the whole time is that of all processes.",
)

_ITERATION = re.compile(r"iter= *(\d+),")
_RESUMED = re.compile(r"Resuming from iteration (\d+) of pass (\d+)")


@dataclass
class Progress:
    """Where a training is, by its log, over all its processes. `length`: iterations of a pass."""

    length: int
    number: int = 1
    iteration: int = -1
    resumed: list[str] = field(default_factory=list)

    def started(self) -> None:
        """A process begins, from the start unless it says otherwise."""
        self.number, self.iteration = 1, -1

    def read(self, line: str) -> None:
        """A line of the log."""
        if found := _RESUMED.search(line):
            self.iteration, self.number = int(found[1]), int(found[2])
            self.resumed.append(f"{self.number}:{self.iteration}")
        elif found := _ITERATION.search(line):
            self.iteration = int(found[1])
        elif line.startswith("Base mesh has"):  # between the passes
            self.number, self.iteration = 2, -1

    @property
    def done(self) -> int:
        """Iterations since the very beginning."""
        return (self.number - 1) * self.length + self.iteration


@dataclass(frozen=True)
class Outcome:
    """What came of a training; `failure`: why nothing did, '' where something did."""

    kills: Sequence[str] = ()
    resumed: Sequence[str] = ()
    seconds: float = 0.0
    first: Quality | None = None
    second: Quality | None = None
    failure: str = ""


def moments(count: int, iterations: int, seed: int) -> list[int]:
    """So many different iterations after which to kill, ascending, of a training of so many."""
    return sorted(random.Random(seed).sample(range(1, iterations), min(count, iterations - 1)))


def train(
    configuration: Mapping[str, Any],
    folder: Path,
    kills: Sequence[int],
    limit: float,
    log: Path | None = None,
) -> Outcome:
    """Train in an empty folder, for at most `limit` seconds, ended after each of the iterations
    `kills` and begun again. `log`: where all its words are kept."""
    changed = {**merged(configuration, OFTEN), "out_dir": "run"}
    file = folder / "configuration.json"
    file.write_text(json.dumps(changed), encoding="utf-8")
    passes = 1 if changed.get("base_mesh") else 2
    progress = Progress(int(changed["iter"]) + 1)
    left = list(kills)
    done: list[str] = []
    lines: list[str] = []
    began = time.perf_counter()
    while True:
        code, record, how = _once(
            file, progress, left, limit - (time.perf_counter() - began), lines
        )
        if log is not None:
            log.write_text("".join(lines), encoding="utf-8")
        if how is None:
            break
        done.append(f"{how.name} after {progress.number}:{progress.iteration}")
    seconds = time.perf_counter() - began
    if code or (left and progress.done < passes * progress.length - 1):
        late = seconds >= limit
        reason = f"ended after {limit:.0f} s" if late else record.reason(code)
        return Outcome(done, progress.resumed, seconds, failure=reason)
    results = folder / "out" / "run"
    found = quality(results / "dmtet_validate"), quality(results / "validate")
    return Outcome(done, progress.resumed, seconds, *found)


def _once(
    file: Path, progress: Progress, left: list[int], limit: float, lines: list[str]
) -> tuple[int, Record, signal.Signals | None]:
    """A process of the training: its exit status, its record, and how it was killed, if it was.

    Takes what it has reached from `left`. The first is killed by SIGKILL.
    """
    command = [sys.executable, "-m", "diffrec", "--config", str(file)]
    record, how = Record(), None
    progress.started()
    process = subprocess.Popen(
        command,
        cwd=file.parent,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    alarm = threading.Timer(max(limit, 0.0), end, [process])
    alarm.start()
    began = time.perf_counter()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            record.read(line.rstrip("\n"), time.perf_counter() - began)
            lines.append(line)
            progress.read(line)
            if how is None and left and progress.done >= left[0]:
                # What it has passed meanwhile, too: it must not be killed for those at once again.
                while left and progress.done >= left[0]:
                    left.pop(0)
                how = signal.SIGKILL if len(left) % 2 else signal.SIGTERM
                os.killpg(process.pid, how)
        code = process.wait()
    finally:
        alarm.cancel()
        if process.poll() is None:
            end(process)
    if code == 0:  # it had done all before the signal came
        how = None
    return code, record, how


def row(name: str, outcome: Outcome, undisturbed: Outcome | None = None) -> list[str]:
    """The cells of a training."""
    if outcome.failure:
        return [name, outcome.failure, *[""] * (len(HEADS) - 2)]
    against = "—"
    if undisturbed is not None and undisturbed.second is not None and outcome.second is not None:
        against = f"{outcome.second.psnr - undisturbed.second.psnr:+.2f} dB"
    return [
        name,
        *("—" if one is None else str(one) for one in (outcome.first, outcome.second)),
        against,
        f"{len(outcome.kills)} times" if outcome.kills else "—",
        ", ".join(outcome.resumed) or "—",
        f"{outcome.seconds:.1f} s",
    ]


def main() -> int:
    """Measure, and print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configuration", type=Path, metavar="CONFIG.json")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the iterations to kill after")
    parser.add_argument("--iter", type=int, help="of each pass, instead of the configuration's")
    parser.add_argument("--seconds", type=float, default=1e9, help="for all together")
    parser.add_argument("--output", type=Path, help="written after every training, too")
    parser.add_argument("--logs", type=Path, help="folder for the logs")
    options = parser.parse_args()
    began = time.perf_counter()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        configuration = placed(
            read_object(options.configuration, str(options.configuration)),
            options.configuration.parent,
        )
    except UserError as error:
        parser.error(str(error))
    if options.iter is not None:
        configuration["iter"] = options.iter
    configuration.setdefault("iter", 5000)
    configuration["validate"] = True
    head = heading("kills", NOTES)
    name = options.configuration.stem
    passes = 1 if configuration.get("base_mesh") else 2
    chosen = moments(options.kills, passes * (int(configuration["iter"]) + 1), options.seed)
    rows: list[list[str]] = []
    undisturbed: Outcome | None = None
    with tempfile.TemporaryDirectory(prefix="bench_kills_") as place:
        for number, (title, kills) in enumerate(
            [("undisturbed", []), ("killed", chosen), ("undisturbed, again", [])]
        ):
            own = Path(place, f"run_{number}")
            own.mkdir()
            log = None
            if options.logs is not None:
                options.logs.mkdir(parents=True, exist_ok=True)
                log = options.logs / f"kills_{number}.log"
            left = options.seconds - (time.perf_counter() - began)
            outcome = train(configuration, own, kills, left, log)
            rows.append(row(f"{name}, {title}", outcome, undisturbed))
            undisturbed = undisturbed or outcome
            if options.output is not None:
                replace_file(options.output, (head + "\n" + table(HEADS, rows)).encode())
            print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
    print(head + "\n" + table(HEADS, rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
