"""Cook, job or trainer is killed; the next cook is right. All phases: scripts/bench cookkills."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM
from types import ModuleType

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "benchmarks"


@pytest.fixture(scope="module")
def kills() -> ModuleType:
    sys.path.insert(0, str(SCRIPTS))
    try:
        return importlib.import_module("bench_cookkills")
    finally:
        sys.path.remove(str(SCRIPTS))


@pytest.fixture
def outcome(kills: ModuleType, tmp_path: Path) -> Callable[..., object]:
    return lambda phase, victim, number: kills.run(kills.Kill(phase, victim, number), tmp_path)


@pytest.mark.parametrize(
    ("phase", "victim", "number", "said"),
    [
        # Ctrl-C while the results are put in place: they stay, and count.
        ("put 2", "cook", SIGINT, "train: 1 done"),
        # A finished training that is not in place is kept, and the artist reads so.
        ("hash", "job", SIGTERM, "the training is finished and kept: cook again"),
        ("kept", "cook", SIGKILL, "put in place now, without training"),
        # The end of the training is known to the trainer alone: its checkpoint is still there.
        ("finish", "job", SIGKILL, "goes on with a training that was ended before its end"),
        # A job that dies after "done" has done its work.
        ("done", "job", SIGKILL, "the job ended by signal 9 after its results were in place"),
        # Nobody is left to end the job and its trainer: they end by themselves.
        ("pass 2", "cook", SIGKILL, "goes on with a training that was ended before its end"),
    ],
)
def test_the_cook_after_a_kill_is_right(outcome, phase, victim, number, said) -> None:
    found = outcome(phase, victim, number)
    assert not found.wrong, f"{found.wrong}\n{found.said}"
    assert said in found.said


def test_every_kind_of_kill_comes_in_every_phase(kills: ModuleType) -> None:
    every = list(kills.kills())
    assert len(set(every)) == len(every) >= 60
    assert {(one.phase, one.victim) for one in every} >= {
        (phase, victim) for phase in kills.PHASES for victim in ("cook", "job")
    } | {(phase, "trainer") for phase in kills.TRAINER_PHASES}


def test_the_measure_sees_what_is_wrong(kills: ModuleType, tmp_path: Path) -> None:
    stage = kills.Stage(tmp_path)
    try:
        assert list(stage.wrong()) == ["no result says done"]
        with stage.cook() as cook:
            cook.communicate(timeout=kills.LIMIT)
        assert list(stage.wrong()) == [] and stage.starts() == ["anew"]
        (stage.output / "mesh/mesh.obj").write_text("mesh.obj of another")
        assert [one.rpartition("mesh.obj ")[2] for one in stage.wrong()] == [
            "has 19 bytes in place of 28",
            "files of 2 trainings",
        ]
    finally:
        stage.close()
