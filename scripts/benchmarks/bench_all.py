"""Every comparison that applies to this machine, in one call, written to one file.

The operations (beside nvdiffrast where that is installed), an iteration on the sample, whole
trainings of the configurations with their variants and on all cards together, one that is killed
again and again, the kernels of their iterations, and charting.
Without a configuration the trainings and the kernels are of the sample. Each part is a process of
its own; one that fails is reported in its place, and the rest goes on.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench_machine import cards, end, environment, heading, machine

from nvdiffrec_contract.files import replace_file

SCRIPTS = Path(__file__).resolve().parent
STARTING = 20.0  # seconds that a part may take beside what it was told to
MOST = 24 * 3600.0


@dataclass(frozen=True)
class Part:
    """A benchmark. `name`: of `scripts/bench NAME`, '' for the iteration; `arguments(seconds,
    output)`: its command line; `share`: of the time, against the other parts'."""

    title: str
    name: str
    arguments: Callable[[float, Path], Sequence[str]]
    share: float

    def command(self, seconds: float, output: Path) -> list[str]:
        """What starts it."""
        program = SCRIPTS / (f"bench_{self.name}.py" if self.name else "bench.py")
        return [sys.executable, str(program), *self.arguments(seconds, output)]


def parts(
    configurations: Sequence[Path],
    variants: Sequence[Path],
    *,
    cuda: bool,
    quick: bool = False,
    first: bool = True,
    processes: Sequence[int] = (1,),
    logs: Path | None = None,
) -> list[Part]:
    """What applies, in order. `quick`: sizes that say little, for a look whether all is well."""
    device = "cuda" if cuda else "cpu"

    def ops(seconds: float, output: Path) -> list[str]:
        small = ["--sizes", "1x32", "--triangles", "300", "--texture", "16"] if quick else []
        limits = ["--seconds", f"{seconds:.0f}", "--output", str(output)]
        return ["--device", device, *limits, *small]

    def iteration(seconds: float, _output: Path) -> list[str]:
        # On a GPU so many that it says little that each series records its iteration anew.
        count = ["--iterations", "300"] if cuda else []
        small = ["--sizes", "32", "--iterations", "2"] if quick else count
        return ["--device", device, "--seconds", f"{seconds:.0f}", *small]

    def runs(seconds: float, output: Path) -> list[str]:
        found = [str(path) for path in configurations]
        found += ["--variants", *map(str, variants)] if variants else []
        found += ["--first"] if first else []
        found += ["--processes", *map(str, processes)] if list(processes) != [1] else []
        found += ["--logs", str(logs)] if logs is not None else []
        return [*found, "--seconds", f"{seconds:.0f}", "--output", str(output)]

    def kills(seconds: float, output: Path) -> list[str]:
        small = ["--iter", "10", "--kills", "2"] if quick else []
        limits = ["--seconds", f"{seconds:.0f}", "--output", str(output)]
        return [str(configurations[0]), *limits, *small]

    def charts(_seconds: float, _output: Path) -> list[str]:
        return ["--faces", "1000", "--texels", "64", "--without-whole"] if quick else []

    result = [
        Part("Rendering operations", "ops", ops, 20),
        Part("An iteration, the sample", "", iteration, 18 if cuda else 30),
        Part("Whole trainings", "runs", runs, 45),
        Part("A training that is killed", "kills", kills, 25),
    ]
    for path in configurations:

        def kernels(_seconds: float, output: Path, path: Path = path) -> list[str]:
            return [str(path), "--device", device, "--output", str(output)]

        title = f"Kernels of an iteration, {path.stem}"
        result.append(Part(title, "kernels", kernels, 14 / len(configurations)))
    result.append(Part("Charting", "charts", charts, 10))
    return result


