"""One job per output folder."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from nvdiffrec_contract.failure import EXIT_BUSY
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.process import lock
from nvdiffrec_tops.job.process.lock import OutputLock

HOLDER = """
import sys
sys.path.insert(0, sys.argv[2])
from nvdiffrec_tops.job.process.lock import OutputLock
with OutputLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_file_goes_with_its_holder(tmp_path):
    with OutputLock(str(tmp_path)) as held:
        owner = json.loads((tmp_path / lock.NAME).read_text())
        assert owner["pid"] == os.getpid() and owner["host"] == socket.gethostname()
        assert held.taken_over is None
    assert not (tmp_path / lock.NAME).exists()


def test_a_second_job_is_refused_and_a_killed_one_is_succeeded(tmp_path, root):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path), str(root / "python3.11libs")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(JobError) as caught, OutputLock(str(tmp_path)):
            pass
        assert caught.value.failure.exit_code == EXIT_BUSY
        assert f"process {holder.pid} on {socket.gethostname()}" in str(caught.value)
        holder.kill()
        holder.wait()
        with OutputLock(str(tmp_path)) as held:
            assert held.taken_over == f"process {holder.pid} on {socket.gethostname()}"


def test_a_holder_that_is_ending_is_waited_for(tmp_path, monkeypatch):
    first = OutputLock(str(tmp_path))
    first.__enter__()
    first.ending()
    said: list[str] = []
    held = [first]

    def check() -> None:
        for one in held:
            one.__exit__(None, None, None)
        held.clear()

    with OutputLock(str(tmp_path), waiting=said.append, check=check) as second:
        assert second.taken_over is None
    assert said == [
        f"waiting for process {os.getpid()} on {socket.gethostname()}, which is ending its training"
    ]
    # Not for ever: it may have come to a stop.
    monkeypatch.setattr(lock, "ENDING_SECONDS", 0.0)
    with first, pytest.raises(JobError) as caught:
        first.ending()
        OutputLock(str(tmp_path)).__enter__()
    assert caught.value.failure.exit_code == EXIT_BUSY


def test_a_lock_of_another_host_counts_while_it_is_touched(tmp_path, monkeypatch):
    path = tmp_path / lock.NAME
    path.write_text(json.dumps({"pid": 4, "host": "elsewhere"}))
    with OutputLock(str(tmp_path), heartbeat=0.01) as held:
        assert held.taken_over == "process 4 on elsewhere"

    path.write_text(json.dumps({"pid": 4, "host": "elsewhere"}))
    times = iter(range(1, 100))

    def touched(_):
        os.utime(path, (next(times),) * 2)

    monkeypatch.setattr(lock.time, "sleep", touched)
    with pytest.raises(JobError, match="process 4 on elsewhere"):
        OutputLock(str(tmp_path), heartbeat=1.0).__enter__()
    assert json.loads(path.read_text())["host"] == "elsewhere"


def test_a_disk_without_locks_still_trains(tmp_path, monkeypatch):
    import fcntl

    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with OutputLock(str(tmp_path)):
        assert (tmp_path / lock.NAME).exists()


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00\xff"])
def test_damaged_lock_files_are_taken_over(tmp_path, text):
    (tmp_path / lock.NAME).write_text(text)
    with OutputLock(str(tmp_path)) as held:
        assert held.taken_over is None
