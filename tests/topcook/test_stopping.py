"""Ctrl-C and SIGTERM: every process ends, nothing half-written stays."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

# A job with a child of its own that ignores SIGTERM. Both hold the pipe open as long as they live.
JOB = """
import os, signal, subprocess, sys
pipe, output, stubborn = sys.argv[1:]
handle = os.open(pipe, os.O_WRONLY)
open(output, "w").write("half of a mesh")
code = "import signal, threading\\n"
if stubborn == "yes":
    code += "signal.signal(signal.SIGTERM, signal.SIG_IGN)\\n"
code += "print('child', flush=True)\\nthreading.Event().wait()"
child = subprocess.Popen([sys.executable, "-c", code], pass_fds=[handle], stdout=subprocess.PIPE)
child.stdout.readline()
os.write(handle, b"ready\\n")
child.wait()
"""


@pytest.mark.parametrize(
    ("numbers", "grace", "stubborn"),
    [
        ([signal.SIGINT], "30", "no"),
        ([signal.SIGTERM], "0.3", "yes"),
        ([signal.SIGINT, signal.SIGTERM], "60", "yes"),
    ],
)
def test_stop_ends_all_processes(scene, top, tmp_path, numbers, grace, stubborn) -> None:
    pipe, output, script = tmp_path / "pipe", tmp_path / "mesh.obj", tmp_path / "job.py"
    os.mkfifo(pipe)
    script.write_text(JOB)
    hip: Path = scene(
        top(
            "run",
            "genericgenerator",
            {
                "pdg_command": f'"{sys.executable}" "{script}" "{pipe}" "{output}" {stubborn}',
                "expectedoutputsfrom": "2",
                "expectedoutputfiles": 1,
                "expectedoutputfile1": str(output),
                "itemcount": 1,
            },
        ),
        top("after", "genericgenerator", {"pdg_command": "never-started"}, ["run"]),
    )
    command = [sys.executable, "-m", "nvdiffrec_tops", "cook", str(hip), "--grace", grace]
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    ours = os.open(pipe, os.O_WRONLY)
    try:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as cook:
            try:
                assert _within(reader, 30) == b"ready\n"
                os.close(ours)
                for number in numbers:
                    cook.send_signal(number)
                # End of file comes when the last process of the job is gone.
                assert _within(reader, 30) == b""
                said, _none = cook.communicate(timeout=30)
            finally:
                cook.kill()
    finally:
        os.close(reader)
    assert cook.returncode == 130
    assert not output.exists()
    assert "run_1: cancelled" in said
    assert "Cook stopped" in said and "Traceback" not in said


def _within(handle: int, seconds: float) -> bytes:
    """What arrives first on a pipe, ``b""`` for its end; fails when nothing does."""
    ready, _writable, _errors = select.select([handle], [], [], seconds)
    assert ready, f"nothing came within {seconds} s"
    return os.read(handle, 100)
