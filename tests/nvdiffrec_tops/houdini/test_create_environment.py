"""The button *Create Environment*: a process of its own, a window over it, the node at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from nvdiffrec_tops.environment.setup import background, build, progress, pythons
from nvdiffrec_tops.environment.setup.progress import Recorded
from nvdiffrec_tops.job.process.lock import OutputLock


class Widget:
    """A Qt widget of which the calls are remembered."""

    made: ClassVar[list[Widget]] = []

    def __init__(self, *words: Any) -> None:
        self.words, self.texts, self.values, self.visible = words, [], [], False
        self.clicked = SimpleNamespace(connect=self._connected)
        Widget.made.append(self)

    def _connected(self, call: Any) -> None:
        self.click = call

    def setText(self, text: str) -> None:
        self.texts.append(text)

    def setValue(self, value: int) -> None:
        self.values.append(value)

    def show(self) -> None:
        self.visible = True

    def hide(self) -> None:
        self.visible = False

    def isVisible(self) -> bool:
        return self.visible

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_: None


QT = SimpleNamespace(
    **dict.fromkeys(("QDialog", "QLabel", "QProgressBar", "QPushButton", "QVBoxLayout"), Widget)
)


@pytest.fixture
def qt(monkeypatch: pytest.MonkeyPatch, hou: Any) -> Any:
    Widget.made.clear()
    monkeypatch.setattr(hou.environment_setup, "_qt_widgets", lambda: QT)
    monkeypatch.setattr(hou.environment_setup, "_SECONDS", 0.0)
    hou.environment_setup.watches.clear()
    return Widget


class Started:
    """What stands for the background process."""

    code: int | None = None

    def poll(self) -> int | None:
        return self.code


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, hou: Any) -> list[str]:
    """The folders for which a process was started."""
    folders: list[str] = []

    def start(folder: str, _environ: object) -> Started:
        folders.append(build.claimed(folder))
        return Started()

    monkeypatch.setattr(background, "start", start)
    return folders


def idle(hou: Any) -> None:
    for call in list(hou.callbacks_when_idle):
        call()


def nodes(node: Any) -> dict[str, Any]:
    static, environment = node("static", "static1"), node("environment", "environment1")
    static.values = {"miniconda_env": "$TOPS_NVDIFFREC/.venv/"}
    environment.values = {"source": "attribute", "prefix": ""}
    return {"static": static, "environment": environment}


@pytest.mark.parametrize("kind", ["static", "environment"])
def test_from_the_button_to_the_parameter(
    hou: Any, node: Any, qt: Any, started: list[str], tmp_path: Path, kind: str
) -> None:
    one = nodes(node)[kind]
    hou.networks[one.path()] = one
    hou.chosen = f"{tmp_path / 'mine'}/"
    hou.callbacks.create_environment({"node": one})
    folder = str(tmp_path / "mine")
    assert started == [folder] and hou.said == []
    idle(hou)
    with OutputLock(folder):
        record = Recorded(folder, 4)
        record.step("Installing packages", 2)
        record.advance()
        record.line("Collecting torch")
        record._write(progress.Report(step="Installing", fraction=0.4, line="Collecting torch"))
        idle(hou)
        (bar,) = [one for one in qt.made if one.values]
        assert bar.values == [400] and "40 %" in hou.status[-1]
        # Closed by the artist: it goes on, and the same button brings the window back.
        qt.made[0].hide()
        idle(hou)
        assert bar.values == [400]
        before = len(qt.made)
        hou.callbacks.create_environment({"node": one})
        assert started == [folder] and len(qt.made) > before
        record.end(progress.DONE, "The environment is complete", details="Doubtful: x")
    idle(hou)
    [(severity, text, details)] = hou.said
    assert severity == "message" and one.path() in text and details == "Doubtful: x"
    if kind == "static":
        assert one.values == {"miniconda_env": f"{folder}/"}
    else:
        assert one.values == {"source": "prefix", "prefix": f"{folder}/"}
    assert hou.callbacks_when_idle == [] and hou.steps == ["nvdiffrec Create Environment"]
    assert not hou.environment_setup.watches


def test_a_failure_is_told_with_its_cure(
    hou: Any, qt: Any, started: list[str], tmp_path: Path
) -> None:
    hou.chosen = str(tmp_path / "mine")
    hou.shelf.create_environment({})
    Recorded(started[0], 4).end(progress.FAILED, "pip could not install", "see the log")
    idle(hou)
    assert hou.said == [("error", "pip could not install. see the log", "")]


@pytest.mark.parametrize("begun", [True, False])
def test_a_process_that_was_ended_is_told(
    hou: Any, qt: Any, started: list[str], tmp_path: Path, begun: bool
) -> None:
    watch = hou.environment_setup.begin(str(tmp_path / "mine"), None)
    if begun:
        Recorded(started[0], 4).step("Installing")
    idle(hou)
    assert hou.said == [] and hou.callbacks_when_idle
    watch._process.code = -9
    idle(hou)
    assert hou.said[0][0] == "error" and "ended before" in hou.said[0][1]
    assert hou.callbacks_when_idle == []


def test_a_set_up_of_an_earlier_session_is_taken_up(
    hou: Any, node: Any, qt: Any, tmp_path: Path
) -> None:
    folder = build.claimed(str(tmp_path / "mine"))
    hou.chosen = folder
    one = nodes(node)["static"]
    hou.networks[one.path()] = one
    with OutputLock(folder):
        record = Recorded(folder, 2)
        record.step("Installing")
        hou.callbacks.create_environment({"node": one})
        idle(hou)
        assert hou.said == [] and "Installing" in hou.status[-1]
        record.end(progress.DONE, "complete")
    idle(hou)
    assert one.values == {"miniconda_env": f"{folder}/"}


def test_without_qt_the_status_line_tells(
    hou: Any, qt: Any, started: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hou.environment_setup, "_qt_widgets", lambda: None)
    hou.environment_setup.begin(str(tmp_path / "mine"), None)
    with OutputLock(started[0]):
        Recorded(started[0], 2).step("Installing")
        idle(hou)
    assert "Installing" in hou.status[-1]


def test_nothing_happens_without_a_folder_or_a_window(
    hou: Any, node: Any, qt: Any, started: list[str], tmp_path: Path
) -> None:
    hou.callbacks.create_environment({"node": node("x", "y")})
    (tmp_path / "file").write_text("x")
    hou.chosen = str(tmp_path / "file")
    hou.callbacks.create_environment({"node": node("x", "y")})
    assert started == [] and "a file, not a folder" in hou.said[-1][1]
    hou.isUIAvailable = lambda: False
    hou.callbacks.create_environment({"node": node("x", "y")})
    assert started == []


def test_a_folder_with_other_things_gets_one_inside(tmp_path: Path) -> None:
    (tmp_path / "envs" / "other").mkdir(parents=True)
    assert background.place_in(f"{tmp_path}/envs/") == str(tmp_path / "envs" / background.NAME)
    assert background.place_in(f"{tmp_path}/new/") == str(tmp_path / "new")
    begun = build.claimed(str(tmp_path / "begun"))
    assert background.place_in(begun) == begun


def files(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)


@pytest.mark.parametrize(
    ("platform", "running", "plain"),
    [
        ("linux", "bin/houdini-bin", "python/bin/python3.11"),
        ("linux", "bin/hython-bin", "python/bin/python3.13"),
        ("win32", "bin/houdini.exe", "python311/python.exe"),
        ("win32", "bin/hindie.exe", "python313/python.exe"),
        ("darwin", "../../../../../MacOS/happrentice", "F"),
    ],
)
def test_the_process_runs_in_houdinis_plain_python(
    tmp_path: Path, platform: str, running: str, plain: str
) -> None:
    hfs = tmp_path / "hfs"
    if platform == "darwin":
        hfs = tmp_path / "Frameworks" / "Houdini.framework" / "Versions" / "21.0" / "Resources"
        plain = "../../../../Python.framework/Versions/3.11/bin/python3.11"
    files(hfs, running, plain, "bin/hython", "bin/hython.exe")
    found = pythons.for_background({"HFS": str(hfs)}, str(hfs / running), platform)
    assert os.path.realpath(found) == os.path.realpath(hfs / plain)


def test_a_running_python_is_taken_and_hython_only_where_there_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pythons.for_background({}, sys.executable) == sys.executable
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    files(tmp_path, "hfs/bin/houdini", "hfs/bin/hython")
    found = pythons.for_background({"HFS": f"{tmp_path}/hfs"}, f"{tmp_path}/hfs/bin/houdini")
    assert found == f"{tmp_path}/hfs/bin/hython"
    with pytest.raises(Exception, match="Houdini's own Python"):
        pythons.for_background({}, f"{tmp_path}/hfs/bin/houdini")


def python_stand_in(path: Path, version: tuple[int, int], ready: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    said = json.dumps([list(version), str(path)])
    path.write_text(f"#!/bin/sh\necho '{said}'\n" if ready else "#!/bin/sh\nexit 1\n")
    path.chmod(0o755)


def test_the_python_for_the_trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/opt/hfs/bin/houdini-bin")
    listed = pythons.candidates

    def ours(environ: Any, platform: str = "linux") -> Any:
        return (one for one in listed(environ, platform) if one.startswith(str(tmp_path)))

    monkeypatch.setattr(pythons, "candidates", ours)
    environ = {"PATH": f"{tmp_path}/bin", "HOME": str(tmp_path / "home")}
    for platform, word in (("linux", "apt-get"), ("win32", "python.org"), ("darwin", "python.org")):
        with pytest.raises(Exception, match=r"no Python 3\.11") as caught:
            pythons.find(environ, platform=platform)
        assert word in caught.value.cure  # type: ignore[attr-defined]
    python_stand_in(tmp_path / "bin" / "python3", (3, 9))
    python_stand_in(tmp_path / "bin" / "python3.11", (3, 11), ready=False)
    python_stand_in(tmp_path / "hfs" / "python" / "bin" / "python3.13", (3, 13))
    environ["HFS"] = str(tmp_path / "hfs")
    assert pythons.find(environ).path.endswith("hfs/python/bin/python3.13")
    python_stand_in(tmp_path / "home" / ".local" / "bin" / "python3.12", (3, 12))
    assert pythons.find(environ).version == (3, 12)
    python_stand_in(tmp_path / "mine", (3, 14))
    assert pythons.find({**environ, "PYTHON": str(tmp_path / "mine")}).version == (3, 14)
    # What is about to be cleared makes nothing.
    assert pythons.find(environ, avoid=str(tmp_path / "home")).version == (3, 13)


def test_the_process_outlives_its_parent_and_gets_nothing_of_houdinis(
    tmp_path: Path, root: Path
) -> None:
    """Really started: an empty list of packages, and a folder that fails at once."""
    code = (
        "import os, sys\n"
        f"sys.path.insert(0, {str(root / 'python3.11libs')!r})\n"
        "from nvdiffrec_tops.environment.setup import background\n"
        f"background.start({str(tmp_path / 'own')!r}, os.environ, lock={str(tmp_path / 'no')!r})\n"
    )
    hostile = {"PYTHONHOME": "/opt/hfs/python", "PYTHONPATH": "/opt/hfs", "HFS": "/opt/hfs"}
    subprocess.run(
        [sys.executable, "-I", "-c", code], env={**os.environ, **hostile}, check=True, timeout=60
    )
    deadline = time.monotonic() + 60
    while (report := progress.read(str(tmp_path / "own"))) is None or report.state == "running":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert report.state == progress.FAILED and str(tmp_path / "no") in report.message
