"""A work item's command on a farm machine: log, state, second machines, cancelling, paths."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_contract.failure import EXIT_STOPPED, EXIT_USAGE
from nvdiffrec_tops.command import JOB_SCRIPT, job_argv
from nvdiffrec_tops.job import farmfile, farmstate, flags
from nvdiffrec_tops.job.commandline import unescape
from nvdiffrec_tops.job.failures import JobError

Make = Callable[..., Path]
LIMIT = 30.0


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a farm file that runs a Python program."""

    def file(program: str, **more: Any) -> Path:
        path = tmp_path / "item.json"
        document = {
            "version": 1,
            "name": "item_1",
            "command": [sys.executable, "-c", program],
            "environment": {},
            "log": str(tmp_path / "logs" / "item_1.log"),
            "state": str(tmp_path / "state"),
            "heartbeat": 0.1,
            **more,
        }
        path.write_text(json.dumps(document))
        return path

    return file


def start(path: Path, **more: Any) -> subprocess.Popen[str]:
    argv = [sys.executable, "-I", str(JOB_SCRIPT), flags.FARM, str(path)]
    return subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, _ = process.communicate(timeout=LIMIT)
    return process.returncode, out


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def state(tmp_path: Path, kind: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((tmp_path / "state" / f"item_1{kind}").read_text())
    return document


def test_log_state_and_progress(make: Make, tmp_path: Path) -> None:
    code, out = ended(start(make("print('hello'); print('ALF_PROGRESS 40%'); raise SystemExit(3)")))
    assert code == 3
    assert "PROGRESS: 40/100" in out.splitlines()
    assert (tmp_path / "logs/item_1.log").read_text() == "hello\nALF_PROGRESS 40%\n"
    assert state(tmp_path, ".started")["attempt"] == 1
    done = state(tmp_path, ".done")
    assert (done["code"], done["attempt"]) == (3, 1) and done["host"]
    assert not list(tmp_path.rglob("*.part"))


def test_the_environment_is_the_machines_own_with_the_items(make: Make) -> None:
    program = "import os; print([os.environ.get(n) for n in 'ABC'])"
    path = make(program, environment={"A": "1 $HOME\n"}, unset=["B"])
    code, out = ended(start(path, env={**os.environ, "A": "x", "B": "y", "C": "z"}))
    assert code == 0 and "['1 $HOME\\n', None, 'z']" in out


def test_a_finished_item_is_not_run_again(make: Make, tmp_path: Path) -> None:
    path = make("print('once'); raise SystemExit(7)")
    assert ended(start(path))[0] == 7
    code, out = ended(start(path))
    assert code == 7 and "once" not in out and "has finished" in out


def test_two_machines_do_not_run_one_item_together(make: Make, tmp_path: Path) -> None:
    program = "import sys; print('begun', flush=True); open(sys.argv[1]).read(); print('end')"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    path = make("")
    document = json.loads(path.read_text())
    document["command"] = [sys.executable, "-c", program, str(pipe)]
    path.write_text(json.dumps(document))
    first = start(path)
    log = tmp_path / "logs/item_1.log"
    until(lambda: log.is_file() and "begun" in log.read_text())
    second = start(path)
    assert second.stdout is not None
    assert "waiting, another job" in second.stdout.readline()
    pipe.write_text("go")
    assert ended(first)[0] == 0 and ended(second)[0] == 0
    assert log.read_text() == "begun\nend\n"


def test_a_lost_machines_item_is_taken_up(make: Make, tmp_path: Path) -> None:
    path = make("import time; print('begun', flush=True); time.sleep(600)")
    first = start(path, start_new_session=True)
    log = tmp_path / "logs/item_1.log"
    until(lambda: log.is_file() and "begun" in log.read_text())
    os.killpg(first.pid, signal.SIGKILL)
    ended(first)
    make("print('again')")
    assert ended(start(path))[0] == 0
    assert state(tmp_path, ".done")["attempt"] == 2
    assert log.read_text().splitlines()[-1] == "again"


def test_a_farm_that_ends_a_job_may_give_it_to_another_machine(make: Make, tmp_path: Path) -> None:
    path = make("import time; print('begun', flush=True); time.sleep(600)")
    process = start(path)
    log = tmp_path / "logs/item_1.log"
    until(lambda: log.is_file() and "begun" in log.read_text())
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == EXIT_STOPPED
    assert not (tmp_path / "state/item_1.done").exists()


def test_cancelling_by_file_ends_the_whole_tree(make: Make, tmp_path: Path) -> None:
    inner = "import time; time.sleep(600)"
    program = (
        "import subprocess, sys, os; "
        f"c = subprocess.Popen([sys.executable, '-c', {inner!r}]); "
        "print(os.getpid(), c.pid, flush=True); c.wait()"
    )
    process = start(make(program))
    log = tmp_path / "logs/item_1.log"
    until(lambda: log.is_file() and log.read_text().endswith("\n"))
    pids = [int(word) for word in log.read_text().split()]
    (tmp_path / "state/cancel").touch()
    assert ended(process)[0] == EXIT_STOPPED
    assert state(tmp_path, ".done")["code"] == EXIT_STOPPED
    until(lambda: not any(alive(pid) for pid in pids))
    assert ended(start(make("print('never')")))[1].count("never") == 0


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_command_that_is_not_there(make: Make, tmp_path: Path) -> None:
    path = make("")
    document = json.loads(path.read_text())
    document["command"] = ["/no/such/python", "x"]
    path.write_text(json.dumps(document))
    code, out = ended(start(path))
    assert code != 0 and "cannot be started" in out
    assert state(tmp_path, ".done")["code"] == code


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"version": 2}', '{"version": 1}', '{"version":1,"command":3}', "\xff"]
)
def test_damaged_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "farm.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(JobError) as caught:
        farmfile.read(str(path))
    assert caught.value.failure.exit_code == EXIT_USAGE and str(path) in str(caught.value)


