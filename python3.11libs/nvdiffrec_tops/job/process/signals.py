"""The signals that end a job."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from nvdiffrec_tops.job.process.child import Child, Stopped

SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK")


class StopFlag:
    """Set by a signal; passed on to the child that is running.

    ``told``: called by the first signal.
    """

    def __init__(self) -> None:
        self.number = 0
        self.child: Child | None = None
        self.told: Callable[[], None] = lambda: None

    def __call__(self, number: int, _: FrameType | None) -> None:
        first, self.number = not self.number, number
        if first:
            self.told()
        if self.child is not None:
            self.child.stop(number)

    def check(self) -> None:
        """Raise :class:`Stopped` once a signal has come."""
        if self.number:
            raise Stopped(self.number)


@contextmanager
def signals() -> Iterator[StopFlag]:
    """Ending signals set a flag for as long as the context lasts."""
    flag = StopFlag()
    before: dict[int, Any] = {}
    for name in SIGNALS:
        number = getattr(signal, name, None)
        # nohup has it ignored, and means it.
        if name == "SIGHUP" and number is not None and signal.getsignal(number) == signal.SIG_IGN:
            continue
        if number is not None:
            try:
                before[number] = signal.signal(number, flag)
            except ValueError:  # not the main thread
                break
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
