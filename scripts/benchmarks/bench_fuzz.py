"""Gives each reader of the project damaged files, and counts what it makes of them.

Each case is read or refused by one of our own errors: another exception is a fault, and so is a
case that takes longer than the limit, needs more memory than a process may have here, writes
outside its folder, or starts a program. Every reader has a process of its own; one that dies is
started again behind the case that killed it. A case is made again by `--only READER --from CASE
--cases 1`.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import bench_fuzz_damage as damage
from bench_fuzz_farm import FarmAnswers, Submissions
from bench_fuzz_photographs import Exports, Photographs, Preparations
from bench_fuzz_reader import ROOT, Reader
from bench_fuzz_toolkit import (
    Configurations,
    EnvironmentFiles,
    JobFiles,
    Logs,
    Results,
    Scenes,
)  # fmt: skip
from bench_fuzz_trainer import Checkpoints, Meshes, Pictures, Poses, Transforms

LIMIT = 20.0  # seconds for a case
MEMORY = 2 << 30  # bytes for a process
STRANGE = 0.03  # share of the cases in which a file is a pipe, a device, a folder or a link
LONGEST_MESSAGE = 4000
GIVE_UP = 10  # processes of one reader that died
CANARY = "what stands outside a case"
PROGRAMS = (
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork",
    "os.forkpty", "os.startfile",
)  # fmt: skip
CHANGES = (
    "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate",
    "os.chmod", "os.chown", "os.utime", "shutil.rmtree",
)  # fmt: skip


KINDS: tuple[type[Reader], ...] = (
    Scenes, Configurations, JobFiles, Pictures, Poses, Meshes, Transforms, EnvironmentFiles,
    FarmAnswers, Submissions, Checkpoints, Logs, Results, Photographs, Preparations, Exports,
)  # fmt: skip
READERS = {kind.__name__.lower(): kind for kind in KINDS}
"""Every reader by the word that chooses it."""


class Slow(BaseException):
    """A case has taken longer than the limit."""


class Watch:
    """Notes what a case does that no reader may do: programs, and changes outside `folder`."""

    def __init__(self, folder: Path) -> None:
        self.seen: list[str] = []
        self.on = False
        self._inside = os.path.realpath(folder) + os.sep
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in PROGRAMS:
            self.seen.append(f"{event}: {str(arguments)[:200]}")
        elif event == "open":
            path, mode, flags = arguments
            writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
            if (flags or 0) & writing or set(mode or "") & set("wax+"):
                self._changed(event, path)
        elif event in CHANGES:
            count = 2 if event in ("os.rename", "os.link") else 1
            for path in arguments[1:2] if event == "os.symlink" else arguments[:count]:
                self._changed(event, path)

    def _changed(self, event: str, path: Any) -> None:
        if isinstance(path, int):
            return
        name = os.fsdecode(path)
        # The last part is not followed: a link may be removed or replaced.
        where = os.path.join(os.path.realpath(os.path.dirname(name) or "."), os.path.basename(name))
        if event == "open":
            where = os.path.realpath(name)
        kernels = "__pycache__" in where  # compiled on first use, of the toolkit itself
        if not where.startswith(self._inside) and where != os.devnull and not kernels:
            self.seen.append(f"{event}: {where}")


def run_cases(word: str, seed: int, first: int, count: int, place: Path) -> None:
    """Read cases in this process; a line of JSON before and after each."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    sys.dont_write_bytecode = True
    inside = place / "inside"
    shutil.rmtree(inside, ignore_errors=True)
    (inside / "temp").mkdir(parents=True)
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "TMPDIR"):
        os.environ[name] = str(inside / "temp")
    outside = place / "outside"
    outside.mkdir(exist_ok=True)
    reader = READERS[word]()
    watch = Watch(inside)

    def slow(*_: object) -> None:
        raise Slow

    signal.signal(signal.SIGALRM, slow)
    for number in range(first, first + count):
        chance = Random(f"{word} {seed} {number}")
        (outside / "kept").write_text(CANARY)
        folder = inside / "case"
        folder.mkdir()
        os.chdir(folder)
        reader.write(folder, chance)
        strange = ""
        there = [name for name in reader.files if (folder / name).is_file()]
        if there and chance.random() < STRANGE:
            strange = damage.file_of(folder / chance.choice(there), chance)
        _tell(case=number, strange=strange)
        began = time.perf_counter()
        answer = _answer(reader, folder, watch)
        seconds = time.perf_counter() - began
        if os.listdir(outside) != ["kept"] or (outside / "kept").read_text() != CANARY:
            answer = ("fault", "a file outside was changed")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        _tell(case=number, answer=answer[0], said=answer[1], seconds=seconds, peak=peak)
        os.chdir(inside)
        shutil.rmtree(folder)


