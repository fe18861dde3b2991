"""What a cook leaves behind when it is killed at once: nothing that runs."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from topcook.jobs.processes import ChildProcess

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")

# Says that it runs, on a pipe that it holds open as long as it lives, and saves when it is asked.
COMMAND = """
import os, signal, sys, threading
pipe, saved = sys.argv[1:]
def save(*_):
    open(saved, "w").close()
    os._exit(0)
signal.signal(signal.SIGTERM, save)
handle = os.open(pipe, os.O_WRONLY)
os.write(handle, b"ready")
threading.Event().wait()
"""


@pytest.fixture
def command(tmp_path: Path):
    """The words of a command, and the end of its pipe."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "command.py").write_text(COMMAND)
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    names = ("command.py", "pipe", "saved")
    yield [sys.executable, *(str(tmp_path / name) for name in names)], reader
    os.close(reader)


def heard(reader: int) -> bytes:
    ready, _, _ = select.select([reader], [], [], 30)
    assert ready, "nothing came within 30 s"
    return os.read(reader, 100)


@pytest.mark.parametrize("shell", ["off", "on"])
def test_any_command_is_asked_to_end_when_its_cook_is_killed(
    scene, top, tmp_path, command, shell
) -> None:
    words, reader = command
    parms = {"pdg_command": " ".join(f'"{word}"' for word in words), "shellcommand": shell}
    hip = scene(top("run", "genericgenerator", parms))
    cook = [sys.executable, "-m", "nvdiffrec_tops", "cook", str(hip)]
    with subprocess.Popen(cook, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        assert heard(reader) == b"ready"
        running.kill()
    assert heard(reader) == b""  # the command is gone
    assert (tmp_path / "saved").exists()


def test_a_command_whose_guard_is_killed_ends_as_well(tmp_path, command) -> None:
    words, reader = command
    codes: list[int] = []
    child = ChildProcess(
        words,
        os.environ,
        tmp_path / "log",
        shell=False,
        window=False,
        on_line=lambda _line: None,
        on_exit=codes.append,
    )
    assert heard(reader) == b"ready"
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert heard(reader) == b"" and (tmp_path / "saved").exists()
    assert codes == [-signal.SIGKILL]
