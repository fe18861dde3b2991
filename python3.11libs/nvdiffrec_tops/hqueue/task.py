"""One job of a submission as the farm follows it, and how often it looks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nvdiffrec_contract.files import reached

BATCH = 200
INTERVAL = 1.0
POLLS = 8
"""Jobs that the server is asked about in one interval, at most."""
SETTLE = 60.0
"""Seconds until a file that one machine wrote can be expected on another (network disks cache)."""
GOODBYE = 40.0
"""Seconds for jobs to end after a cancel, more than the job process gives its trainer."""
_MOST_READ = 1 << 20


@dataclass(frozen=True)
class Span:
    """When a job began and ended by its machine's clock, in seconds since 1970; None: unknown."""

    started: float | None = None
    ended: float | None = None


@dataclass
class Task:
    """One work item on the farm. ``spec`` is empty for one that another process submitted.

    ``on_start(machine, attempt)``, ``on_line(line)`` and ``on_exit(code, reason)`` are called on
    the farm's thread; ``reason`` is '' when the job itself has told how it ended. ``seen``: when a
    machine wrote that it had begun; ``ended``: a status of an end, and since when it is known.
    """

    name: str
    spec: Mapping[str, Any]
    log: Path
    facts: dict[str, Any]
    on_line: Callable[[str], None]
    on_exit: Callable[[int, str], None]
    on_start: Callable[[str, int], None] = lambda _machine, _attempt: None
    job: int = 0
    after: Sequence[Task] = ()
    submissions: int = 0
    machine: str = ""
    span: Span = Span()
    seen: int = 0
    _read: int = 0
    _rest: bytes = b""
    ended: tuple[str, float] | None = None

    def tail(self, folder: Path) -> None:
        """Hand on the log's new lines; no link in ``folder``, the submission's, is followed."""
        try:
            with reached(self.log, folder) as place, open(place.open(os.O_RDONLY), "rb") as stream:
                stream.seek(self._read)
                data = stream.read(_MOST_READ)
        except OSError:
            return
        self._read += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MOST_READ:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self.on_line(line.decode("utf-8", "replace").rstrip("\r").rsplit("\r", 1)[-1])

    def drain(self, folder: Path) -> None:
        """Hand on all that is left of the log."""
        before = -1
        while before != self._read:
            before = self._read
            self.tail(folder)
        if self._rest:
            self.on_line(self._rest.decode("utf-8", "replace"))
            self._rest = b""


@dataclass(frozen=True)
class Pace:
    """How often and how long: seconds, and numbers of requests."""

    interval: float = INTERVAL
    settle: float = SETTLE
    batch: int = BATCH
    polls: int = POLLS
    resubmissions: int = 3
    goodbye: float = GOODBYE
