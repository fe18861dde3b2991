"""Items that cook in process: their work runs on one worker thread, in the order of their start.

A task is made on the cook's thread and touches neither work items nor parameters: it is handed to
the worker, and what it says it made is put on the item back on the cook's thread.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from . import pdg

Stopping = Callable[[], bool]
"""Asked by a task now and then: whether it is to give up, by raising Stopped."""


class Stopped(Exception):
    """A task gave up because the cook is being stopped; it has left nothing half done."""


@dataclass(frozen=True)
class Outcome:
    """What a task made.

    ``files``: the item's output files. ``wrote``: False when all of them were there before.
    ``change``: what else becomes of the item, called on the cook's thread.
    """

    files: Sequence[pdg.File] = ()
    warnings: Sequence[str] = ()
    wrote: bool = True
    change: Callable[[pdg.WorkItem], None] = lambda _item: None

    def give(self, item: pdg.WorkItem) -> None:
        """Put everything on the item."""
        for file in self.files:
            item.addOutputFile(file.path, file.tag, file.hash, file.owned)
        for warning in self.warnings:
            item.addWarning(warning)
        self.change(item)


Task = Callable[[Stopping], Outcome]
"""Raises CookError, OSError or Stopped."""


@dataclass(frozen=True)
class Worked:
    """A message: a task has ended. ``outcome`` is None when it failed or was stopped."""

    item: pdg.WorkItem
    seconds: float
    outcome: Outcome | None = None
    failure: str = ""


class Worker:
    """Runs tasks one after another on a thread of its own; ``tell`` receives each Worked.

    ``busy``, start() and received() belong to the cook's thread.
    """

    def __init__(self, tell: Callable[[Worked], None]) -> None:
        self._tell = tell
        self._waiting: queue.SimpleQueue[tuple[pdg.WorkItem, Task] | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.busy = 0

    def start(self, item: pdg.WorkItem, task: Task) -> None:
        self.busy += 1
        self._waiting.put((item, task))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="in process", daemon=True)
            self._thread.start()

    def received(self) -> None:
        """The cook has taken one message."""
        self.busy -= 1

    def stop(self) -> None:
        """Ask the running task to give up; those that wait are not begun."""
        self._stopping.set()

    def end(self) -> None:
        """Return when the thread is gone."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (entry := self._waiting.get()) is not None:
            item, task = entry
            begin = time.monotonic()
            outcome, failure = None, ""
            try:
                if not self._stopping.is_set():
                    outcome = task(self._stopping.is_set)
            except Stopped:
                pass
            except Exception as error:
                failure = sentence(error)
            self._tell(Worked(item, time.monotonic() - begin, outcome, failure))


def sentence(error: Exception) -> str:
    """What an artist reads about an error of a task."""
    if isinstance(error, pdg.CookError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    return f"cooking failed: {type(error).__name__}: {error}"


@contextmanager
def told() -> Iterator[None]:
    """Report anything but a CookError as the fault of the item that is being cooked."""
    try:
        yield
    except pdg.CookError:
        raise
    except Exception as error:
        raise pdg.CookError(f"cooking failed: {type(error).__name__}: {error}") from error
