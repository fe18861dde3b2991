"""Work that is done beside the run, which waits for it where it needs it.

What is announced only makes ready: it may neither change nor break a run. What goes wrong there is
left out silently, and the run does for itself what it then finds undone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")

CLEANING = "cleaning"  # the kernels of `diffrec.cleaning`
CHARTING = "charting"  # the kernels of `diffrec.charting.charts`
# Kernels of Warp go by the name of their Python module.

# By what is prepared; empty most of the time, so that asking costs next to nothing.
_pending: dict[str, threading.Event] = {}
# How many parts each of what was announced has, and how many of them are ready.
_parts: dict[str, list[int]] = {}


def announce(names: Iterable[str], parts: int = 1) -> None:
    """These are being prepared from now on, each in so many parts."""
    for name in names:
        _pending[name] = threading.Event()
        _parts[name] = [0, parts]


def part_done(name: str) -> None:
    """One part of this is ready."""
    count = _parts.get(name)
    if count is not None:
        count[0] = min(count[0] + 1, count[1])


def done(name: str) -> None:
    """This is prepared, or never will be: who waits goes on."""
    count = _parts.get(name)
    if count is not None:
        count[0] = count[1]
    event = _pending.pop(name, None)
    if event is not None:
        event.set()


def progress() -> tuple[int, int]:
    """How many parts are ready, and how many there are, of all that this process announced."""
    counts = list(_parts.values())
    return sum(count[0] for count in counts), sum(count[1] for count in counts)


def wait_for(name: str, timeout: float | None = None) -> None:
    """Return when `name` is not being prepared (any more), or after `timeout` seconds."""
    event = _pending.get(name)
    if event is not None:
        event.wait(timeout)


def wait_for_all() -> None:
    """Return when nothing is being prepared any more."""
    for event in [*_pending.values()]:
        event.wait()


def is_pending(name: str) -> bool:
    """Whether this is being prepared."""
    return name in _pending


def anything_pending() -> bool:
    """Whether anything at all is being prepared."""
    return bool(_pending)


def beside(work: Callable[[], T]) -> Callable[[], T]:
    """Begin `work` on a thread of its own; what is returned waits, and gives its result or raises
    its error. A run that ends before does not wait for it."""
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome.result
