"""The script that finds a Python of another version asks each that it comes across."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="stand-ins are shell scripts")

DEAD = "echo 'python9.9: command not found' >&2; exit 127"


def stand_in(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def of(version: str, path: Path) -> Path:
    return stand_in(path, f"echo '{version} {path}'")


def found(root: Path, home: Path, *folders: str, **variables: str) -> tuple[int, str]:
    """What the script says of version 9.9, with nothing else to be found than what is given."""
    done = subprocess.run(
        [sys.executable, str(root / "scripts/find_python.py"), "9.9"],
        capture_output=True,
        text=True,
        env={"HOME": str(home), "PATH": os.pathsep.join(str(home / f) for f in folders)}
        | variables,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout.strip()


def test_a_name_without_a_python_behind_it_is_passed_over(root: Path, tmp_path: Path) -> None:
    stand_in(tmp_path / "shims/python9.9", DEAD)
    of("9.8", tmp_path / "other/python9.9")
    assert found(root, tmp_path, "shims", "other", "missing") == (1, "")
    right = of("9.9", tmp_path / "late/python3")
    assert found(root, tmp_path, "shims", "other", "late") == (0, str(right))


def test_pyenvs_versions_need_no_place_on_the_path(root: Path, tmp_path: Path) -> None:
    stand_in(tmp_path / "shims/python9.9", DEAD)
    stand_in(tmp_path / ".pyenv/versions/9.9.0/bin/python3", DEAD)
    right = of("9.9", tmp_path / ".pyenv/versions/9.9.1/bin/python3")
    assert found(root, tmp_path, "shims") == (0, str(right))
    elsewhere = of("9.9", tmp_path / "env/versions/9.9.2/bin/python3")
    assert found(root, tmp_path, "shims", PYENV_ROOT=str(tmp_path / "env")) == (0, str(elsewhere))


def test_the_one_that_a_variable_names_is_taken_or_none(root: Path, tmp_path: Path) -> None:
    of("9.9", tmp_path / "bin/python9.9")
    named = of("9.9", tmp_path / "mine/python")
    assert found(root, tmp_path, "bin", PYTHON99=str(named)) == (0, str(named))
    stand_in(named, DEAD)
    assert found(root, tmp_path, "bin", PYTHON99=str(named)) == (1, "")
