"""Whether the lock of a compiled extension is held by someone, or was left behind.

PyTorch makes a file ``lock`` beside an extension that it compiles, keeps it open meanwhile and
removes it at the end. A process that is ended before leaves the file, and every later start waits
for it without end. A lock is called stale only where nobody can be compiling: a lock that is
removed from under a compiler spoils the extension.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

NAME = "lock"
# Seconds without any change in the build folder after which nobody on another machine compiles;
# the longest single step of a build takes about three minutes.
QUIET = 3600.0

_LOCAL_DISKS = (
    "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "reiserfs", "bcachefs",
    "tmpfs", "ramfs", "overlay", "squashfs", "rootfs",
)  # fmt: skip
# In a container these are its own, wherever they are mounted.
_CONTAINER_DISKS = ("tmpfs", "ramfs", "overlay")
PRIVATE = "tops_nvdiffrec"
"""A cache below a folder of this name holds the extensions of one machine alone."""


@dataclass(frozen=True)
class Verdict:
    """What is known of one lock. ``holder`` is the process that compiles, when it was found."""

    lock: str
    stale: bool
    reason: str
    holder: int | None = None
    identity: tuple[int, int, int] = (0, 0, 0)


def locks(folder: str) -> list[str]:
    """The locks of a cache of extensions: one or two folders deep, sorted."""
    found = []
    for first in _folders(folder):
        for inner in (first, *_folders(first)):
            path = os.path.join(inner, NAME)
            if os.path.isfile(path):
                found.append(path)
    return sorted(found)


def judge(lock: str, *, private: bool | None = None, quiet: float = QUIET) -> Verdict | None:
    """Whether ``lock`` is stale; None when there is no such lock (any more).

    Args:
        lock: the path of the lock.
        private: the folder is used by this machine alone, whatever disk it lies on; None: it is
            where its path says so.
        quiet: seconds without a change after which other machines are out of the question.
    """
    lock = os.path.abspath(lock)
    try:
        identity = _identity(lock)
        age = time.time() - _newest(os.path.dirname(lock))
    except OSError:
        return None
    if not os.path.isfile(lock) or os.path.islink(lock) or os.path.basename(lock) != NAME:
        return Verdict(lock, False, "it is not a file that PyTorch makes", None, identity)
    if sys.platform == "win32":
        return _judge_windows(lock, identity)
    if private is None:
        private = PRIVATE in lock.replace("\\", "/").split("/")
    here = private or _is_local(lock)
    elsewhere = f"nothing changed there for {age / 3600:.1f} hours"
    if not os.path.isdir("/proc/self/fd"):
        if age > quiet:
            return Verdict(lock, True, elsewhere, None, identity)
        return Verdict(lock, False, "this system does not tell who holds it", None, identity)
    holder, blind = _holder(lock)
    if holder is not None:
        return Verdict(lock, False, f"process {holder} compiles", holder, identity)
    if here and not blind:
        return Verdict(lock, True, "no process of this machine compiles", None, identity)
    if age > quiet:
        return Verdict(lock, True, elsewhere, None, identity)
    reason = (
        "it belongs to another user, whose processes cannot be seen"
        if blind
        else "its disk is shared, so another machine may be compiling"
    )
    return Verdict(lock, False, reason, None, identity)


def clear(verdict: Verdict) -> bool:
    """Remove the lock that was found stale, if it is still that very file; whether it is gone."""
    if not verdict.stale:
        return False
    try:
        if _identity(verdict.lock) != verdict.identity:
            return False
        os.unlink(verdict.lock)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _identity(path: str) -> tuple[int, int, int]:
    state = os.lstat(path)
    return state.st_dev, state.st_ino, state.st_mtime_ns


def _newest(folder: str) -> float:
    """The last change of a file in the build folder (seconds since the epoch)."""
    newest = 0.0
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                newest = max(newest, entry.stat(follow_symlinks=False).st_mtime)
    return newest


def _folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [one.path for one in entries if one.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _judge_windows(lock: str, identity: tuple[int, int, int]) -> Verdict:
    # A file that Python holds open there can be neither renamed nor removed, by anyone.
    try:
        os.rename(lock, lock)
    except OSError:
        return Verdict(lock, False, "a process holds it", None, identity)
    return Verdict(lock, True, "no process holds it", None, identity)


def _holder(lock: str) -> tuple[int | None, bool]:
    """The process that has ``lock`` open or compiles beside it (Linux), and whether there are
    processes that could be it and that we cannot look into."""
    folder = os.path.realpath(os.path.dirname(lock))
    target = os.path.join(folder, NAME)
    owner = os.lstat(lock).st_uid
    blind = False
    for process in _processes():
        try:
            uid = os.stat(process).st_uid
        except OSError:
            continue  # it has ended
        if uid not in (owner, 0, os.getuid()):
            continue
        number = int(os.path.basename(process))
        try:
            with os.scandir(os.path.join(process, "fd")) as entries:
                if any(_link(entry.path) == target for entry in entries):
                    return number, False
        except FileNotFoundError:
            continue
        except OSError:
            # Root's own daemons do not compile an extension into someone's folder.
            blind = blind or uid == owner
            continue
        cwd = _link(os.path.join(process, "cwd"))
        if number != os.getpid() and (cwd == folder or cwd.startswith(folder + os.sep)):
            return number, False
    return None, blind


def _processes() -> Iterator[str]:
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):
            if name.isdigit():
                yield os.path.join("/proc", name)


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _is_local(path: str) -> bool:
    """Whether nobody whose processes we cannot see writes to the disk of ``path``; False when that
    is unknown. A container sees its own processes alone, and shares what is mounted into it; the
    disk that it stands on itself is its own."""
    path = os.path.realpath(path)
    contained = any(os.path.exists(one) for one in ("/.dockerenv", "/run/.containerenv"))
    best, kind = "", ""
    for line in _mounts():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = fields[1].replace("\\040", " ").rstrip("/")
        inside = path == point or path.startswith(point + "/")
        if inside and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind in (_CONTAINER_DISKS if contained and best else _LOCAL_DISKS)


def _mounts() -> list[str]:
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as stream:
            return stream.readlines()
    except OSError:
        return []
