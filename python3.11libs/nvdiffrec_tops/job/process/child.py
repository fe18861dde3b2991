"""Starts the trainer in a process group of its own and ends that group for certain."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nvdiffrec_tops.job.process import guard

GRACE = 10.0
MAX_LINE = 1 << 16

_LINE_END = re.compile(rb"\r\n|\n|\r")


class Stopped(Exception):
    """The job was asked to end by a signal."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


class TimedOut(Exception):
    """The training took longer than it may."""


class Child:
    """One run of the trainer. Use as a context manager: leaving it leaves no process behind.

    Args:
        command: argument list; no shell is involved.
        environment: the trainer's whole environment.
        folder: its current directory.
        grace: seconds between asking the group to end and killing it.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: str,
        grace: float = GRACE,
    ) -> None:
        self._grace = grace
        self._events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._job_object: Any = None
        arguments: dict[str, Any] = {}
        environment = dict(environment)
        if os.name == "posix":
            command = [sys.executable, "-I", "-S", guard.__file__, *command]
            environment[guard.GRACE_VARIABLE] = str(grace)
            arguments["start_new_session"] = True
        elif sys.platform == "win32":
            arguments["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP
        self.process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,  # never written to: the guard watches it for the job's end
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            bufsize=0,
            **arguments,
        )
        if sys.platform == "win32":
            from nvdiffrec_tops.job.process import windows

            self._job_object = windows.kill_with_this_process(self.process)
            assert self.process.stdin is not None
            self.process.stdin.close()
        self._reader = threading.Thread(target=self._read, name="trainer output", daemon=True)
        self._reader.start()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def stop(self, number: int) -> None:
        """Make :meth:`lines` raise :class:`Stopped`; may be called by a signal handler."""
        self._events.put(("stop", number))

    def lines(self, timeout: float | None = None, tick: Any = None) -> Iterator[str]:
        """The trainer's lines with their ends, until its output is closed.

        Args:
            timeout: seconds from now until :class:`TimedOut` is raised.
            tick: called about every second.

        Raises:
            Stopped, TimedOut: the trainer is still running then; leave the context to end it.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        exited: float | None = None
        while True:
            try:
                kind, value = self._events.get(timeout=0.25)
            except queue.Empty:
                kind, value = "", None
            if tick is not None:
                tick()
            if kind == "line":
                yield value
            elif kind == "stop":
                raise Stopped(value)
            elif kind == "end":
                return
            elif self.process.poll() is not None:
                # A descendant may keep the pipe open after the trainer has ended.
                exited = exited or time.monotonic()
                if time.monotonic() - exited > 2.0:
                    return
            if deadline is not None and time.monotonic() > deadline:
                raise TimedOut

    def wait(self) -> int:
        """The trainer's exit code once its output has ended; negative for a signal."""
        return self.process.wait()

    def end(self) -> None:
        """End the whole group: ask, wait, then kill. Does nothing to a group that is gone."""
        asked = self.process.poll() is None
        if asked:
            self._ask()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(self._grace)
        self._kill()
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        self._reader.join(2.0)
        if not self._reader.is_alive() and self.process.stdout is not None:
            self.process.stdout.close()

    def _ask(self) -> None:
        try:
            if os.name == "posix":
                os.killpg(self.process.pid, signal.SIGTERM)
            else:
                self.process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM))
        except OSError:
            pass

    def _kill(self) -> None:
        if os.name == "posix":
            with contextlib.suppress(OSError):
                os.killpg(self.process.pid, signal.SIGKILL)
        elif self._job_object is not None:
            self._job_object.terminate()
        else:
            self.process.kill()

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        rest = b""
        while True:
            try:
                data = os.read(stream.fileno(), 1 << 16)
            except (OSError, ValueError):
                data = b""
            if not data:
                break
            start, searched = 0, max(len(rest) - 1, 0)
            rest += data
            for match in _LINE_END.finditer(rest, searched):
                if match.group() == b"\r" and match.end() == len(rest):
                    break  # its line feed may still be on the way
                self._put(rest[start : match.end()])
                start = match.end()
            rest = rest[start:]
            if len(rest) > MAX_LINE:
                self._put(rest)
                rest = b""
        if rest:
            self._put(rest)
        self._events.put(("end", None))

    def _put(self, line: bytes) -> None:
        self._events.put(("line", line.decode("utf-8", "replace")))