def test_a_name_cannot_lead_elsewhere(make: Make) -> None:
    with pytest.raises(JobError):
        farmfile.read(str(make("", name="../x")))


FOLDERS = (("/mnt/hq", "H:/", "/Volumes/hq"), ("/mnt/hq2", "\\\\nas\\two", ""))


@pytest.mark.parametrize(
    ("path", "linux", "windows"),
    [
        ("/mnt/hq/a b/c", "/mnt/hq/a b/c", "H:/a b/c"),
        ("/Volumes/hq/a", "/mnt/hq/a", "H:/a"),
        ("h:\\a\\b", "/mnt/hq/a/b", "h:\\a\\b"),
        ("/mnt/hq2/x", "/mnt/hq2/x", "\\\\nas\\two/x"),
        ("/mnt/hq3/x", "/mnt/hq3/x", "/mnt/hq3/x"),
        ("//NAS/two/x", "/mnt/hq2/x", "//NAS/two/x"),
        ("/mnt/hq", "/mnt/hq", "H:/"),
    ],
)
def test_paths_of_other_platforms(path: str, linux: str, windows: str) -> None:
    assert farmfile.Mounts(FOLDERS, "linux").here(path) == linux
    assert farmfile.Mounts(FOLDERS, "windows").here(path) == windows


def test_paths_behind_options_and_escapes() -> None:
    argv = job_argv("/mnt/hq/env/bin/python", ["--output=/mnt/hq/50% $x", "--set=a=/mnt/hq/b"])
    changed = farmfile.Mounts(FOLDERS, "windows").words(argv)
    assert changed[0] == "H:/env/bin/python"
    assert [unescape(word) for word in changed[-2:]] == ["--output=H:/50% $x", "--set=a=/mnt/hq/b"]


def test_another_platforms_interpreter() -> None:
    argv = job_argv("/mnt/hq/env/bin/python3", ["--python=/mnt/hq/env", "--output=/mnt/hq/50%"])
    changed = farmfile.Mounts(FOLDERS, "windows").words(argv, "H:/win/python.exe")
    assert changed[0] == "H:/win/python.exe"
    assert [unescape(word) for word in changed[-2:]] == [
        "--python=H:/win/python.exe",
        "--output=H:/50%",
    ]
    other = farmfile.Mounts(FOLDERS, "windows").words(["/mnt/hq/tool"], "H:/win/python.exe")
    assert other == ["H:/tool"]


@given(st.text(max_size=30))
def test_a_path_comes_back_from_another_platform(tail: str) -> None:
    there = farmfile.Mounts(FOLDERS, "macosx").here(f"/mnt/hq/{tail}")
    assert there == f"/Volumes/hq/{tail}"
    assert farmfile.Mounts(FOLDERS, "linux").here(there) == f"/mnt/hq/{tail}"


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.lists(st.text(max_size=3) | st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.text(max_size=3) | st.integers(), max_size=2),
    st.sampled_from(["\0", "a\0b", 10**400, [["", "", ""]], [[1]], [[]]]),
)  # fmt: skip
FIELDS = (
    *("version", "name", "command", "shell", "environment", "unset", "log", "state"),
    *("mounts", "interpreters", "slots", "grace", "heartbeat"),
)


@given(st.dictionaries(st.sampled_from(FIELDS), ODD, min_size=1, max_size=3))
def test_odd_farm_files_are_used_or_refused(odd: dict[str, Any]) -> None:
    good = {"version": 1, "name": "a", "command": ["x"], "environment": {}, "log": "l"}
    try:
        found = farmfile._parsed({**good, "state": "s", **odd})
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return  # what ``read`` tells as a farm file that cannot be used
    assert found.command and 0 <= found.slots <= 1024 and 0.0 <= found.grace < float("inf")
    assert not any("\0" in one for one in (found.log, found.state, *found.command))


@given(st.dictionaries(st.sampled_from(["code", "attempt", "started", "ended"]), ODD) | ODD)
def test_odd_state_files_tell_a_number_or_none(tmp_path_factory: Any, odd: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "odd.done"
    path.write_text(json.dumps(odd))
    facts = farmstate.StateFolder(path.parent).read(path.name)
    assert farmstate.exit_code(facts) is None or isinstance(farmstate.exit_code(facts), int)
    assert farmstate.attempt(facts) >= 0
    for name in ("started", "ended"):
        moment = farmfile.moment(facts.get(name))
        assert moment is None or 0.0 <= moment < 1e11
