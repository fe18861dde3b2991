"""Files appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

Stamp = tuple[int, int, int]


def stamp(path: str) -> Stamp | None:
    """What changes with a file's content: its time in nanoseconds, its size in bytes and its number
    on the disk. None where there is no file. Renaming leaves all three as they are."""
    try:
        state = os.stat(path)
    except (OSError, ValueError):
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino


def replace_file(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Write ``data`` under a temporary name beside ``path`` and rename it into place.

    A reader never sees half a file, and a failure leaves the old one. ``durable``: the data are on
    the disk before the name is theirs.

    Raises:
        OSError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as stream:
            stream.write(data)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
