"""No process of the trainer outlives its job, and no ending harms the previous results."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from nvdiffrec_tops.job.process.child import Child, Stopped, TimedOut

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX process groups")


def start(site, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        site.command(*words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=site.folder,
    )


def read_until(job: subprocess.Popen[str], text: str) -> None:
    assert job.stdout is not None
    for line in job.stdout:
        if text in line:
            return
    raise AssertionError(f"the job ended without the line {text!r}: {job.stderr.read()}")


@pytest.fixture
def fifo(site):
    """A pipe that the trainer and its own child hold open: its end is read when both are gone."""
    path = site.folder / "alive"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    yield path, reader
    os.close(reader)


@pytest.mark.parametrize("mode", ["hang", "half"])
def test_no_process_outlives_the_job(site, fifo, mode):
    path, reader = fifo
    assert site.run(*site.arguments()).returncode == 0
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        before = site.files()
        words = site.arguments(FAKE=mode, FAKE_FIFO=str(path), FAKE_STAMP="second")
        with start(site, *words, "--force") as job:
            read_until(job, "hanging")
            job.send_signal(number)
            assert os.read(reader, 1) == b""  # when the last of the trainer's processes ends
            assert job.stdout is not None and job.stderr is not None
            job.stdout.read()
            errors = job.stderr.read()
            code = job.wait(30)
        after = site.files()
        if number == signal.SIGKILL:
            assert code == -number
            after = {name: text for name, text in after.items() if not name.startswith(".")}
            assert after == before
        else:
            assert code == 128 + number
            assert f"ended by {number.name}" in errors
            assert set(after) == set(before)
            del after["result.json"], before["result.json"]
            assert after == before
        # The next job clears up and trains.
        stamp = f"after {number.name}"
        assert site.run(*site.arguments(FAKE_STAMP=stamp), "--force").returncode == 0
        final = site.files()
        assert not [name for name in final if name.startswith(".")]
        assert final["mesh/mesh.obj"] == f"mesh.obj {stamp}"


def test_two_jobs_on_one_output(site, fifo):
    path, _ = fifo
    with start(site, *site.arguments(FAKE="hang", FAKE_FIFO=str(path))) as first:
        read_until(first, "hanging")
        second = site.run(*site.arguments())
        assert second.returncode == 5
        assert f"another job writes to {site.output}: process {first.pid} on " in second.stderr
        assert "Cure: " in second.stderr
        assert not (site.output / "result.json").exists()
        first.terminate()
        assert first.stdout is not None
        first.stdout.read()
        assert first.wait(30) == 143
    assert site.run(*site.arguments()).returncode == 0


def test_two_outputs_do_not_disturb_each_other(site, fifo):
    path, _ = fifo
    with start(site, *site.arguments(FAKE="hang", FAKE_FIFO=str(path))) as first:
        read_until(first, "hanging")
        words = [word.replace("results", "others") for word in site.arguments()]
        assert site.run(*words).returncode == 0
        assert (site.folder / "others/mesh/mesh.obj").exists()
        first.terminate()
        assert first.stdout is not None
        first.stdout.read()
        first.wait(30)


def child(code: str, tmp_path, **options) -> Child:
    return Child([sys.executable, "-u", "-c", code], dict(os.environ), str(tmp_path), **options)


def assert_group_is_gone(ended: Child) -> None:
    """Its output is closed only when the last process that could write to it has ended."""
    assert ended.process.stdout is not None and ended.process.stdout.closed


def test_a_trainer_that_ignores_the_request_is_killed(tmp_path):
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready');"
        "time.sleep(600)"
    )
    with child(code, tmp_path, grace=0.2) as running:
        lines = running.lines()
        assert next(lines) == "ready\n"
        running.stop(signal.SIGTERM)
        with pytest.raises(Stopped):
            next(lines)
    assert running.wait() == -signal.SIGKILL
    assert_group_is_gone(running)


def test_a_trainer_may_save_its_state_when_asked_to_end(tmp_path):
    code = (
        "import signal, sys, time\n"
        "def save(*_):\n    open('saved', 'w').close(); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save); print('ready'); time.sleep(600)"
    )
    with child(code, tmp_path) as running:
        assert next(running.lines()) == "ready\n"
    assert (tmp_path / "saved").exists()


def test_lines_are_passed_on_as_they_are(tmp_path):
    code = (
        "import sys; w = sys.stdout.buffer.write\n"
        "w(b'one\\ntwo\\r\\n 10%\\r 20%\\rcaf\\xc3\\xa9 \\xff\\nlast')"
    )
    with child(code, tmp_path) as running:
        lines = list(running.lines())
        assert running.wait() == 0
    assert lines == ["one\n", "two\r\n", " 10%\r", " 20%\r", "café \ufffd\n", "last"]


@pytest.mark.parametrize("code", [0, 1, 77])
def test_exit_codes(tmp_path, code):
    with child(f"import sys; sys.exit({code})", tmp_path) as running:
        assert list(running.lines()) == []
        assert running.wait() == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_ends_by_signal(tmp_path, number):
    with child(f"import os; os.kill(os.getpid(), {int(number)})", tmp_path) as running:
        list(running.lines())
        assert running.wait() == -number


def test_a_time_limit(tmp_path):
    with child("import time; time.sleep(600)", tmp_path) as running, pytest.raises(TimedOut):
        list(running.lines(timeout=0.1))
    assert running.process.poll() is not None


def test_a_program_that_does_not_exist(tmp_path):
    with Child([str(tmp_path / "none")], dict(os.environ), str(tmp_path)) as running:
        lines = list(running.lines())
        assert running.wait() == 127
    assert "none cannot be started" in lines[0]


def test_a_descendant_that_keeps_the_output_open_does_not_keep_the_job(tmp_path):
    code = (
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print('done')"
    )
    with child(code, tmp_path) as running:
        assert list(running.lines()) == ["done\n"]
        assert running.wait() == 0
    assert_group_is_gone(running)
