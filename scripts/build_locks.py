#!/usr/bin/env python3
"""Write the lists of packages with their hashes, out of pyproject.toml and constraints.txt.

python scripts/build_locks.py            write them; uv asks the package index
python scripts/build_locks.py --check    say whether they name the versions of constraints.txt

Each list names, for every platform, the files that pip may install: nothing else gets in.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LISTS = {
    "python3.11libs/nvdiffrec_tops/environment/setup/diffrec.lock.txt": (
        *("--extra", "diffrec"),
        *("--extra", "photographs"),
    ),
    "development.lock.txt": ("--all-extras",),
}
HEAD = "# Written by scripts/build_locks.py: what pip may install, by version and SHA-256.\n"


def made(extras: tuple[str, ...]) -> str:
    """A list, as uv resolves it for all platforms and for Python 3.11 and newer."""
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal"),
        "--no-config",
        *("--python-version", "3.11", "--only-binary", ":all:", "--generate-hashes"),
        *("--no-annotate", "--no-header", "--constraint", "constraints.txt", *extras),
        "pyproject.toml",
    ]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return HEAD + done.stdout


def versions(text: str) -> dict[str, str]:
    """The versions that a list or the constraints name, by package."""
    found = re.findall(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", text, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, ask no index")
    arguments = parser.parse_args()
    constrained = versions((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    good = True
    for name, extras in LISTS.items():
        path = ROOT / name
        if not arguments.check:
            path.write_text(made(extras), encoding="utf-8")
            print(f"wrote {path}")
        listed = versions(path.read_text(encoding="utf-8"))
        other = sorted(
            one for one in listed.keys() & constrained if listed[one] != constrained[one]
        )
        print(f"{name} {'differs in ' + ', '.join(other) if other else 'is up to date'}")
        good = good and not other
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
