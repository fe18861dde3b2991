"""Kills a cook, its job and its trainer in every phase, and sees that the next cook is right.

Real processes, with a stand-in for the trainer that takes no time; with `--real` the real one.
Whoever is to be killed is told apart by its phase: the job or the trainer stops there and
says so, so that nothing depends on time.
Then the same scene is cooked again. That is right when all results are in place, whole and of one
training, and when no more was trained again than the kill had to cost.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bench_cookkills_trainer as real_trainer
from bench_cookkills_programs import JOB, PAUSING, TRAINER

from houfiles.build import build
from houfiles.describe import NodeDescription, SceneDescription, Token
from nvdiffrec_contract import layout
from nvdiffrec_tops.job.outputs import result

LIBRARIES = Path(__file__).resolve().parents[2] / "python3.11libs"
LIMIT = 300.0  # seconds after which something will not happen any more

TRAINER_PHASES = ("pass 1", "pass 2", "export", "ended")
JOB_PHASES = ("before", "finish", "kept", "hash", "put 0", "put 2", "put 5", "last", "placed")
# The training has come to its end, and the job knows it.
FINISHED = (*JOB_PHASES[2:], "done")
PHASES = (JOB_PHASES[0], *TRAINER_PHASES, *JOB_PHASES[1:], "done")


@dataclass(frozen=True)
class Kill:
    """Who is killed, how and when. ``victim``: cook, job or trainer."""

    phase: str
    victim: str
    signal: signal.Signals
    real: bool = False

    def __str__(self) -> str:
        trainer = " of a real training" if self.real else ""
        return f"{self.victim}{trainer} by {self.signal.name} in the phase '{self.phase}'"

    @property
    def most_starts(self) -> int:
        """How often the trainer may be started over both cooks."""
        return 1 if self.phase in FINISHED or self.phase == "before" else 2

    @property
    def most_anew(self) -> int:
        """How often it may begin from nothing: again only where nothing could be saved."""
        if self.real:
            return 2 if self.phase in real_trainer.NOTHING_SAVED else 1
        nothing = self.phase == "pass 1" and self.victim == "trainer"
        return 2 if nothing and self.signal is signal.SIGKILL else 1


@dataclass
class Outcome:
    """What came of a kill: what is wrong, if anything; ``gone``: seconds until all had ended."""

    kill: Kill
    wrong: list[str] = field(default_factory=list)
    starts: list[str] = field(default_factory=list)
    gone: float = 0.0
    said: str = ""


def kills() -> Iterator[Kill]:
    """Every kill in every phase."""
    for phase in PHASES:
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            yield Kill(phase, "cook", number)
        for victim in ("job", "trainer") if phase in TRAINER_PHASES else ("job",):
            for number in (signal.SIGKILL, signal.SIGTERM):
                yield Kill(phase, victim, number)


def real_kills(count: int) -> Iterator[Kill]:
    """So many kills of the real trainer, of its job and its cook, through all phases in turn."""
    phases = (*real_trainer.PHASES, *FINISHED)
    ways = [
        *(("trainer", number) for number in (signal.SIGKILL, signal.SIGTERM)),
        *(("cook", number) for number in (signal.SIGINT, signal.SIGKILL, signal.SIGTERM)),
        *(("job", number) for number in (signal.SIGTERM, signal.SIGKILL)),
    ]
    every = [
        # From phase to phase another way, so that a few kills are of many kinds.
        Kill(phase, *ways[(turn + number) % len(ways)], real=True)
        for turn in range(len(ways))
        for number, phase in enumerate(phases)
    ]
    possible = [one for one in every if one.victim != "trainer" or one.phase not in FINISHED]
    yield from possible[:count]


class Stage:
    """A scene with one training, whose processes can be stopped at a phase."""

    def __init__(self, folder: Path, real: bool = False) -> None:
        """`real`: with the real trainer, not with its stand-in."""
        self.folder, self.output = folder, folder / "results"
        self._real = real
        modules = folder / "modules"
        (modules / "diffrec").mkdir(parents=True)
        (folder / "data").mkdir()
        (modules / "diffrec/__init__.py").touch()
        (modules / "pausing.py").write_text(PAUSING)
        if real:
            real_trainer.prepare(folder, modules, LIBRARIES)
        else:
            (modules / "diffrec/__main__.py").write_text(TRAINER)
            (modules / "torch.py").touch()
            (folder / "data/mesh.obj").write_text("v 0 0 0\n")
            (folder / "scene.json").write_text('{"ref_mesh": "data/mesh.obj", "iter": 10}')
        where = {"libraries": str(LIBRARIES), "modules": str(modules)}
        (folder / "job.py").write_text(JOB % where)
        for name in ("alive", "reached", "go"):
            os.mkfifo(folder / name)
        self.scene = folder / "shot.hip"
        self.scene.write_bytes(build(self._described(modules)))
        self._alive = os.open(folder / "alive", os.O_RDONLY | os.O_NONBLOCK)
        self._reached = os.open(folder / "reached", os.O_RDWR)
        self._go = os.open(folder / "go", os.O_RDWR)

    def _described(self, modules: Path) -> SceneDescription:
        words = [sys.executable, "-I", str(self.folder / "job.py"), "--engine", "diffrec"]
        words += ["--config", "scene.json", "--working-dir", str(self.folder)]
        words += ["--output", str(self.output), f"--env=PYTHONPATH={modules}"]
        if self._real:
            words += [f"--env={name}={value}" for name, value in real_trainer.ONE_THREAD.items()]
        names = [*layout.REQUIRED, result.NAME]
        values: dict[str, Any] = {
            "itemcount": 1,
            "pdg_command": " ".join(f'"{word}"' for word in words),
            "expectedoutputsfrom": Token("2"),
            "expectedoutputfiles": len(names),
        }
        for number, name in enumerate(names, 1):
            values[f"expectedoutputfile{number}"] = f"{self.output}/{name}"
        scheduler: dict[str, Any] = {
            "tempdirmenu": Token("2"),
            "tempdircustom": str(self.folder / "temp"),
        }
        children = (
            NodeDescription("localscheduler", "localscheduler", scheduler, flags=("render",)),
            NodeDescription("train", "genericgenerator", values, flags=("display",)),
        )
        network = {"topscheduler": "localscheduler"}
        top = NodeDescription("topnet1", "topnet", network, children=children, is_network=True)
        return SceneDescription("shot", (top,))

    def close(self) -> None:
        for handle in (self._alive, self._reached, self._go):
            os.close(handle)

    def cook(self, phase: str = "") -> subprocess.Popen[str]:
        """Start a cook whose processes stop at ``phase``."""
        (self.folder / "phase").write_text(phase)
        return subprocess.Popen(
            [sys.executable, "-m", "nvdiffrec_tops", "cook", str(self.scene)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(LIBRARIES)},
        )

    def starts(self) -> list[str]:
        """How the trainer began, each time that it was started."""
        path = self.folder / "starts"
        return path.read_text().splitlines() if path.exists() else []

    def kill(self, cook: subprocess.Popen[str], kill: Kill) -> float:
        """Wait for the phase, kill, and wait until all have ended: the seconds that took."""
        self._expect(b"reached")
        pid = cook.pid
        if kill.victim != "cook":
            pid = int((self.folder / f"{kill.victim}.pid").read_text())
        began = time.perf_counter()
        os.kill(pid, kill.signal)
        # What stands at the phase has been killed itself, or is asked to end as well.
        if self._expect(b"signalled"):
            os.write(self._go, b"x")
        while self._ready(self._alive) and os.read(self._alive, 100):
            pass
        return time.perf_counter() - began

    def _expect(self, word: bytes) -> bool:
        """Wait until a stopped process says something; False when all have ended."""
        ready, _, _ = select.select([self._reached, self._alive], [], [], LIMIT)
        if self._reached in ready:
            return word in os.read(self._reached, 100)
        if self._alive in ready:
            return False
        raise TimeoutError(f"no process has {word.decode()} within {LIMIT:g} s")

    def _ready(self, handle: int) -> bool:
        if not select.select([handle], [], [], LIMIT)[0]:
            raise TimeoutError(f"a process goes on {LIMIT:g} s after its cook has ended")
        return True

    def wrong(self) -> Iterator[str]:
        """What is wrong with the results."""
        document = result.read(str(self.output))
        if document is None or document["status"] != "done":
            yield "no result says done"
            return
        figures = document["metrics"].get("psnr")
        if figures is None or (not self._real and figures != 30.5):
            yield f"the figures are lost: {document['metrics']}"
        entries = result.entries(document)
        for entry in entries:
            fault = result.changed(str(self.output), entry)
            if fault:
                yield fault
        listed = {entry["path"] for entry in entries}
        stamps = set()
        for path in self.output.rglob("*"):
            name = path.relative_to(self.output).as_posix()
            if not path.is_file() or name in (result.NAME, "job.log", layout.LIVE_TABLE):
                continue
            if name not in listed:
                yield f"left behind: {name}"
            if name != layout.TABLE and not self._real:  # names no training
                stamps.add(path.read_text().rpartition(" of ")[2])
        if len(stamps) != 1 and not self._real:
            yield f"files of {len(stamps)} trainings"
        if not {*layout.REQUIRED} <= listed:
            yield "not every file is there"

    def contents(self) -> dict[str, str]:
        """The digest of each file of the results that depends on the training alone."""
        return {
            path.relative_to(self.output).as_posix(): _digest(path, self.folder)
            for path in self.output.rglob("*")
            if path.is_file() and path.name not in (result.NAME, "job.log", layout.LIVE_TABLE)
        }


def _digest(path: Path, folder: Path) -> str:
    """Of what a file says of the training: not of times, of memory or of where it ran."""
    data = path.read_bytes()
    if path.suffix == ".usdz":
        with zipfile.ZipFile(path) as package:
            data = repr([(one.filename, one.CRC) for one in package.infolist()]).encode()
    elif path.name == layout.TABLE:
        rows = csv.DictReader(data.decode().splitlines())
        data = repr([{**row, "memory": ""} for row in rows]).encode()
    elif path.name == layout.PREVIEW_SCENE:
        document = json.loads(data.decode().replace(str(folder), ""))
        document["configuration"].pop("out_dir")
        data = json.dumps(document).encode()
    return hashlib.sha256(data).hexdigest()


def undisturbed(folder: Path) -> dict[str, str]:
    """What the real trainer makes when nobody kills anything, in an empty folder.

    Raises:
        RuntimeError: it does not train.
    """
    stage = Stage(folder, real=True)
    try:
        with stage.cook() as cook:
            said, _ = cook.communicate()
        if cook.returncode:
            raise RuntimeError(said)
        return stage.contents()
    finally:
        stage.close()


def run(kill: Kill, folder: Path, wanted: Mapping[str, str] | None = None) -> Outcome:
    """Cook, kill, and cook again, in an empty folder. `wanted`: what must have come of it."""
    stage, outcome = Stage(folder, kill.real), Outcome(kill)
    try:
        with stage.cook(kill.phase) as first:
            try:
                outcome.gone = stage.kill(first, kill)
                outcome.said, _ = first.communicate(timeout=LIMIT)
            finally:
                first.kill()
        with stage.cook() as second:
            try:
                said, _ = second.communicate(timeout=LIMIT)
            finally:
                second.kill()
        outcome.said += f"--- second cook\n{said}"
        if second.returncode:
            outcome.wrong.append(f"the second cook ended with {second.returncode}")
        outcome.wrong += stage.wrong()
        if wanted is not None:
            found = stage.contents()
            others = sorted(one for one in {*found, *wanted} if found.get(one) != wanted.get(one))
            if others:
                outcome.wrong.append(f"other files than without a kill: {', '.join(others)}")
        outcome.starts = stage.starts()
        if len(outcome.starts) > kill.most_starts or outcome.starts.count("anew") > kill.most_anew:
            outcome.wrong.append(f"trained again: {', '.join(outcome.starts)}")
        if "Traceback" in outcome.said:
            outcome.wrong.append("a traceback")
    except (TimeoutError, subprocess.TimeoutExpired) as error:
        outcome.wrong.append(str(error))
    finally:
        stage.close()
    log = folder / "results" / "job.log"
    if log.exists():
        outcome.said += f"--- log of the last job\n{log.read_text()}"
    return outcome


def main() -> int:
    """Kill in every phase; the counts as Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", metavar="TEXT", help="kills whose description has this text")
    parser.add_argument(
        "--real", type=int, default=0, metavar="COUNT", help="so many kills of the real trainer"
    )
    options = parser.parse_args()
    chosen = list(real_kills(options.real) if options.real else kills())
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        wanted = undisturbed(Path(folder)) if options.real else None
    for kill in chosen:
        if options.only and options.only not in str(kill):
            continue
        with tempfile.TemporaryDirectory() as folder:
            outcome = run(kill, Path(folder), wanted)
        outcomes.append(outcome)
        print(f"{kill}: {'; '.join(outcome.wrong) or 'right'}", file=sys.stderr, flush=True)
        if outcome.wrong:
            print(outcome.said, file=sys.stderr)
    print("| killed | kills | second cook right | most seconds until all had ended |")
    print("|---|---|---|---|")
    for victim in ("cook", "job", "trainer"):
        own = [one for one in outcomes if one.kill.victim == victim]
        if own:
            right = sum(not one.wrong for one in own)
            slowest = max(one.gone for one in own)
            print(f"| {victim} | {len(own)} | {right} | {slowest:.1f} |")
    return 1 if any(one.wrong for one in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
