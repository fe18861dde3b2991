"""How far a set-up is: told on a terminal, and in a file that any process can read."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass

from nvdiffrec_tops.environment.reading import object_of
from nvdiffrec_tops.job.process.lock import NAME as LOCK
from nvdiffrec_tops.job.process.lock import system_lock

NAME = ".nvdiffrec-tops-progress.json"
VERSION = 1
RUNNING, DONE, FAILED, STOPPED = "running", "done", "failed", "stopped"
_INTERVAL = 0.25


class Progress:
    """Told how far a set-up is; this one keeps silent."""

    def step(self, title: str, total: int | None = None) -> None:
        """A step begins; ``total`` packages will be counted in it."""

    def advance(self) -> None:
        """One package more."""

    def line(self, text: str) -> None:
        """A line of pip's."""


@dataclass(frozen=True)
class Report:
    """What the progress file says.

    ``state`` is running, done, failed or stopped (its process was ended); ``fraction`` is between 0
    and 1. ``message`` is the sentence for the end of it, ``cure`` what to do next, ``details`` the
    doctor's findings.
    """

    state: str = RUNNING
    step: str = ""
    fraction: float = 0.0
    line: str = ""
    message: str = ""
    cure: str = ""
    details: str = ""
    log: str = ""


def read(folder: str) -> Report | None:
    """How far the set-up of a folder is; None where none was begun. Never raises."""
    document = object_of(os.path.join(folder, NAME))
    if document.get("version") != VERSION:
        return None
    fields = {}
    for name, default in asdict(Report()).items():
        value = document.get(name, default)
        fields[name] = value if isinstance(value, type(default)) else default
    fields["fraction"] = min(max(fields["fraction"], 0.0), 1.0)
    report = Report(**fields)
    if report.state not in (RUNNING, DONE, FAILED):
        return None
    if report.state == RUNNING and not held(folder):
        # Between the two looks it may have ended in order.
        later = object_of(os.path.join(folder, NAME))
        if later.get("state") != RUNNING:
            return read(folder)
        fields["state"] = STOPPED
        fields["message"] = "The set-up was ended before it was done"
        fields["cure"] = "start it again: it goes on where it was"
        report = Report(**fields)
    return report


def held(folder: str) -> bool:
    """Whether a process makes an environment in this folder now."""
    try:
        descriptor = os.open(os.path.join(folder, LOCK), os.O_RDWR)
    except OSError:
        return False
    try:
        return not system_lock(descriptor)
    finally:
        os.close(descriptor)


class Recorded(Progress):
    """Writes the progress file, and hands everything on to ``shown``.

    Args:
        folder: the environment's; it exists.
        steps: how many steps there will be.
        shown: who else is told.
        log: the file that pip's lines go to.
    """

    def __init__(
        self, folder: str, steps: int, shown: Progress | None = None, log: str = ""
    ) -> None:
        self._path = os.path.join(folder, NAME)
        self._steps, self._shown, self._log = max(steps, 1), shown or Progress(), log
        self._begun = -1
        self._count, self._total = 0, 0
        self._title, self._line = "", ""
        self._written = 0.0

    def step(self, title: str, total: int | None = None) -> None:
        self._begun += 1
        self._title, self._line, self._count, self._total = title, "", 0, total or 0
        self._shown.step(title, total)
        self._write(Report(step=title, fraction=self._fraction(), log=self._log))

    def advance(self) -> None:
        self._count += 1
        self._shown.advance()
        self._tell()

    def line(self, text: str) -> None:
        self._line = text[:500]
        self._shown.line(text)
        self._tell()

    def end(self, state: str, message: str, cure: str = "", details: str = "") -> None:
        """The last word: done or failed."""
        fraction = 1.0 if state == DONE else self._fraction()
        self._write(
            Report(state, self._title, fraction, self._line, message, cure, details, self._log)
        )

    def _fraction(self) -> float:
        inside = min(self._count / self._total, 1.0) if self._total else 0.0
        return min((max(self._begun, 0) + inside) / self._steps, 1.0)

    def _tell(self) -> None:
        if time.monotonic() - self._written >= _INTERVAL:
            self._write(
                Report(step=self._title, fraction=self._fraction(), line=self._line, log=self._log)
            )

    def _write(self, report: Report) -> None:
        """A reader sees the whole file or the one before; a full disk hides progress, no more."""
        self._written = time.monotonic()
        with contextlib.suppress(OSError):
            descriptor, temporary = tempfile.mkstemp(
                prefix=NAME, suffix=".tmp", dir=os.path.dirname(self._path)
            )
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    json.dump({"version": VERSION, **asdict(report)}, file)
                os.replace(temporary, self._path)
            except OSError:
                # On Windows a reader may have it open at this very moment.
                os.unlink(temporary)


class Spoken(Progress):
    """Steps on standard error, a line each."""

    def step(self, title: str, total: int | None = None) -> None:
        print(title, file=sys.stderr, flush=True)
