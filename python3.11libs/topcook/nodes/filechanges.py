"""Changes to single files: whole or not at all, never through a link, never more than named."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from topcook import pdg
from topcook.inprocess import Stopped, Stopping

_PIECE = 4 * 2**20


def require_file(path: str, where: str) -> None:
    """Raises CookError unless the path is a file, or a link to one."""
    if os.path.isdir(path):
        raise pdg.CookError(f"{where}: {path} is a folder; this node works on files")
    if not os.path.exists(path):
        raise pdg.CookError(f"{where}: the file {path} does not exist")
    if not os.path.isfile(path):
        raise pdg.CookError(f"{where}: {path} is no ordinary file")


def require_target(path: str, where: str) -> None:
    """Raises CookError when no file can be put at the path, because something else is there."""
    if os.path.isdir(path):
        raise pdg.CookError(f"{where}: {path} is a folder; name a file in it")
    if os.path.lexists(path) and not (os.path.isfile(path) or os.path.islink(path)):
        raise pdg.CookError(f"{where}: {path} is no ordinary file")
    if not os.path.basename(path):
        raise pdg.CookError(f"{where}: {path} ends without a file's name")


@contextlib.contextmanager
def replacing(path: str) -> Iterator[Path]:
    """A path to write to, beside the target; it takes the target's place when all went well.

    A link at the target is replaced, not followed. Folders above it are made.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    part = Path(path).with_name(f".{os.getpid()}.{threading.get_ident()}.part")
    part.unlink(missing_ok=True)
    try:
        yield part
        os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def copy(source: str, target: str, stopping: Stopping) -> bool:
    """Copy a file with its times and permissions; False when both are the same file already."""
    if os.path.exists(target) and os.path.samefile(source, target):
        return False
    with replacing(target) as part:
        with open(source, "rb") as read, part.open("wb") as write:
            pump(read, write, stopping)
        shutil.copystat(source, part)
    return True


def pump(read: IO[bytes], write: IO[bytes], stopping: Stopping) -> None:
    """Copy one open file into another. Raises Stopped."""
    while piece := read.read(_PIECE):
        if stopping():
            raise Stopped
        write.write(piece)


def move(source: str, target: str, stopping: Stopping) -> bool:
    """Rename a file, a link itself, or a folder; over other file systems it is copied.

    A file at the target is replaced, a folder never. False when both are the same already.
    Raises OSError.
    """
    if os.path.lexists(target) and os.path.samestat(os.lstat(source), os.lstat(target)):
        return False
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if stat.S_ISDIR(os.lstat(source).st_mode):
        shutil.move(source, target)
        return True
    try:
        os.replace(source, target)
    except OSError:
        if os.stat(os.path.dirname(target)).st_dev == os.lstat(source).st_dev:
            raise
        copy(source, target, stopping)
        os.unlink(source)
    return True
