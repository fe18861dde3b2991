"""Reads a large OBJ file in a process of its own, while this one has other things to do."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from diffrec.reference import obj
from nvdiffrec_contract.errors import UserError

LARGE = 2 << 20
"""Bytes below which a file is read sooner than a process is started."""


def begin(path: Path) -> Callable[[], None]:
    """Begin to read a file. What is returned waits until `obj.read_obj` has it at hand; what went
    wrong that one finds again, and says.
    """
    with contextlib.suppress(OSError, ValueError):
        if path.stat().st_size >= LARGE:
            libraries = str(Path(__file__).resolve().parents[2])
            paths = [libraries, *filter(None, [os.environ.get("PYTHONPATH")])]
            process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(path.absolute())],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            return lambda: _taken(process)
    return lambda: None


def _taken(process: subprocess.Popen[bytes]) -> None:
    written, _ = process.communicate()
    if process.returncode == 0:
        obj.remember(pickle.loads(written))


def main() -> int:
    """Read the file of the first argument, and write what `obj.remember` takes."""
    try:
        obj.read_obj(Path(sys.argv[1]))
    except UserError:
        return 1
    sys.stdout.buffer.write(pickle.dumps(obj.latest(), protocol=5))
    return 0


if __name__ == "__main__":
    sys.exit(main())
