"""Prints the path of a Python of one version that really runs: `find_python.py 3.13`.

A variable such as `PYTHON313` names it; else it is looked for on `PATH`, where pyenv keeps its
versions, and where uv does. Each is asked: on `PATH` may lie a name behind which nothing is. Ends
with 1 when there is none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_ASK = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
_PATIENCE = 30.0  # seconds


def find(version: str) -> str | None:
    """The path of a Python of `version`, such as 3.13; None where there is none."""
    named = os.environ.get(f"PYTHON{version.replace('.', '')}")
    for candidate in [named] if named else _candidates(version):
        found = _asked(candidate, version)
        if found is not None:
            return found
    return None


def _asked(candidate: str, version: str) -> str | None:
    """The path by which a candidate knows itself; None where it is of another version, or fails."""
    try:
        argv = [candidate, "-I", "-S", "-c", _ASK]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_PATIENCE)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    said, _, path = done.stdout.strip().partition(" ")
    return path if done.returncode == 0 and said == version else None


def _candidates(version: str) -> Iterator[str]:
    yield sys.executable
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        for name in (f"python{version}", "python3", "python"):
            path = shutil.which(name, path=folder or os.curdir)
            if path:
                yield path
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    for pattern in ("bin/python3", "python.exe"):  # as pyenv and pyenv-win lay a version out
        yield from map(str, sorted(pyenv.glob(f"{version}*/{pattern}")))
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv:
        # Its own only: what else it finds has been asked above, and stops it where that is broken.
        argv = [uv, "--offline", "--python-preference", "only-managed", "python", "find"]
        try:
            argv += ["--no-project", version]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_PATIENCE)
        except (OSError, subprocess.TimeoutExpired):
            return
        if done.stdout.strip():
            yield done.stdout.strip()


def main(arguments: list[str]) -> int:
    """Print the path, if there is one."""
    if len(arguments) != 1:
        print("one argument is needed: a version such as 3.13", file=sys.stderr)
        return 2
    found = find(arguments[0])
    if found:
        print(found)
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
