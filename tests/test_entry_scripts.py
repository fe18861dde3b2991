"""The scripts that a person starts: thin ends of one set-up; help installs nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nvdiffrec_tops.environment.setup import readiness

SCRIPTS = ("cook", "test", "docs", "bench", "make_release")


@pytest.fixture
def clone(root: Path, tmp_path: Path) -> Path:
    """What the set-up needs of a clone, in a folder with a space, and a .venv that is complete."""
    folder = tmp_path / "a clone"
    for name in ("scripts", "python3.11libs/nvdiffrec_tops", "python3.11libs/nvdiffrec_contract"):
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "development.lock.txt"):
        shutil.copy(root / name, folder / name)
    return folder


def completed(clone: Path, name: str) -> Path:
    """A .venv with the marker of a set-up that came to its end; its Python leads to this one."""
    venv = clone / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "record").mkdir()
    python = venv / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    setup = clone / "python3.11libs/nvdiffrec_tops/environment/setup"
    locks = {"diffrec": setup / "diffrec.lock.txt", "development": clone / "development.lock.txt"}
    plan = readiness.Plan(name, str(locks[name]), str(clone), (str(clone / "pyproject.toml"),))
    held = {name: {"digest": plan.digest(), "record": "record"}}
    document = {"version": 1, "prefix": str(venv), "state": "complete", "plans": held}
    (venv / readiness.MARKER).write_text(json.dumps(document))
    return venv


def started(clone: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHON": sys.executable, **more}
    return subprocess.run(
        ["bash", clone / "scripts" / words[0], *words[1:]],
        capture_output=True,
        text=True,
        env=environ,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_installs_nothing(clone: Path, name: str) -> None:
    done = started(clone, name, "--help")
    assert done.returncode == 0 and done.stderr == "" and len(done.stdout.splitlines()) >= 2
    assert not (clone / ".venv").exists()


@pytest.mark.parametrize("kind", ["diffrec", "development"])
def test_a_second_start_goes_on_at_once(clone: Path, kind: str) -> None:
    """The cook is reached, with its words as they are, and nothing was installed."""
    venv = completed(clone, kind)
    program = '#!/bin/sh\ncase "$1" in -I) exec "%s" "$@";; esac\nprintf "<%%s>" "$@"\n'
    (venv / "bin" / "python").write_text(program % sys.executable)
    scene = str(clone / "my scene.hip")
    begun = time.monotonic()
    done = started(clone, "cook", scene, "--set", "a.b=$(touch x) 'y'")
    took = time.monotonic() - begun
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"<-m><nvdiffrec_tops><cook><{scene}><--set><a.b=$(touch x) 'y'>"
    assert done.stderr == f"Cooking {scene}\n" and took < 5
    assert sorted(os.listdir(venv)) == sorted(["bin", "record", readiness.MARKER])
    done = started(clone, "cook")
    assert done.stdout.startswith("<-m><diffrec.sample>") and "sample scene" in done.stderr


def test_a_change_asks_for_another_set_up(clone: Path) -> None:
    """And one that cannot be made is a sentence with a cure, no traceback."""
    completed(clone, "diffrec")
    with open(clone / "pyproject.toml", "a") as file:
        file.write("\n# changed\n")
    shutil.rmtree(clone / ".venv" / "bin")
    (clone / ".venv" / "bin").write_text("in the way")
    (clone / "python3.11libs/nvdiffrec_tops/environment/setup/diffrec.lock.txt").unlink()
    done = started(clone, "cook", "x.hip")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "Error: the list of packages is missing" in done.stderr


def test_the_windows_script_is_the_same_thin_end(root: Path) -> None:
    data = (root / "scripts" / "cook.bat").read_bytes()
    assert data.count(b"\r\n") == data.count(b"\n")
    text = data.decode("ascii")
    # Paths are quoted, the words are handed on as they are, the exit code is the program's.
    assert 'set "TOPS_START=%~dp0start.py"' in text
    runs = [line for line in text.splitlines() if " cook " in line and "TOPS_START" in line]
    assert len(runs) == 4
    assert all('-I -S "%TOPS_START%" cook %*' in line for line in runs)
    assert text.count("exit /b %errorlevel%") == 4
    labels = {line[1:] for line in text.splitlines() if line.startswith(":")}
    assert labels == {line.split("goto ")[1] for line in text.splitlines() if "goto " in line}


def test_the_set_up_runs_on_python_3_9(clone: Path, interpreter: object) -> None:
    python = interpreter("3.9")  # type: ignore[operator]
    completed(clone, "diffrec")
    program = "from nvdiffrec_tops.environment.setup import background, build, packages, pythons"
    libraries = clone / "python3.11libs"
    code = f"import sys; sys.path.insert(0, {str(libraries)!r}); {program}"
    subprocess.run([python, "-I", "-S", "-c", code], check=True)
    command = [python, "-I", "-S", clone / "scripts" / "start.py", "ensure", "diffrec"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
