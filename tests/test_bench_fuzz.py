"""The fuzzing of readers counts what it should, and notices what no reader may do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="resource limits and signals of POSIX")

PROGRAM = r"""
import os, subprocess, sys, time
from pathlib import Path
import bench_fuzz
from bench_fuzz_reader import Reader

class Toy(Reader):
    name, errors = "toys", (KeyError,)
    def write(self, folder, chance):
        (folder / "case").write_bytes(chance.randbytes(4))
    def read(self, folder):
        ACTS[self.number]() if hasattr(self, "number") else None

def refuse(): raise KeyError("no such toy")
def mute(): raise KeyError
def fail(): raise ValueError("broken")
def inside(): Path("made").write_text("here")
def outside(): Path("../../elsewhere").write_text("there")
def away(): os.rename("case", "../../case")
def victim(): Path("../../outside/kept").write_text("gone")
def program(): subprocess.run(["true"])
def memory(): bytearray(3 << 30)
def slow():
    while True: time.sleep(0.01)
def dies(): os._exit(9)
ACTS = [inside, refuse, mute, fail, outside, away, victim, program, memory, slow, dies]

class Numbered(Toy):
    def write(self, folder, chance):
        self.number = getattr(self, "number", int(sys.argv[1]) - 1) + 1
        super().write(folder, chance)

bench_fuzz.READERS["toy"] = Numbered
bench_fuzz.LIMIT = 0.2
bench_fuzz.run_cases("toy", 0, int(sys.argv[1]), len(ACTS) - int(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def said(root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What a process tells of a case of each kind; the last one ends it."""
    libraries = [str(root / "scripts" / "benchmarks"), str(root / "python3.11libs")]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "0", str(tmp_path_factory.mktemp("fuzz"))],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(libraries)},
    )
    assert done.returncode == 9, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_no_reader_may_do_is_a_fault(said: list[dict[str, Any]]) -> None:
    answers = {one["case"]: (one["answer"], one["said"]) for one in said if "answer" in one}
    assert [answers[number][0] for number in range(10)] == ["accepted", "refused", *["fault"] * 8]
    for number, word in (
        (1, "no such toy"),
        (2, "no message for a person"),
        (3, "ValueError: broken"),
        (4, "elsewhere"),
        (5, "os.rename"),
        (6, "a file outside was changed"),
        (7, "subprocess.Popen"),
        (8, "MemoryError"),
        (9, "more than 0.2 s"),
    ):
        assert word in answers[number][1], answers[number]
    assert said[-1]["case"] == 10 and "answer" not in said[-1], "the case that ended the process"


def test_a_case_can_be_made_again(root: Path, tmp_path: Path) -> None:
    program = (
        "import json, sys; from random import Random; import bench_fuzz_damage as damage\n"
        "document = {'a': [1, {'b': 'text'}], 'c': None}\n"
        "made = [damage.json_of(document, Random(n)).hex() for n in range(200)]\n"
        "made += [damage.bytes_of(b'some bytes', Random(n)).hex() for n in range(200)]\n"
        "made += [damage.lines_of('some\\nlines of text', Random(n)) for n in range(200)]\n"
        "print(json.dumps(made))"
    )
    environment = {**os.environ, "PYTHONPATH": str(root / "scripts" / "benchmarks")}
    one, other = (
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={**environment, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    )
    assert one == other
    assert len(set(json.loads(one))) > 300
