"""One child process in its own process group, followed line by line."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

_LONGEST_LINE = 64 * 1024
_DRAIN_SECONDS = 2.0


class ChildProcess:
    """A started command.

    Its stdout and stderr go to the log file; ``on_line`` receives each line, ``on_exit`` the exit
    code (negative: the signal that ended it). Both are called on threads of this object, on_exit
    exactly once, after the last line. Raises OSError when the command cannot be started.
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
        self._log: BinaryIO = log.open("ab")
        self._stopping = threading.Event()
        self._kill_at = 0.0
        flags = 0
        if os.name == "nt":
            flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
            if not window:
                flags |= getattr(subprocess, "CREATE_NO_WINDOW", 0)
        try:
            self._process = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
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
        self._reader = threading.Thread(target=self._read, name=f"log-{self.pid}", daemon=True)
        self._waiter = threading.Thread(target=self._wait, name=f"wait-{self.pid}", daemon=True)
        self._reader.start()
        self._waiter.start()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        try:
            while line := stream.readline(_LONGEST_LINE):
                self._log.write(line)
                if line.endswith(b"\n"):
                    self._log.flush()
                # A progress bar rewrites its line with carriage returns: the last part counts.
                text = line.decode("utf-8", "replace").rstrip("\r\n").rsplit("\r", 1)[-1]
                self._on_line(text)
        except (OSError, ValueError):
            pass
        finally:
            self._log.close()

    def _wait(self) -> None:
        if hasattr(os, "waitid"):
            # Not reaped yet: the group's number stays ours until the group has been signalled.
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            if self._stopping.is_set():
                # The group's other members may be saving their work: end of file on the shared
                # pipe says that they are gone, the deadline that they took too long.
                self._reader.join(max(self._kill_at - time.monotonic(), 0.0))
                self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        code = self._process.wait()
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
