"""Whole trainings, each a process of its own: quality, time and memory of configurations.

Every configuration is trained as it is ("base") and with each variant: a JSON fragment, such as
{"diffrec": {"dssim": 0.2}}, that is merged into it and named after its file. Paths inside a
configuration are relative to the current folder, as with diffrec, or else to its own.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench_machine import end, environment, heading, table
from bench_runs_record import Quality, Record, quality

from nvdiffrec_contract.errors import UserError
from nvdiffrec_contract.files import replace_file
from nvdiffrec_contract.jsonfiles import read_object

BASE = "base"
PATHS = ("ref_mesh", "base_mesh", "envmap", "mtl_override")
CACHES = ("WARP_CACHE_PATH", "NUMBA_CACHE_DIR", "CUDA_CACHE_PATH")

HEADS = (
    "run",
    "pass 1: PSNR, SSIM, FLIP",
    "pass 2: PSNR, SSIM, FLIP",
    "per iteration, pass 1",
    "per iteration, pass 2",
    "first iteration after",
    "charting",
    "whole process",
    "faces",
    "components, self-intersecting, slivers",
    "device memory",
)
NOTES = (
    "PSNR, SSIM and FLIP are means over the validated views. Per iteration: the mean over the pass "
    "without its first iteration / the best ten iterations, as the log has them. The whole process "
    "is what its user waits for, with Python's start, validation and files.",
)


def merged(configuration: Mapping[str, Any], variant: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with the variant's values, objects inside it merged likewise."""
    result = dict(configuration)
    for name, value in variant.items():
        before = result.get(name)
        both = isinstance(value, Mapping) and isinstance(before, Mapping)
        result[name] = merged(before, value) if both else value  # type: ignore[arg-type]
    return result


