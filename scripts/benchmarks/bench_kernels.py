"""What every operation of an iteration takes, beside what the card can do at best.

A configuration is trained with the profiler over some iterations of each pass, without pictures,
checkpoints and validation. Without CUDA the table has the parts of an iteration by their labels.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from bench import PARTS, shares
from bench_kernels_ceilings import Ceilings, measure
from bench_kernels_model import Extent, Need, extent
from bench_kernels_names import Operation, compiled_names, operation, short
from bench_machine import heading, table
from bench_runs import placed
from torch.profiler import ProfilerActivity, profile

from nvdiffrec_contract.errors import UserError
from nvdiffrec_contract.files import replace_file
from nvdiffrec_contract.jsonfiles import read_object

ITERATIONS = 40
BEGIN = 0.7  # share of a pass after which the profiler is started
LONGEST = 25  # kernels that are listed by themselves
HEADS = (
    "operation",
    "direction",
    "launches",
    "time",
    "share",
    "bytes",
    "GB/s",
    "of the copy",
    "additions",
    "of the ceiling",
    "TFLOP/s",
)


@dataclass(frozen=True)
class Kernel:
    """Per iteration: launches and milliseconds of a kernel."""

    name: str
    launches: float
    milliseconds: float


@dataclass
class Profiled:
    """A pass. `clock`: milliseconds per iteration by the clock, without the profiler."""

    clock: float = 0.0
    kernels: list[Kernel] = field(default_factory=list)
    extent: Extent | None = None
    parts: dict[str, float] = field(default_factory=dict)


class Enough(Exception):
    """All that is to be measured has been."""


class Watch:
    """Profiles the passes of a training in this process as they go by."""

    def __init__(self, iterations: int, passes: int, device: str) -> None:
        """`iterations`: of a pass; `passes`: of the training; `device`: cpu or cuda."""
        self.passes: list[Profiled] = []
        self._count = min(ITERATIONS, max(1, iterations // 4))
        self._first = min(int(iterations * BEGIN), iterations - self._count)
        self._awaited, self._cuda = passes, device == "cuda"
        self._frame, self._views, self._began = 0, 0, 0.0
        self._seen: object = None
        self._profiler: Any = None

    def begin(self, iteration: Any, number: int) -> None:
        """Before iteration `number`. Raises Enough after the last pass."""
        if iteration is not self._seen:
            self._seen, self._profiler = iteration, None
            self.passes.append(Profiled())
        if number == max(0, self._first - self._count):
            self._began = self._now()
        if number == self._first and self._profiler is None:
            if number:
                spent = self._now() - self._began
                self.passes[-1].clock = spent * 1e3 / min(number, self._count)
            activity = ProfilerActivity.CUDA if self._cuda else ProfilerActivity.CPU
            self._profiler = profile(activities=[activity])
            self._profiler.start()
        if number == self._first + self._count and self._profiler is not None:
            self._now()
            self._profiler.stop()
            self._read(iteration)
            if len(self.passes) == self._awaited:
                raise Enough

    def work(self, batch: Any, samples: int) -> None:
        """The batch of an iteration; `samples`: per pixel."""
        views, height, width = batch.image.shape[:3]
        self._views, self._frame = views, views * height * width * samples

    def _now(self) -> float:
        if self._cuda:
            torch.cuda.synchronize()
        return time.perf_counter()

    def _read(self, iteration: Any) -> None:
        found = self.passes[-1]
        found.extent = extent(iteration, self._views, self._frame)
        if not self._cuda:
            found.parts = shares(self._profiler.events())
            return
        found.kernels = [
            Kernel(
                event.key,
                event.count / self._count,
                event.self_device_time_total * 1e-3 / self._count,
            )
            for event in self._profiler.key_averages()
            if str(event.device_type).endswith("CUDA")
            and event.self_device_time_total > 0
            and event.key not in (*PARTS, "Activity Buffer Request")
        ]


@contextlib.contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Every iteration of this process passes by `watch`, as long as the context lasts."""
    from diffrec.training.iteration import Iteration

    begin, work = Iteration.begin, Iteration.work

    def begin_watched(self: Iteration, number: int) -> None:
        watch.begin(self, number)
        begin(self, number)

    def work_watched(self: Iteration, batch: Any, lengths: Any = None) -> None:
        watch.work(batch, self.config.spp**2)
        work(self, batch, lengths)

    Iteration.begin, Iteration.work = begin_watched, work_watched  # type: ignore[method-assign]
    try:
        yield
    finally:
        Iteration.begin, Iteration.work = begin, work  # type: ignore[method-assign]


def train(configuration: dict[str, Any], watch: Watch, folder: Path) -> int:
    """Train in this process until all is measured; the exit code of `diffrec`, 0 for Enough."""
    from diffrec.cli import main as diffrec

    own = {**configuration.get("diffrec", {}), "checkpoint_interval": 0}
    changed = {**configuration, "save_interval": 0, "validate": False, "diffrec": own}
    file = folder / "configuration.json"
    file.write_text(json.dumps({**changed, "out_dir": "run"}), encoding="utf-8")
    with watched(watch), contextlib.chdir(folder), contextlib.redirect_stdout(sys.stderr):
        try:
            return diffrec(["--config", str(file), "--restart"])
        except Enough:
            return 0


