"""Stopping a cook by Ctrl-C or by a signal, whatever its main thread is waiting for."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable
from typing import Any


class StopSignals:
    """While it lasts, each SIGINT, SIGTERM and SIGHUP calls ``stop`` on a thread of its own.

    A handler in Python is not enough: it runs only when the main thread is back in Python, and a
    cook's main thread may wait on a queue, or in Houdini. The wake-up socket is written to by the
    signal itself, and a thread listens to it. Enter and leave it on the main thread.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._before: dict[int, Any] = {}
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._thread = threading.Thread(target=self._listen, name="signals", daemon=True)
        self._wakeup_before = -1

    def __enter__(self) -> None:
        self._thread.start()
        self._wakeup_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None:
                self._before[number] = signal.signal(number, lambda _number, _frame: None)

    def _listen(self) -> None:
        while numbers := self._reader.recv(64):
            for number in numbers:
                if number in self._before:
                    self._stop()

    def __exit__(self, *_error: object) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, before in self._before.items():
            # None: it was not set from Python, and cannot be set back from Python.
            signal.signal(number, signal.SIG_DFL if before is None else before)
        self._writer.close()
        self._thread.join()
        self._reader.close()
