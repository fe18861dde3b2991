"""Being asked to end: SIGTERM, and Ctrl+C, let a run save its state first."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# A scheduler that ends a process tree may signal the same process twice at once.
SAME_REQUEST_SECONDS = 1.0


class Interrupted(BaseException):
    """The run was asked to end; what could be saved is saved. Not an error: no `Exception`."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number

    @property
    def exit_code(self) -> int:
        """128 + the signal's number, as a shell has it: 143 for SIGTERM, 130 for Ctrl+C."""
        return 128 + self.number


class StopRequest:
    """Whether the process was asked to end.

    While `listening`, the first signal raises `Interrupted`, or, within `held`, is only noted in
    `number`, so that the training loop finishes its iteration. A second signal, a second later or
    more, ends the process at once.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._since = 0.0
        self._held = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Signals come here. Outside the main thread, which alone may catch them, does nothing."""
        numbers = [signal.SIGTERM, signal.SIGINT]
        if hasattr(signal, "SIGBREAK"):  # what ends a process group on Windows
            numbers.append(signal.SIGBREAK)
        before = {}
        try:
            for number in numbers:
                before[number] = signal.signal(number, self._asked)
        except ValueError:
            pass
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    @property
    def held(self) -> bool:
        """Whether a signal is only noted."""
        return self._held

    def hold(self) -> None:
        """From now on a signal is only noted."""
        self._held = True

    def release(self) -> None:
        """From now on a signal raises `Interrupted`; at once where one has been noted."""
        self._held = False
        if self.number is not None:
            raise Interrupted(self.number)

    def _asked(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.number is not None:
            if now - self._since >= SAME_REQUEST_SECONDS:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
            return
        self.number, self._since = number, now
        if not self._held:
            raise Interrupted(number)
