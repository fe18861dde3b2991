"""Milliseconds of diffrec's rendering operations, beside nvdiffrast's.

On CUDA beside nvdiffrast where that is installed, else alone; on a CPU the backends at small sizes.
The same vertices, triangles, texture coordinates and textures for all. Before each figure the
operation runs twice; the figure is the median of five series, each of as many calls as fit, with
one wait for the device at a series' end. Backward is the gradient to every input that can have one.
"""

from __future__ import annotations

import argparse
import functools
import gc
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from bench_ops_diffrec import Diffrec
from bench_ops_nvdiffrast import Nvdiffrast, load_nvdiffrast
from bench_ops_operations import OPERATIONS, Contender, Work
from bench_ops_scene import make_scene
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from diffrec.ops.backends import use_backend
from diffrec.ops.warp import start_warp
from nvdiffrec_contract.files import replace_file

SERIES = 5
MOST_CALLS = 200
DIRECTIONS = ("forward", "backward")

Key = tuple[str, str, str]  # operation, contender, direction


class Meter:
    """Seconds per call, until the time is up.

    `each`: seconds that one figure may take; `until`: of `time.perf_counter`, when no further
    figure is begun; `kernels`: what the device's kernels take in place of what the clock says.
    """

    def __init__(
        self, device: torch.device, each: float, until: float, *, kernels: bool = False
    ) -> None:
        self.device, self.each, self.until, self.kernels = device, each, until, kernels

    @property
    def spent(self) -> bool:
        """Whether the time is up."""
        return time.perf_counter() > self.until

    def seconds(self, call: Callable[[], object]) -> float:
        """The median of the series."""
        self._series(call, 1)
        once = self._series(call, 1)
        if once > self.each and not self.kernels:
            return once
        calls = max(1, min(MOST_CALLS, int(self.each / SERIES / max(once, 1e-6))))
        if self.kernels:
            return self._kernel_seconds(call, calls)
        began = time.perf_counter()
        measured: list[float] = []
        while len(measured) < SERIES and (
            not measured or time.perf_counter() - began < 2 * self.each
        ):
            measured.append(self._series(call, calls) / calls)
        return statistics.median(measured)

    def _series(self, call: Callable[[], object], calls: int) -> float:
        self._wait()
        began = time.perf_counter()
        for _ in range(calls):
            call()
        self._wait()
        return time.perf_counter() - began

    def _kernel_seconds(self, call: Callable[[], object], calls: int) -> float:
        with profile(activities=[ProfilerActivity.CUDA]) as profiler:
            self._series(call, calls)
        averages = profiler.key_averages()
        return float(sum(event.self_device_time_total for event in averages)) * 1e-6 / calls

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def both_directions(work: Work, meter: Meter) -> dict[str, float]:
    """Seconds of the operation and, where it has a gradient, of the way back."""
    if not work.inputs:
        with torch.no_grad():
            return {"forward": meter.seconds(work.forward)}
    result = {"forward": meter.seconds(work.forward)}
    outputs = [value for value in work.forward() if value.requires_grad]
    generator = torch.Generator(meter.device).manual_seed(2)
    gradients = [
        torch.rand(value.shape, generator=generator, device=value.device) for value in outputs
    ]

    def backward() -> tuple[Tensor | None, ...]:
        return torch.autograd.grad(
            outputs, list(work.inputs), gradients, retain_graph=True, allow_unused=True
        )

    result["backward"] = meter.seconds(backward)
    return result


@dataclass
class Cell:
    """The figures of one size and number of triangles."""

    views: int
    size: int
    triangles: int
    coverage: float = 0.0
    seconds: dict[Key, float] = field(default_factory=dict)
    remarks: dict[tuple[str, str], str] = field(default_factory=dict)
    same_triangle: float | None = None
    likeness: float | None = None

    @property
    def name(self) -> str:
        """How the tables call it."""
        return f"{self.views} x {self.size}² | {self.triangles:,}"


