"""A process that ends at once still says everything and does what is due at its exit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = """
import atexit, sys, threading
from diffrec.runtime.process_end import end_process
class Library:
    def __del__(self):
        print("taken apart")
library = Library()
atexit.register(print, "at exit")
print("done")
"""


def ended(program: str, *options: str) -> tuple[int, list[str]]:
    """Exit code and lines of a process whose output is a pipe, and so is written in the end."""
    command = [sys.executable, *options, "-c", LIBRARY + program]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert process.stderr == ""
    return process.returncode, process.stdout.splitlines()


@pytest.mark.parametrize("code", [0, 1, 143])
def test_the_end_is_said_and_done_and_nothing_more(code: int) -> None:
    assert ended(f"end_process({code})") == (code, ["done", "at exit"])


def test_threads_that_do_not_count_are_left() -> None:
    program = "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    assert ended(program + "end_process(0)") == (0, ["done", "at exit"])


def test_a_thread_at_work_is_waited_for() -> None:
    program = (
        "def work():\n    threading.main_thread().join()\n    print('worked')\n"
        "threading.Thread(target=work).start()\nend_process(3)"
    )
    code, lines = ended(program)
    assert code == 3 and lines[:2] == ["done", "worked"] and "at exit" in lines


def test_a_profiler_gets_its_end() -> None:
    program = (
        "import cProfile\nprofiler = cProfile.Profile()\nprofiler.enable()\n"
        "try:\n    end_process(0)\nexcept SystemExit:\n    profiler.disable()\n    print('seen')"
    )
    code, lines = ended(program)
    assert code == 0 and lines[:2] == ["done", "seen"]


def test_a_reader_that_left_is_told_by_the_code() -> None:
    program = "import os\nfrom diffrec.runtime.process_end import end_process\n"
    program += "read, write = os.pipe()\nos.close(read)\nos.dup2(write, 1)\nprint('x')\n"
    command = [sys.executable, "-c", program + "end_process(0)"]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 1


def test_a_mistake_ends_the_trainer_with_its_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "diffrec", "--config", str(tmp_path / "none.json")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 1 and done.stderr.startswith("Error: ") and "none.json" in done.stderr
