"""Links and oddities among a farm's state and logs: what they lead to stays as it is, and what is
said of them is a sentence."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from nvdiffrec_contract.failure import EXIT_OUTPUT
from nvdiffrec_contract.files import is_link, reached
from nvdiffrec_tops.hqueue.command import counts
from nvdiffrec_tops.hqueue.record import Submission
from nvdiffrec_tops.hqueue.task import Task
from nvdiffrec_tops.job import farm
from nvdiffrec_tops.job.farmstate import DONE, STARTED, StateFolder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")

NAME = "item_1"
FILES = (f"state/{NAME}{STARTED}", f"state/{NAME}{DONE}", "state/cancel", f"logs/{NAME}.log")
FOLDERS = ("state", f"state/{NAME}", "logs")


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "kept").write_text('{"code": 0}')
    return folder


def untouched(victim: Path) -> bool:
    return os.listdir(victim) == ["kept"] and (victim / "kept").read_text() == '{"code": 0}'


def place(root: Path, name: str, kind: str, victim: Path) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "link to a file":
        path.symlink_to(victim / "kept")
    elif kind == "link to a folder":
        path.symlink_to(victim, target_is_directory=True)
    elif kind == "link to nothing":
        path.symlink_to(victim / "new")
    elif kind == "second name":
        os.link(victim / "kept", path)
    elif kind == "folder":
        (path / "x").mkdir(parents=True)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(b"\xff{[" * 9)
    return path


def run(root: Path) -> int:
    """The job on a farm machine."""
    document = {
        "version": 1,
        "name": NAME,
        "command": [sys.executable, "-S", "-c", "print('hello')"],
        "environment": {},
        "log": str(root / "logs" / f"{NAME}.log"),
        "state": str(root / "state"),
        "heartbeat": 0.1,
    }
    (root / "farm.json").write_text(json.dumps(document))
    return farm.main([str(root / "farm.json")])


KINDS = ("link to a file", "link to nothing", "second name", "device", "pipe", "folder", "damaged")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FILES)
def test_a_job_beside_odd_files(tmp_path: Path, victim: Path, capsys: Any, name, kind) -> None:
    root = tmp_path / "farm"
    place(root, name, kind, victim)
    code = run(root)
    said = "".join(capsys.readouterr())
    assert untouched(victim) and "Traceback" not in said and said
    if name == FILES[0] and kind != "folder":
        assert code == 0 and not is_link(root / name)
        assert json.loads((root / name).read_text())["attempt"] == 1
    if name.endswith(".log") and kind not in ("second name", "damaged"):
        assert code == EXIT_OUTPUT and str(root / name) in said and "Cure: " in said


@pytest.mark.parametrize("name", FOLDERS)
def test_a_job_goes_through_no_linked_folder(tmp_path: Path, victim: Path, capsys: Any, name):
    root = tmp_path / "farm"
    root.mkdir()
    place(root, name, "link to a folder", victim)
    assert run(root) == EXIT_OUTPUT and untouched(victim)
    said = "".join(capsys.readouterr())
    assert str(root / name) in said and "it is a link" in said and "Traceback" not in said


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", (*FILES, *FOLDERS))
def test_who_follows_reads_and_cancels_beside_odd_files(tmp_path, victim, name, kind) -> None:
    root = tmp_path / "farm"
    place(root, name, kind, victim)
    item = {"name": NAME, "job": 8}
    submission = Submission("t", "http://farm", "s.hip", root, tmp_path, 7, [8], [item])
    assert sum(counts(submission).values()) == 1
    lines: list[str] = []
    ignore = {"on_line": lines.append, "on_exit": lambda _code, _why: None}
    task = Task(NAME, {}, root / "logs" / f"{NAME}.log", {}, **ignore)  # type: ignore[arg-type]
    task.drain(root)
    if "link" in kind or kind == "device":
        assert not lines  # nothing of somebody else's file
    try:
        submission.state.cancel()
    except OSError as error:
        assert error.strerror
    else:
        assert submission.state.cancelled
    assert untouched(victim)


def test_a_farm_job_that_cannot_say_its_end_says_so(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "state").mkdir()
    path = tmp_path / "state" / f"{NAME}{DONE}"
    state = StateFolder(tmp_path / "state")
    assert state.when(path.name) is None and state.read(path.name) == {}
    program = f"import os; os.mkdir({str(path)!r})"
    document = {
        "version": 1, "name": NAME, "command": [sys.executable, "-S", "-c", program],
        "environment": {}, "log": str(tmp_path / "log"), "state": str(tmp_path / "state"),
    }  # fmt: skip
    (tmp_path / "farm.json").write_text(json.dumps(document))
    assert farm.main([str(tmp_path / "farm.json")]) == EXIT_OUTPUT
    said = "".join(capsys.readouterr())
    assert str(path) in said and "Traceback" not in said


@pytest.mark.parametrize(("path", "inside"), [("a/b", True), ("a/../b", True), ("../b", False)])
def test_reached_below_a_folder_or_by_its_own(tmp_path: Path, path, inside) -> None:
    top = tmp_path / "top"
    with reached(top / path, top, make=True) as found:
        os.close(found.new())
    assert Path(found.path) == Path(os.path.normpath(top / path)) and Path(found.path).exists()
    assert Path(found.path).is_relative_to(top) == inside
