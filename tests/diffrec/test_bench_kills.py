"""`scripts/bench kills`: when it kills, what it reads of a log, what it prints."""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "benchmarks"

LENGTH = 31


class Trainer:
    """A training of two passes of LENGTH iterations; a checkpoint every tenth, and on SIGTERM."""

    pid = 1234

    def __init__(self, folder: Path) -> None:
        self.saved, self.starts, self.killed = 0, 0, 0
        self._folder = folder

    def start(self, command: list[str], **_: object) -> Trainer:
        assert "--restart" not in command
        self.starts += 1
        self.killed, self.returncode = 0, 0
        self.stdout = self._lines()
        return self

    def kill(self, pid: int, number: int) -> None:
        assert pid == self.pid and not self.killed
        self.killed = number

    def wait(self) -> int:
        return self.returncode

    def poll(self) -> int:
        return self.returncode

    def _lines(self) -> Iterator[str]:
        if self.saved:
            place = f"iteration {self.saved % LENGTH} of pass {self.saved // LENGTH + 1}"
            yield f"Resuming from {place} (1 s so far)\n"
        for place in range(self.saved, 2 * LENGTH):
            if place == LENGTH:
                yield "Base mesh has 12 triangles and 8 vertices.\n"
            if place % LENGTH % 10 == 0:
                yield f"iter= {place % LENGTH:4d}, img_loss=0.1, lr=0.1, time=1.0 ms\n"
            if self.killed == signal.SIGTERM or place % 10 == 0:
                self.saved = place + (self.killed == signal.SIGTERM)
            if self.killed:
                self.returncode = 143 if self.killed == signal.SIGTERM else -9
                return
        for name, psnr in (("dmtet_validate", 30.5), ("validate", 32.25)):
            (self._folder / "out" / "run" / name).mkdir(parents=True)
            rows = f"ID, MSE, PSNR\n000000, 0.001, {psnr}\nAVERAGES: 0.001, {psnr}\n"
            (self._folder / "out" / "run" / name / "metrics.txt").write_text(rows)


def _script(name: str) -> ModuleType:
    sys.path.insert(0, str(SCRIPTS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(SCRIPTS))


def test_a_log_says_where_a_training_is() -> None:
    progress = _script("bench_kills").Progress(101)
    for line, done in (
        ("iter=    0, img_loss=0.4", 0),
        ("iter=  100, img_loss=0.4", 100),
        ("Base mesh has 12 triangles and 8 vertices.", 100),
        ("iter=    0, img_loss=0.4", 101),
        ("Resuming from iteration 40 of pass 2 (12 s so far; pass 1: MSE 0.1, PSNR 20.0)", 141),
        ("something else: iter", 141),
    ):
        progress.read(line)
        assert progress.done == done, line
    assert progress.resumed == ["2:40"]
    progress.started()
    assert progress.done == -1


def test_the_moments_are_within_the_training_and_repeatable() -> None:
    moments = _script("bench_kills").moments
    found = moments(10, 402, 3)
    assert len(set(found)) == 10 and found == sorted(found)
    assert found[0] >= 1 and found[-1] < 402
    assert found == moments(10, 402, 3) != moments(10, 402, 4)
    assert moments(10, 4, 0) == [1, 2, 3]


def test_a_killed_training_goes_on_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kills = _script("bench_kills")
    trainer = Trainer(tmp_path)
    monkeypatch.setattr(kills.subprocess, "Popen", trainer.start)
    monkeypatch.setattr(kills.os, "killpg", trainer.kill)
    outcome = kills.train({"iter": LENGTH - 1}, tmp_path, [5, 7, 35, 45], 60.0, tmp_path / "log")
    assert outcome.failure == ""
    # The log tells every tenth iteration, so the first two are one.
    assert outcome.kills == ["SIGTERM after 1:10", "SIGKILL after 2:10", "SIGTERM after 2:20"]
    assert outcome.resumed == ["1:11", "2:9", "2:21"]
    assert trainer.starts == 4
    assert outcome.second.psnr == 32.25
    assert "Resuming from iteration" in (tmp_path / "log").read_text()
    cells = kills.row("name", outcome, kills.Outcome(second=kills.Quality(32.30)))
    assert cells[3:6] == ["-0.05 dB", "3 times", ", ".join(outcome.resumed)]


def test_a_training_that_fails_is_a_row(tmp_path: Path) -> None:
    kills = _script("bench_kills")
    outcome = kills.train({"iter": 3, "nonsense": 1}, tmp_path, [1], 60.0)
    assert 'unknown field "nonsense"' in outcome.failure
    assert kills.row("name", outcome)[1] == outcome.failure