def measure(part: Part, seconds: float, folder: Path, log: Path | None = None) -> str:
    """The part's Markdown, and what went wrong if something did; ended after `seconds`.

    `folder`: empty, for its output. `log`: where what it says beside the result is kept.
    """
    output = folder / "part.md"
    command = part.command(max(1.0, seconds - STARTING), output)
    shown = shlex.join(["./scripts/bench", *([part.name] if part.name else []), *command[2:]])
    shown = shown.replace(f" --output {output}", "")
    began = time.perf_counter()
    try:
        with open(folder / "said", "wb") as said:
            process = subprocess.Popen(
                command,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                errors="replace",
                start_new_session=True,
            )
    except OSError as error:
        return f"`{shown}`\n\nCould not be started: {error}\n"
    alarm = threading.Timer(seconds, end, [process])
    alarm.start()
    try:
        printed, _ = process.communicate()
    finally:
        alarm.cancel()
        if process.poll() is None:
            end(process)
    spent = time.perf_counter() - began
    complaint = (folder / "said").read_text(encoding="utf-8", errors="replace")
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(complaint, encoding="utf-8")
    whole = process.returncode == 0
    text = printed
    if output.is_file() and not (whole and printed):  # what was finished of a part that was not
        text = output.read_text(encoding="utf-8")
    text = text.replace(f" --output {output}", "")
    if f"`./scripts/bench {part.name}" not in text and f"`scripts/bench {part.name}" not in text:
        text = f"`{shown}`\n\n{text}"
    if not whole:
        lines = [line.strip() for line in complaint.splitlines() if line.strip()]
        reason = lines[-1] if lines else "it said nothing"
        if spent >= seconds:
            reason = f"ended after {seconds:.0f} s, when its time was up"
        text = f"{text.rstrip()}\n\nNot complete: {reason[:300]}\n"
    return f"{text.rstrip()}\n\n{spent:.0f} s.\n"


def nested(text: str) -> str:
    """Markdown with its headings a level lower, so that they stand below the part's own."""
    return "\n".join(f"#{line}" if line.startswith("##") else line for line in text.splitlines())


def main() -> int:
    """Measure everything; 0 also where a part failed, which the file says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configurations", type=Path, nargs="*", metavar="CONFIG.json")
    parser.add_argument("--variants", type=Path, nargs="+", default=[], metavar="FILE.json")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.md")
    parser.add_argument("--seconds", type=float, help="for all parts together")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--only", nargs="+", metavar="PART", help="ops iteration runs kernels …")
    parser.add_argument("--without-first", action="store_true", help="no run with empty caches")
    parser.add_argument("--processes", type=int, nargs="+", help="of the trainings; 1 and all GPUs")
    parser.add_argument("--quick", action="store_true", help="sizes too small to tell anything")
    parser.add_argument("--logs", type=Path, help="folder for what the parts say")
    options = parser.parse_args()
    began = time.perf_counter()
    described = machine()
    seen = not described[0].startswith(("CPU", "a device"))
    if options.device == "cuda" and not seen:
        parser.error("this PyTorch sees no CUDA device; measure with --device cpu")
    cuda = seen and options.device != "cpu"
    for path in [*options.configurations, *options.variants]:
        if not path.is_file():
            parser.error(f"{path} is no file")
    with tempfile.TemporaryDirectory(prefix="bench_all_") as place:
        configurations = list(options.configurations)
        if not configurations:
            sample = Path(place, "sample")
            subprocess.run(
                [sys.executable, "-m", "diffrec.sample", str(sample)],
                env=environment(),
                stdout=subprocess.DEVNULL,
                check=True,
            )
            configurations = [sample / "sample.json"]
        todo = parts(
            configurations,
            options.variants,
            cuda=cuda,
            quick=options.quick,
            first=not options.without_first,
            processes=options.processes or sorted({1, cards(described[0]) if cuda else 1}),
            logs=options.logs,
        )
        if options.only:
            todo = [part for part in todo if (part.name or "iteration") in options.only]
        text = heading("all", [], described=described)
        for number, part in enumerate(todo):
            seconds = MOST
            if options.seconds is not None:
                left = max(0.0, options.seconds - (time.perf_counter() - began))
                seconds = left * part.share / sum(one.share for one in todo[number:])
            print(f"{part.title}: up to {seconds:.0f} s", file=sys.stderr, flush=True)
            own = Path(place, f"part_{number}")
            own.mkdir()
            log = None
            if options.logs is not None:
                log = options.logs / f"part_{number}_{part.name or 'iteration'}.log"
            text += f"\n## {part.title}\n\n{nested(measure(part, seconds, own, log))}\n"
            replace_file(options.output, text.encode())
    print(f"{options.output}: {time.perf_counter() - began:.0f} s in all", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