def measure(cell: Cell, contenders: dict[str, Callable[[], Contender]], meter: Meter) -> None:
    """Fill in the cell. What a contender cannot do is remarked upon in place of figures."""
    ready: dict[str, Contender] = {}
    for label, make in contenders.items():
        try:
            ready[label] = make()
        except (RuntimeError, ValueError) as error:
            _remark(cell, label, "", error)
    seen = {label: contender.triangles() for label, contender in ready.items()}
    if not seen:
        return
    first = next(iter(seen.values()))
    cell.coverage = float((first >= 0).float().mean())
    if len(seen) == 2:
        here, there = seen.values()
        cell.same_triangle = float((here == there).float().mean())
        pictures = [contender.picture() for contender in ready.values()]
        difference = (pictures[0] - pictures[1]).square().mean()
        cell.likeness = float(-10 * torch.log10(difference.clamp_min(1e-12)))
    for operation in OPERATIONS:
        for label, contender in ready.items():
            if meter.spent:
                return
            try:
                with use_backend(contender.backend):
                    found = both_directions(contender.work(operation.name), meter)
            except (RuntimeError, ValueError) as error:
                _remark(cell, label, operation.name, error)
                continue
            for direction, seconds in found.items():
                cell.seconds[operation.name, label, direction] = seconds


def _remark(cell: Cell, label: str, operation: str, error: Exception) -> None:
    short = "out of memory" if isinstance(error, torch.OutOfMemoryError) else "failed"
    cell.remarks[operation, label] = short
    print(f"{cell.name} {operation} {label}: {error}", file=sys.stderr, flush=True)


def tables(cells: list[Cell], labels: list[str]) -> str:
    """All figures as Markdown, a table per operation, a row per cell."""
    lines = []
    pair = len(labels) == 2 and "nvdiffrast" in labels
    for operation in OPERATIONS:
        directions = [
            direction
            for direction in DIRECTIONS
            if any(
                (operation.name, label, direction) in c.seconds for c in cells for label in labels
            )
        ]
        if not directions:
            continue
        lines += [f"### {operation.title}", "", f"diffrec: {operation.ours}."]
        lines += ["", f"nvdiffrast: {operation.theirs}."] if pair else []
        heads = ["views", "triangles"]
        for direction in directions:
            heads += [f"{label} {direction}" for label in labels]
            heads += [f"{labels[1]} / {labels[0]}"] if pair else []
        lines += ["", "| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
        for cell in cells:
            columns = [cell.name]
            for direction in directions:
                columns += [_shown(cell, operation.name, label, direction) for label in labels]
                columns += [_ratio(cell, operation.name, labels, direction)] if pair else []
            lines.append("| " + " | ".join(columns) + " |")
        lines.append("")
    if pair:
        lines += ["### That both draw the same", ""]
        lines += ["| views | triangles | pixels covered | same triangle | pictures agree to |"]
        lines += ["|---|---|---|---|---|"]
        for cell in cells:
            alike = "—" if cell.same_triangle is None else f"{cell.same_triangle:.3%}"
            close = "—" if cell.likeness is None else f"{cell.likeness:.1f} dB"
            lines.append(f"| {cell.name} | {cell.coverage:.0%} | {alike} | {close} |")
        lines.append("")
    return "\n".join(lines)


def _shown(cell: Cell, operation: str, label: str, direction: str) -> str:
    seconds = cell.seconds.get((operation, label, direction))
    if seconds is not None:
        return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds * 1e3:.0f} ms"
    return cell.remarks.get((operation, label), cell.remarks.get(("", label), "—"))


def _ratio(cell: Cell, operation: str, labels: list[str], direction: str) -> str:
    ours, theirs = (cell.seconds.get((operation, label, direction)) for label in labels)
    return "—" if ours is None or theirs is None or ours <= 0 else f"{theirs / ours:.2f}"