def by_operation(
    kernels: list[Kernel], known: dict[str, str]
) -> list[tuple[Operation, float, float]]:
    """Operations with their launches and milliseconds, the longest first; nothing is left out."""
    sums: dict[Operation, tuple[float, float]] = {}
    for kernel in kernels:
        one = operation(kernel.name, known)
        launches, milliseconds = sums.get(one, (0.0, 0.0))
        sums[one] = launches + kernel.launches, milliseconds + kernel.milliseconds
    rows = [(one, *both) for one, both in sums.items()]
    return sorted(rows, key=lambda row: -row[2])


def kernel_tables(found: Profiled, ceilings: Ceilings, known: dict[str, str]) -> str:
    """A pass on CUDA as Markdown: operations, then the longest kernels."""
    whole = sum(kernel.milliseconds for kernel in found.kernels)
    launches = sum(kernel.launches for kernel in found.kernels)
    rows = []
    for one, count, milliseconds in by_operation(found.kernels, known):
        need = Need()
        if one.need is not None and found.extent is not None:
            with contextlib.suppress(AssertionError):  # of the other pass
                need = one.need(found.extent)
        cells = [one.title, one.direction, f"{count:.1f}", f"{milliseconds:.3f} ms"]
        cells += [f"{milliseconds / whole:.1%}", *_beside(need, milliseconds * 1e-3, ceilings)]
        rows.append(cells)
    rows.append(["all", "", f"{launches:.1f}", f"{whole:.3f} ms", "100%", *[""] * 6])
    longest = sorted(found.kernels, key=lambda kernel: -kernel.milliseconds)[:LONGEST]
    listed = [
        [f"`{short(kernel.name)}`", f"{kernel.launches:.1f}", f"{kernel.milliseconds:.3f} ms"]
        for kernel in longest
    ]
    return table(HEADS, rows) + "\n" + table(("longest kernels", "launches", "time"), listed)


def _beside(need: Need, seconds: float, ceilings: Ceilings) -> list[str]:
    """What was moved, added and computed, per second and as shares of the ceilings."""
    cells = ["—"] * 6
    if seconds <= 0:
        return cells
    if need.bytes:
        rate = need.bytes / seconds
        share = f"{rate / ceilings.bandwidth:.0%}"
        cells[:3] = [f"{need.bytes / 1e6:.1f} MB", f"{rate / 1e9:,.0f}", share]
    if need.atomics:
        rate = need.atomics / seconds
        most = ceilings.random.get(need.width)
        of = "" if need.width == 1 else f" of {need.width}"
        cells[3] = f"{need.atomics / 1e6:.1f} M{of}"
        cells[4] = f"{rate / most:.0%}" if most else "—"
    if need.flops:
        rate = need.flops / seconds
        most = ceilings.products.get("TF32")
        share = f", {rate / most:.0%} of TF32" if most else ""
        cells[5] = f"{rate / 1e12:.1f}{share}"
    return cells


def part_table(found: Profiled) -> str:
    """A pass on a CPU as Markdown."""
    rows = [
        [part, f"{share * found.clock:.1f} ms", f"{share:.0%}"]
        for part, share in found.parts.items()
        if share
    ]
    return table(("part of an iteration", "time", "share"), rows)


def passes_of(configuration: dict[str, Any]) -> int:
    """How many a training has."""
    return 1 if configuration.get("base_mesh") else 2


def main() -> int:
    """Measure, and print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configuration", type=Path, metavar="CONFIG.json")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--output", type=Path, metavar="FILE.md")
    options = parser.parse_args()
    cuda = options.device != "cpu" and torch.cuda.is_available()
    if options.device.startswith("cuda") and not cuda:
        parser.error("this PyTorch sees no CUDA device; measure with --device cpu")
    try:
        path = options.configuration
        configuration = placed(read_object(path, str(path)), path.parent)
    except UserError as error:
        parser.error(str(error))
    device = "cuda" if cuda else "cpu"
    own = configuration.get("diffrec")
    own = {**own, "device": device} if isinstance(own, dict) else {"device": device}
    configuration["diffrec"] = own
    iterations = configuration.get("iter", 5000)
    if not isinstance(iterations, int) or iterations < 1:
        parser.error(f'{path}: "iter" is to be a whole number above 0')

    ceilings = measure(torch.device("cuda")) if cuda else None
    watch = Watch(iterations, passes_of(configuration), device)
    with tempfile.TemporaryDirectory(prefix="bench_kernels_") as folder:
        code = train(configuration, watch, Path(folder))
    if code:
        print(f"{path} could not be trained; see above.", file=sys.stderr)
        return code
    text = report(watch.passes, ceilings)
    if options.output is not None:
        replace_file(options.output, text.encode())
    print(text)
    return 0


def report(passes: list[Profiled], ceilings: Ceilings | None) -> str:
    """All passes as Markdown."""
    if ceilings is None:
        notes = ["No CUDA device: the parts of an iteration on the CPU, by their labels."]
    else:
        notes = [
            ceilings.words(),
            "Per iteration. Bytes: every array that an operation reads or writes counted once; "
            "GB/s above the copy's are answered by the cache. Additions: the atomic ones, at most, "
            "against additions of as many floats to random rows; above 100% where neighbours hit "
            "the same rows in the cache. Products: all against TF32's ceiling.",
        ]
    text = heading("kernels", notes)
    known = compiled_names()
    for number, found in enumerate(passes, start=1):
        if not found.kernels and not found.parts:
            continue
        text += f"\n### Pass {number}\n\n{found.clock:.2f} ms per iteration by the clock. "
        text += f"{found.extent.words() if found.extent else ''}.\n\n"
        if ceilings is None:
            text += part_table(found)
        else:
            text += kernel_tables(found, ceilings, known)
    return text


if __name__ == "__main__":
    raise SystemExit(main())
