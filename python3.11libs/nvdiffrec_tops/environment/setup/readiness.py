"""Whether an environment holds what is planned: asked at every start, and so quick to import."""

from __future__ import annotations

import json
import os
import zlib

MARKER = ".nvdiffrec-tops-environment.json"
COMPLETE = "complete"


class Plan:
    """What an environment is to hold.

    Args:
        name: under which the marker notes it; a venv may hold several.
        lock: path of the list of packages with hashes.
        project: a clone that is installed as it lies there; '' installs its packages alone.
        watched: further files whose change asks for another installation.
    """

    def __init__(
        self, name: str, lock: str, project: str = "", watched: tuple[str, ...] = ()
    ) -> None:
        self.name, self.lock, self.project, self.watched = name, lock, project, watched

    def digest(self) -> str:
        """What decides whether an environment is up to date."""
        parts = [self.project]
        for path in (self.lock, *self.watched):
            try:
                with open(path, "rb") as file:
                    data = file.read()
            except OSError:
                data = b""
            parts.append(f"{len(data)}-{zlib.crc32(data):08x}")
        return ":".join(parts)


def interpreter(folder: str) -> str:
    """Where a venv's Python lies, whether it is there or not."""
    if os.name == "nt":
        return os.path.join(folder, "Scripts", "python.exe")
    return os.path.join(folder, "bin", "python")


def is_complete(folder: str, plan: Plan) -> bool:
    """Whether the folder holds all that is planned. A few small files are read, none is started."""
    try:
        with open(os.path.join(folder, MARKER), encoding="utf-8") as file:
            document = json.load(file)
        held = document["plans"][plan.name]
        return (
            document["state"] == COMPLETE
            and document["prefix"] == folder
            and held["digest"] == plan.digest()
            and os.path.exists(interpreter(folder))
            # pip may have been asked to take the toolkit out.
            and (not plan.project or os.path.isdir(os.path.join(folder, held["record"])))
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