def heading(device: torch.device, notes: list[str]) -> str:
    """Date, machine, versions, command."""
    if device.type == "cuda":
        machine = torch.cuda.get_device_name(device)
    else:
        machine = f"CPU, {torch.get_num_threads()} threads"
    command = shlex.join(["scripts/bench", "ops", *sys.argv[1:]])
    return "\n".join(
        [
            f"{time.strftime('%Y-%m-%d')}, {machine}, {platform.platform()},",
            f"Python {platform.python_version()}, PyTorch {torch.__version__}, Warp "
            f"{start_warp().config.version}",
            f"`{command}`",
            "",
            *notes,
            "",
        ]
    )


def sized(text: str) -> tuple[int, int]:
    """`4x512`: four views of 512 x 512."""
    views, _, size = text.partition("x")
    if not (views.isdigit() and size.isdigit() and int(views) and int(size)):
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write 4x512 for four of 512 x 512")
    return int(views), int(size)


def main() -> int:
    """Measure, and print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--sizes", type=sized, nargs="+", help="views x pixels, as 4x512")
    parser.add_argument("--triangles", type=int, nargs="+")
    parser.add_argument("--texture", type=int, default=1024, help="edge in texels")
    parser.add_argument("--seconds", type=float, default=180, help="for all figures together")
    parser.add_argument("--kernels", action="store_true", help="the device's kernels alone")
    parser.add_argument("--without-nvdiffrast", action="store_true")
    parser.add_argument("--backends", nargs="+", default=["numba", "warp"], help="on a CPU")
    parser.add_argument("--output", type=Path, help="written after every size, too")
    options = parser.parse_args()
    cuda = options.device != "cpu" and torch.cuda.is_available()
    if options.device.startswith("cuda") and not cuda:
        parser.error("this PyTorch sees no CUDA device; measure with --device cpu")
    if options.kernels and not cuda:
        parser.error("--kernels needs a CUDA device")
    device = torch.device("cuda" if cuda else "cpu")
    sizes = options.sizes or ([(4, 512), (8, 800), (8, 1024)] if cuda else [(1, 128)])
    counts = options.triangles or ([10_000, 100_000, 1_000_000] if cuda else [1_000, 10_000])

    found: tuple[Any, str, Any] | str = "not asked for"
    if cuda and not options.without_nvdiffrast:
        found = load_nvdiffrast(device)
    notes = ["Time of the kernels alone." if options.kernels else "Time by the clock."]
    labels = ["diffrec"] if cuda else list(options.backends)
    if not cuda:
        notes.append("No CUDA device: diffrec's backends on the CPU; nvdiffrast has none there.")
    elif isinstance(found, str):
        notes.append(f"diffrec alone: {found}.")
    else:
        labels.append("nvdiffrast")
        notes.append(
            f"nvdiffrast {found[1]} with RasterizeCudaContext. It works on every pixel of a frame, "
            "diffrec on a list of those that are covered. A ratio above 1: diffrec is faster."
        )

    cells: list[Cell] = []
    head = heading(device, notes)
    began = time.perf_counter()
    figures = len(sizes) * len(counts) * len(labels) * (2 * len(OPERATIONS) - 2)
    # Half is left for warming up, compiling kernels and making scenes.
    each = min(0.5, 0.5 * options.seconds / figures)
    meter = Meter(device, each, began + options.seconds, kernels=options.kernels)
    for views, size in sizes:
        for count in counts:
            if meter.spent:
                continue
            scene = make_scene(count, views, size, device, texture_size=options.texture)
            cell = Cell(views, size, len(scene.triangles))
            cells.append(cell)
            contenders: dict[str, Callable[[], Any]] = {}
            for label in labels:
                if label == "nvdiffrast" and not isinstance(found, str):
                    contenders[label] = functools.partial(Nvdiffrast, scene, found[0], found[2])
                else:
                    backend = None if label == "diffrec" else label
                    contenders[label] = functools.partial(Diffrec, scene, backend)
            measure(cell, contenders, meter)
            contenders.clear()
            gc.collect()
            if cuda:
                torch.cuda.empty_cache()
            print(f"{cell.name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
            if options.output is not None:
                replace_file(options.output, (head + "\n" + tables(cells, labels)).encode())
    print(head + "\n" + tables(cells, labels))
    if meter.spent:
        print("The time ran out before every figure was taken; --seconds gives more.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