def placed(configuration: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The same with absolute paths. `folder`: where the configuration lies."""
    result = dict(configuration)
    for name in PATHS:
        path = result.get(name)
        if isinstance(path, str) and path:
            beside = folder / path
            here = Path(path)
            result[name] = str(
                (beside if beside.exists() and not here.exists() else here).resolve()
            )
    return result


@dataclass(frozen=True)
class Plan:
    """A training to be measured. `caches`: where it keeps compiled kernels, if not as usual."""

    name: str
    configuration: Mapping[str, Any]
    processes: int = 1
    caches: Path | None = None

    def command(self, file: Path) -> list[str]:
        """What starts it."""
        start = [sys.executable]
        if self.processes > 1:
            start += ["-m", "torch.distributed.run", "--standalone"]
            start += ["--nproc-per-node", str(self.processes)]
        return [*start, "-m", "diffrec", "--config", str(file), "--restart"]


@dataclass(frozen=True)
class Outcome:
    """What came of a training; `failure`: why nothing did, '' where something did."""

    record: Record
    first: Quality | None = None
    second: Quality | None = None
    failure: str = ""


def plans(
    configurations: Sequence[Path],
    variants: Sequence[Path],
    *,
    repeat: int = 1,
    processes: Sequence[int] = (1,),
    caches: Path | None = None,
) -> list[Plan]:
    """In the order of their worth, for a time that may run out: first run, bases, variants.

    `caches`: a folder for the first run's kernels, None without such a run. Raises UserError for
    a file that cannot be read.
    """
    known = {path: placed(read_object(path, str(path)), path.parent) for path in configurations}
    changes: list[tuple[str, dict[str, Any]]] = [(BASE, {})]
    changes += [(path.stem, read_object(path, str(path))) for path in variants]
    result: list[Plan] = []
    if caches is not None:
        path = configurations[0]
        result.append(Plan(f"{path.stem}, first run on a machine", known[path], caches=caches))
    for name, change in changes:
        for path in configurations:
            for count in processes:
                for number in range(1, repeat + 1):
                    title = f"{path.stem}, {name}"
                    title += f", {count} processes" if count > 1 else ""
                    title += f" ({number})" if repeat > 1 else ""
                    result.append(Plan(title, merged(known[path], change), count))
    return result


def run(plan: Plan, folder: Path, limit: float, log: Path | None = None) -> Outcome:
    """Train in an empty folder, for at most `limit` seconds. `log`: where its words are kept."""
    configuration = {**plan.configuration, "out_dir": "run"}
    file = folder / "configuration.json"
    file.write_text(json.dumps(configuration), encoding="utf-8")
    variables = environment()
    if plan.caches is not None:
        variables.update({name: str(plan.caches / name.lower()) for name in CACHES})
    record, lines = Record(), []
    began = time.perf_counter()
    try:
        process = subprocess.Popen(
            plan.command(file),
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return Outcome(record, failure=f"could not be started: {error}")
    alarm = threading.Timer(limit, end, [process])
    alarm.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            seconds = time.perf_counter() - began
            record.read(line.rstrip("\n"), seconds)
            lines.append(f"{seconds:8.2f} {line}")
        code = process.wait()
        record.seconds = time.perf_counter() - began
    finally:
        alarm.cancel()
        if process.poll() is None:
            end(process)
        if log is not None:
            log.write_text("".join(lines), encoding="utf-8")
    if code:
        reason = record.reason(code).replace(f"{folder}{os.sep}", "")
        late = record.seconds >= limit
        return Outcome(record, failure=f"ended after {limit:.0f} s" if late else reason)
    results = folder / "out" / "run"
    return Outcome(record, quality(results / "dmtet_validate"), quality(results / "validate"))


def row(plan: Plan, outcome: Outcome) -> list[str]:
    """The cells of a training."""
    if outcome.failure:
        return [plan.name, outcome.failure, *[""] * (len(HEADS) - 2)]
    record = outcome.record
    passes = [str(one) for one in record.passes]
    if plan.configuration.get("base_mesh"):  # whose shape is known: there is no first pass
        passes.insert(0, "—")
    return [
        plan.name,
        *("—" if one is None else str(one) for one in (outcome.first, outcome.second)),
        *[*passes, "—", "—"][:2],
        _seconds(record.first_iteration),
        _seconds(record.charting),
        _seconds(record.seconds),
        "—" if record.faces is None else f"{record.faces:,}",
        record.mesh or "—",
        record.memory or "—",
    ]


def _seconds(value: float | None) -> str:
    return "—" if value is None else f"{value:.1f} s"


def main() -> int:
    """Measure, and print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configurations", type=Path, nargs="+", metavar="CONFIG.json")
    parser.add_argument("--variants", type=Path, nargs="+", default=[], metavar="FILE.json")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--first", action="store_true", help="also with empty kernel caches")
    parser.add_argument("--processes", type=int, nargs="+", default=[1], help="one per GPU")
    parser.add_argument("--seconds", type=float, default=1e9, help="for all together")
    parser.add_argument("--timeout", type=float, default=7200, help="seconds for each")
    parser.add_argument("--output", type=Path, help="written after every training, too")
    parser.add_argument("--logs", type=Path, help="folder for the logs, with times")
    options = parser.parse_args()
    began = time.perf_counter()
    # Who ends this ends the training as well, which is in a session of its own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.repeat < 1 or min(options.processes) < 1:
        parser.error("--repeat and --processes are 1 or more")
    head = heading("runs", NOTES)
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory(prefix="bench_runs_") as place:
        folder = Path(place)
        try:
            todo = plans(
                options.configurations,
                options.variants,
                repeat=options.repeat,
                processes=options.processes,
                caches=folder / "caches" if options.first else None,
            )
        except UserError as error:
            parser.error(str(error))
        left_out: list[str] = []
        for number, plan in enumerate(todo):
            left = options.seconds - (time.perf_counter() - began)
            if left < 5:
                left_out.append(plan.name)
                continue
            own = folder / f"run_{number:03d}"
            own.mkdir()
            log = None
            if options.logs is not None:
                options.logs.mkdir(parents=True, exist_ok=True)
                log = options.logs / f"run_{number:03d}_{_plain(plan.name)}.log"
            outcome = run(plan, own, min(options.timeout, left), log)
            rows.append(row(plan, outcome))
            text = head + "\n" + table(HEADS, rows)
            if options.output is not None:
                replace_file(options.output, text.encode())
            print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
    text = head + "\n" + table(HEADS, rows)
    if left_out:
        text += f"\nThe time ran out before: {'; '.join(left_out)}. --seconds gives more.\n"
    if options.output is not None:
        replace_file(options.output, text.encode())
    print(text)
    return 0


def _plain(name: str) -> str:
    return "".join(one if one.isalnum() else "_" for one in name)


if __name__ == "__main__":
    raise SystemExit(main())
