"""What jobs on a farm say of themselves: files in one folder, which whoever submitted them reads.

``NAME.started`` and ``NAME.done`` are JSON; ``cancel`` asks the jobs to end. Everybody who shares
the disk can write there, so nothing is read or written through a link.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Mapping
from typing import Any

from nvdiffrec_contract.files import Place, inside, read_inside
from nvdiffrec_tops.job.farmfile import whole

STARTED, DONE = ".started", ".done"
_CANCEL = "cancel"
_LARGEST = 1 << 16


class StateFolder:
    """The state files of a submission's jobs.

    Args:
        path: the folder; it lies in that of the submission.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._above, self._name = os.path.split(os.path.abspath(self.path))

    def make(self) -> None:
        """Make the folder where it is missing. Raises OSError."""
        os.makedirs(self._above, exist_ok=True)
        with inside(self._above, f"{self._name}/x", make=True):
            return

    def names(self) -> set[str]:
        """The files that are there. Raises OSError: the folder cannot be read."""
        with inside(self._above, self._name) as place:
            if not place.is_folder():
                raise NotADirectoryError(errno.ENOTDIR, "it is a link or no folder", self.path)
        return set(os.listdir(self.path))

    def folder(self, item: str) -> str:
        """An item's own folder, made where it is missing. Raises OSError."""
        with inside(self._above, f"{self._name}/{item}/x", make=True):
            return os.path.join(self.path, item)

    def when(self, name: str) -> int | None:
        """When a file was written last, in nanoseconds; None where there is none."""
        try:
            with self._place(name) as place:
                state = place.state()
        except OSError:
            return None
        return state.st_mtime_ns if state is not None else None

    def read(self, name: str) -> dict[str, Any]:
        """What a file says; {} where it is missing or damaged."""
        try:
            data = read_inside(self._above, f"{self._name}/{name}", _LARGEST)
            document = json.loads(data)
        except (OSError, ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}

    def write(self, name: str, facts: Mapping[str, Any]) -> None:
        """Write a file whole or not at all. Raises OSError."""
        with self._place(name) as place:
            place.write(json.dumps(facts).encode(), durable=True)

    def cancel(self) -> None:
        """Ask the jobs to end. Raises OSError."""
        with self._place(_CANCEL) as place:
            place.write(b"")

    def _place(self, name: str) -> contextlib.AbstractContextManager[Place]:
        return inside(self._above, f"{self._name}/{name}")

    @property
    def cancelled(self) -> bool:
        """Whether the jobs have been asked to end."""
        return self.when(_CANCEL) is not None

    def cancelled_for(self, seconds: float) -> bool:
        """Whether they were asked so long ago."""
        told = self.when(_CANCEL)
        return told is not None and time.time() - told / 1e9 > seconds


def exit_code(facts: Mapping[str, Any]) -> int | None:
    """The exit code that a job's last state file tells; None when it tells none."""
    return whole(facts.get("code"), range(-(1 << 31), 1 << 32))


def attempt(facts: Mapping[str, Any]) -> int:
    """Which start of a job it was, from 1 on, as its state files tell; 0 for none."""
    return whole(facts.get("attempt"), range(1, 1 << 20)) or 0
