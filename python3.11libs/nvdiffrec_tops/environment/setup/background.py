"""Starts a set-up that outlives the program that asked for it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from nvdiffrec_tops.environment.marker import read_marker
from nvdiffrec_tops.environment.reading import is_folder, names_in
from nvdiffrec_tops.environment.setup import build, progress, pythons

PROGRAM = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
    "create_environment.py",
)
NAME = "diffrec"
"""Of the folder inside one that an artist has chosen and that holds other things."""


def place_in(chosen: str) -> str:
    """Where to make an environment when an artist points at a folder: in it, or below it."""
    folder = os.path.abspath(os.path.expanduser(chosen.rstrip("/\\") or chosen))
    free = not is_folder(folder) or not names_in(folder)
    return folder if free or read_marker(folder) is not None else os.path.join(folder, NAME)


def start(
    folder: str,
    environ: Mapping[str, str],
    *,
    executable: str = "",
    lock: str = "",
) -> subprocess.Popen[bytes] | None:
    """Start making the environment in ``folder``; None when a process does so already.

    Args:
        folder: an absolute path.
        environ: this process's variables; those of Houdini are not handed on.
        executable: the program that asks; ``sys.executable`` by default.
        lock: another list of packages.

    Raises:
        EnvironmentProblem: nothing may be made there, or there is no Python to start.
    """
    folder = build.claimed(folder)
    if progress.held(folder):
        return None
    python = pythons.for_background(environ, executable)
    with contextlib.suppress(OSError):
        # The end of an earlier run would be taken for that of this one.
        os.unlink(os.path.join(folder, progress.NAME))
    command = [python, "-I", "-S", PROGRAM, folder, *(("--lock", lock) if lock else ())]
    if os.path.basename(python).lower().startswith("hython"):
        command[1:3] = []
    with open(os.path.join(folder, build.LOG), "ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=pythons.bare(environ),
            cwd=folder,
            close_fds=True,
            **_detached(),
        )


def _detached() -> dict[str, Any]:
    """What keeps the process alive when its parent ends, and shows no console."""
    if sys.platform == "win32":
        names = ("CREATE_NO_WINDOW", "CREATE_NEW_PROCESS_GROUP")
        flags = 0
        for name in names:
            flags |= getattr(subprocess, name)
        return {"creationflags": flags}
    return {"start_new_session": True}
