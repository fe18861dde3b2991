#!/usr/bin/env python3
"""hython scripts/install_dependencies.py

Installs what Houdini's own Python lacks (PyYAML) into the package's folder scripts/python, which
Houdini puts on its search path. Nothing else is changed. Any Python 3.11 with pip will do.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "scripts" / "python"
WANTED = "PyYAML>=6,<7"
PYTHON = (3, 11)


def command(executable: str, target: Path) -> list[str]:
    """The pip call: the pure Python files of one distribution, for Houdini's own version."""
    return [
        executable,
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-deps",
        "--upgrade",
        "--target",
        str(target),
        WANTED,
    ]


def main() -> int:
    if sys.version_info[:2] != PYTHON:
        print(
            f"error: this is Python {sys.version.split()[0]}, Houdini 20.5 and 21 have "
            f"{PYTHON[0]}.{PYTHON[1]}; start the script with hython",
            file=sys.stderr,
        )
        return 2
    try:
        TARGET.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"error: {TARGET} cannot be made: {error.strerror}", file=sys.stderr)
        return 1
    if not os.access(TARGET, os.W_OK):
        print(
            f"error: {TARGET} is read-only; run this as somebody who may change the package, or "
            "make PyYAML importable for Houdini in another way",
            file=sys.stderr,
        )
        return 1
    executable = sys.executable
    if "hython" in Path(executable).name.lower():
        # hython passes unknown options on to Houdini; the interpreter beside it does not.
        beside = Path(sys.prefix, "bin", f"python{PYTHON[0]}.{PYTHON[1]}")
        executable = str(beside) if beside.is_file() else executable
    done = subprocess.run(command(executable, TARGET), check=False)
    if done.returncode:
        print("error: pip could not install PyYAML; the lines above say why", file=sys.stderr)
        return 1
    print(f"installed into {TARGET}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
