"""The end of a job's processes, all of them."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Set


def ask_to_end(root: int) -> None:
    """SIGTERM to a process and its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(root, signal.SIGTERM)


def kill_tree(root: int, marks: Set[bytes]) -> None:
    """SIGKILL to a process and to all that it has started, in whatever group or session.

    Where there is no ``/proc`` only its group is reached.

    ``marks``: entries of the environment by which those are known whose parents have ended.
    """
    stopped: set[int] = set()
    while fresh := _family(root, marks) - stopped:
        for pid in fresh:
            _signal(pid, signal.SIGSTOP)
        stopped |= fresh
    for pid in stopped:
        _signal(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(root, signal.SIGKILL)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _family(root: int, marks: Set[bytes]) -> set[int]:
    """The process, its descendants, its session's members and those with the marks."""
    parents: dict[int, int] = {}
    members = {root}
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        with contextlib.suppress(OSError, ValueError):
            pid = int(name)
            with open(f"/proc/{pid}/stat", "rb") as stream:
                facts = stream.read().rpartition(b")")[2].split()
            parents[pid] = int(facts[1])
            if root in (int(facts[2]), int(facts[3])):
                members.add(pid)
            with open(f"/proc/{pid}/environ", "rb") as stream:
                if pid != os.getpid() and marks <= set(stream.read().split(b"\0")):
                    members.add(pid)
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in members} - members
        members |= more
        grown = bool(more)
    return members