def _answer(reader: Reader, folder: Path, watch: Watch) -> tuple[str, str]:
    """accepted, refused or fault; with what was said."""
    watch.seen.clear()
    # Code that does not come back to Python ends the process a moment later.
    faulthandler.dump_traceback_later(LIMIT + 5, exit=True)
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    watch.on = True
    try:
        reader.read(folder)
        answer = ("accepted", "")
    except Slow:
        answer = ("fault", f"more than {LIMIT:g} s\n{traceback.format_exc(limit=-6)}")
    except reader.errors as error:
        said = str(error)
        good = said.strip() and "Traceback" not in said and len(said) < LONGEST_MESSAGE
        answer = (
            ("refused", said) if good else ("fault", f"no message for a person: {said[:500]!r}")
        )
    except BaseException:
        answer = ("fault", traceback.format_exc(limit=-6))
    finally:
        watch.on = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
    return ("fault", "; ".join(watch.seen[:5])) if watch.seen else answer


def _tell(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


@dataclass
class Outcome:
    """What came of one reader's cases; `faults`: what was said of each, by case."""

    name: str
    accepted: int = 0
    refused: int = 0
    slowest: float = 0.0
    peak: int = 0
    faults: dict[int, str] = field(default_factory=dict)

    @property
    def cases(self) -> int:
        """How many there were."""
        return self.accepted + self.refused + len(self.faults)


def fuzz(word: str, seed: int, first: int, count: int) -> Outcome:
    """All cases of a reader, in as many processes as it takes."""
    outcome = Outcome(READERS[word].name)
    end = first + count
    for _ in range(GIVE_UP):
        if first >= end:
            break
        with tempfile.TemporaryDirectory() as place, tempfile.TemporaryFile("w+") as error:
            words = ["--child", place, "--only", word, "--seed", str(seed)]
            words += ["--from", str(first), "--cases", str(end - first)]
            child = subprocess.Popen(
                [sys.executable, __file__, *words],
                stdout=subprocess.PIPE,
                stderr=error,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT / "python3.11libs")},
            )
            assert child.stdout is not None
            with child:
                for line in child.stdout:
                    first = _note(outcome, json.loads(line), first)
            if child.returncode == 0 or first >= end:
                break
            error.seek(0)
            outcome.faults[first] = (
                f"the process ended with {child.returncode}: {error.read()[-3000:]}"
            )
            first += 1
    return outcome


def _note(outcome: Outcome, facts: dict[str, Any], first: int) -> int:
    """Count what a process has told; the case that is being read, or comes next."""
    if "answer" in facts:
        outcome.peak = max(outcome.peak, facts["peak"])
        outcome.slowest = max(outcome.slowest, facts["seconds"])
        if facts["answer"] == "fault":
            outcome.faults[facts["case"]] = facts["said"]
        elif facts["answer"] == "accepted":
            outcome.accepted += 1
        else:
            outcome.refused += 1
        return int(facts["case"]) + 1
    return first


def rows(outcomes: list[Outcome]) -> Iterator[str]:
    """The counts as a Markdown table."""
    yield "| reader | cases | refused | accepted | faults | slowest | peak memory |"
    yield "|---|---|---|---|---|---|---|"
    for one in outcomes:
        yield (
            f"| {one.name} | {one.cases:,} | {one.refused:,} | {one.accepted:,} "
            f"| {len(one.faults)} | {one.slowest:.2f} s | {one.peak / 2**20:.0f} MB |"
        )


def main() -> int:
    """Fuzz the readers; the counts as Markdown, each fault on stderr."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=1000, help="for each reader (%(default)s)")
    parser.add_argument(
        "--from", type=int, default=0, dest="first", help="number of the first case"
    )
    parser.add_argument("--seed", type=int, default=0, help="other seeds, other cases")
    parser.add_argument("--only", nargs="+", choices=list(READERS), help="these readers")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        (word,) = options.only
        run_cases(word, options.seed, options.first, options.cases, options.child)
        return 0
    outcomes = []
    for word in options.only or READERS:
        outcome = fuzz(word, options.seed, options.first, options.cases)
        outcomes.append(outcome)
        for case, said in outcome.faults.items():
            print(f"{outcome.name}, case {case}: {said}", file=sys.stderr)
    print("\n".join(rows(outcomes)))
    return 1 if any(one.faults for one in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
