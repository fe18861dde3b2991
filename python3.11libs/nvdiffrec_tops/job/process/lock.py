"""One job per output folder: a lock file that names its owner.

The lock is the system's own lock on that file, which vanishes with its holder however it ends. A
network disk may not pass such locks between machines, so the file also carries the holder's host
and process and is touched at intervals: a file of another host that is being touched is respected.

A holder that has been asked to end says so in the file: the next one then waits for it. So a cook
that is started again right after it was killed finds the folder free, and the training kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from nvdiffrec_contract.failure import EXIT_BUSY, EXIT_OUTPUT
from nvdiffrec_contract.files import LinkError, inside
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.outputs.links import link_error

NAME = ".job.lock"
HEARTBEAT = 10.0
ENDING_SECONDS = 30.0
"""What a holder that has been asked to end gets for it; its trainer has 10 of them."""


class OutputLock:
    """Holds the lock of ``output`` from ``__enter__`` to ``__exit__``.

    Args:
        waiting: called once, with a sentence, where a former holder is waited for.
        check: called meanwhile; may raise.

    Attributes:
        taken_over: who held it before without giving it back, as a phrase; None otherwise.

    Raises:
        JobError: another job holds it, or the folder cannot be written.
    """

    def __init__(
        self,
        output: str,
        heartbeat: float = HEARTBEAT,
        waiting: Callable[[str], None] = lambda _text: None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.path = os.path.join(output, NAME)
        self.taken_over: str | None = None
        self._heartbeat = heartbeat
        self._touched = 0.0
        self._descriptor = -1
        self._waiting, self._check = waiting, check

    def __enter__(self) -> OutputLock:
        deadline: float | None = None
        while self._descriptor < 0:
            descriptor = self._open()
            if not system_lock(descriptor):
                owner = _owner(descriptor)
                os.close(descriptor)
                if deadline is None and owner.get("ending"):
                    deadline = time.monotonic() + ENDING_SECONDS
                    self._waiting(f"waiting for {_phrase(owner)}, which is ending its training")
                if deadline is None or time.monotonic() > deadline:
                    raise self._busy(owner)
                self._check()
                time.sleep(0.1)
                continue
            # The former holder may have deleted the file between our open and our lock. One with a
            # second name may be anything: it is not written to, and a new one takes its place.
            if _same_file(descriptor, self.path) and os.fstat(descriptor).st_nlink == 1:
                self._descriptor = descriptor
            else:
                self._make_way(descriptor)
        owner = _owner(self._descriptor)
        if owner:
            if owner.get("host") != platform.node() and self._is_touched():
                os.close(self._descriptor)
                self._descriptor = -1
                raise self._busy(owner)
            self.taken_over = _phrase(owner)
        self._write(self._own())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._write({})
        if os.name == "posix":
            with contextlib.suppress(OSError):
                os.unlink(self.path)  # while it is still locked: see the loop in __enter__
        os.close(self._descriptor)
        self._descriptor = -1

    def ending(self) -> None:
        """Say that this job has been asked to end; may be called by a signal handler."""
        if self._descriptor >= 0:
            self._write({**self._own(), "ending": True})

    def _own(self) -> dict[str, Any]:
        return {"pid": os.getpid(), "host": platform.node(), "since": int(time.time())}

    def inherited(self) -> tuple[int, ...]:
        """For ``pass_fds``: a child that outlives this process then still holds the lock."""
        return (self._descriptor,) if os.name == "posix" and self._descriptor >= 0 else ()

    def touch(self) -> None:
        """Show other hosts that we are alive; cheap, call it often."""
        now = time.monotonic()
        if now - self._touched >= self._heartbeat:
            self._touched = now
            with contextlib.suppress(OSError):
                os.utime(self._descriptor if os.utime in os.supports_fd else self.path)

    def _open(self) -> int:
        try:
            with inside(os.path.dirname(self.path), NAME) as place:
                return place.open(os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise self._unwritable(error) from None

    def _make_way(self, descriptor: int) -> None:
        """Give up a file that is not the lock, and take its name from it where it has another."""
        several = os.fstat(descriptor).st_nlink > 1
        same = _same_file(descriptor, self.path)
        os.close(descriptor)
        if several and same:
            try:
                os.unlink(self.path)
            except FileNotFoundError:
                pass
            except OSError as error:
                raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> JobError:
        if isinstance(error, LinkError):
            return link_error(self.path)
        return JobError(
            "output-unwritable",
            f"the output folder {os.path.dirname(self.path)} cannot be written: "
            f"{error.strerror or error}",
            "correct its permissions, or choose another output folder",
            EXIT_OUTPUT,
        )

    def _write(self, owner: dict[str, Any]) -> None:
        data = json.dumps(owner).encode() if owner else b""
        try:
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, data)
        except OSError:
            pass  # a full disk must not keep the job from saying so later
        self._touched = time.monotonic()

    def _is_touched(self) -> bool:
        """Whether the file's time changes within two heartbeats (no clock is compared)."""
        before = os.lstat(self.path).st_mtime_ns
        deadline = time.monotonic() + 2.0 * self._heartbeat
        while time.monotonic() < deadline:
            time.sleep(min(0.25, self._heartbeat / 4))
            if os.lstat(self.path).st_mtime_ns != before:
                return True
        return False

    def _busy(self, owner: dict[str, Any]) -> JobError:
        return JobError(
            "busy",
            f"another job writes to {os.path.dirname(self.path)}: {_phrase(owner)}",
            "wait for it or end it, or give this work item another output folder",
            EXIT_BUSY,
        )


def is_of_another_host(output: str) -> bool:
    """Whether the lock file of an output folder names a job of another host, at work or not."""
    try:
        with inside(output, NAME) as place:
            descriptor = place.open(os.O_RDONLY)
    except OSError:
        return False
    owner = _owner(descriptor)
    os.close(descriptor)
    return bool(owner) and owner.get("host") != platform.node()


def _phrase(owner: dict[str, Any]) -> str:
    return f"process {owner.get('pid', '?')} on {owner.get('host', '?')}"


def _owner(descriptor: int) -> dict[str, Any]:
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        owner = json.loads(os.read(descriptor, 4096).decode())
    except (OSError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}


def _same_file(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except OSError:
        return False


def system_lock(descriptor: int) -> bool:
    """Lock the file; False when another process holds it. A disk without locks counts as free."""
    if os.name == "posix":
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True
    import msvcrt

    try:
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # far behind the text, which stays readable
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    except OSError:
        return False
    return True
