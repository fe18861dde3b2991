"""One child process in its own process group, followed line by line."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from nvdiffrec_contract.files import reached
from topcook.host import registered

_LONGEST_LINE = 64 * 1024
_DRAIN_SECONDS = 2.0
_SHOWN = 200  # characters of a line that a message shows


class ChildProcess:
    """A started command, which ends when this process is gone, where there is a ``host.Guard``.

    However this process ends, the system then closes a pipe. On POSIX systems the guard's script
    stands between the two and watches it: it asks the command's group to end, and kills what is
    left of it after some seconds. On Windows a Job Object ends the group at once.

    Its stdout and stderr go to the log file; ``on_line`` receives each line, ``on_exit`` the exit
    code (negative: the signal that ended it). Both are called on threads of this object, on_exit
    exactly once, after the last line. Raises OSError when the command cannot be started.

    Attributes:
        trouble: what went wrong with its output, in a sentence; empty where nothing did.
    """

    def __init__(
        self,
        command: Sequence[str] | str,
        environment: Mapping[str, str],
        log: Path,
        *,
        shell: bool,
        window: bool,
        on_line: Callable[[str], None],
        on_exit: Callable[[int], None],
    ) -> None:
        self._on_line, self._on_exit = on_line, on_exit
        with reached(log, log.parent) as place:
            self._log: BinaryIO = open(place.end(), "ab")  # noqa: SIM115
        self._stopping = threading.Event()
        self._kill_at = 0.0
        self.trouble = ""
        self._job_object: Any = None
        self._guard = registered().guard
        flags = 0
        environment = dict(environment)
        if os.name == "posix":
            words = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
            command = words
            if self._guard is not None:
                command = [sys.executable, "-I", "-S", self._guard.script, *words]
                environment[self._guard.grace_variable] = str(self._guard.grace)
            shell = False
        else:
            flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
            if not window:
                flags |= getattr(subprocess, "CREATE_NO_WINDOW", 0)
        try:
            self._process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.PIPE if os.name == "posix" else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                shell=shell,
                start_new_session=os.name != "nt",
                creationflags=flags,
            )
        except BaseException:
            self._log.close()
            raise
        self.pid = self._process.pid
        if sys.platform == "win32" and self._guard is not None:
            self._job_object = self._guard.attach(self._process)
        self._reader = threading.Thread(target=self._read, name=f"log-{self.pid}", daemon=True)
        self._waiter = threading.Thread(target=self._wait, name=f"wait-{self.pid}", daemon=True)
        self._reader.start()
        self._waiter.start()

    def _read(self) -> None:
        """Read to the end whatever happens: a pipe that nobody empties stops the command."""
        stream = self._process.stdout
        assert stream is not None
        try:
            while line := stream.readline(_LONGEST_LINE):
                self._write(line)
                # A progress bar rewrites its line with carriage returns: the last part counts.
                text = line.decode("utf-8", "replace").rstrip("\r\n").rsplit("\r", 1)[-1]
                try:
                    self._on_line(text)
                except Exception as error:
                    self.trouble = self.trouble or (
                        f"a line of its log could not be read ({type(error).__name__}: {error}): "
                        f"{text[:_SHOWN]!r}"
                    )
        except (OSError, ValueError):
            pass
        finally:
            with contextlib.suppress(OSError):
                self._log.close()

    def _write(self, line: bytes) -> None:
        try:
            self._log.write(line)
            if line.endswith(b"\n"):
                self._log.flush()
        except OSError as error:  # a full disk
            self.trouble = self.trouble or (
                f"its log cannot be written whole: {error.strerror or error}"
            )

    def _wait(self) -> None:
        if hasattr(os, "waitid"):
            # Not reaped yet: the group's number stays ours until the group has been signalled.
            ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            if ended is not None and ended.si_code != os.CLD_EXITED and not self._stopping.is_set():
                # The guard may have been killed alone, with the command still at work.
                self._kill_at = time.monotonic() + (self._guard.grace if self._guard else 0.0)
                self._stopping.set()
                self._signal(signal.SIGTERM)
            if self._stopping.is_set():
                # The group's other members may be saving their work: end of file on the shared
                # pipe says that they are gone, the deadline that they took too long.
                self._reader.join(max(self._kill_at - time.monotonic(), 0.0))
                self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        code = self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._reader.join(_DRAIN_SECONDS)
        self._on_exit(code)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def stop(self, grace: float) -> None:
        """Ask the whole group to end; kill what is left after ``grace`` seconds."""
        if os.name == "nt":
            subprocess.run(
                ["taskkill", "/F", "/T", "/PID", str(self.pid)], capture_output=True, check=False
            )
            return
        first = not self._stopping.is_set()
        self._kill_at = time.monotonic() + grace
        self._stopping.set()
        if self._process.returncode is not None:
            return
        self._signal(signal.SIGTERM if grace > 0 else signal.SIGKILL)
        if first and grace > 0:
            timer = threading.Timer(grace, self._kill_if_running)
            timer.daemon = True
            timer.start()

    def _kill_if_running(self) -> None:
        if self._process.returncode is None:
            self._signal(signal.SIGKILL)

    def join(self) -> None:
        """Return when on_exit has been called."""
        self._waiter.join()
