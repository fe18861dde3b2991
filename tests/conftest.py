"""Fixtures shared by the whole suite."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import hypothesis
import pytest

# Before any test imports PyTorch: threads that spin while they wait slow every test down.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Tests are not timed: an example that compiles a kernel, or a busy machine, is no failure. Tests of
# how long something may take state their own limit.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference data of other systems beside the checkout; the test is skipped without it."""
    folder = ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("reference data absent: no ../shared/data beside the project")
    return folder


@pytest.fixture(scope="session")
def interpreter() -> Callable[[str], str]:
    """Finds a Python by its version, such as ``3.13``; the test is skipped without one.

    A variable such as ``PYTHON313`` names it; else it is looked for where uv and pyenv keep theirs
    and on ``PATH``. ``uv python install 3.13`` brings one.
    """

    def find(version: str) -> str:
        found = _interpreter(version)
        if found is None:
            pytest.skip(f"there is no Python {version} here: uv python install {version}")
        return found

    return find


@lru_cache
def _interpreter(version: str) -> str | None:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    for path in _interpreters(version):
        try:
            done = subprocess.run([path, "-I", "-S", "-c", code], capture_output=True, text=True)
        except OSError:
            continue
        if done.stdout.strip() == version:
            return path
    return None


def _interpreters(version: str) -> Iterator[str]:
    yield os.environ.get(f"PYTHON{version.replace('.', '')}") or sys.executable
    yield shutil.which(f"python{version}") or sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    yield from map(str, sorted(pyenv.glob(f"{version}.*/bin/python3")))
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv:
        argv = [uv, "--offline", "python", "find", "--no-project", version]
        yield subprocess.run(argv, capture_output=True, text=True).stdout.strip() or sys.executable
