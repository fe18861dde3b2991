"""What is read is a file: no pipe or device, which might never end, and no more than is wanted."""

from __future__ import annotations

import errno
import os
import stat
from typing import BinaryIO, Union

StrPath = Union[str, "os.PathLike[str]"]

_FOR_READING = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


def open_regular(path: StrPath) -> BinaryIO:
    """Open a file of bytes to read. A pipe or a device, which might keep its reader waiting for
    good or never end, is not opened.

    Raises:
        OSError: it cannot be opened, or is no regular file.
        ValueError: no file can have that name.
    """
    _refuse_irregular(os.stat(path), path)  # opening alone can have effects on a device
    number = os.open(path, _FOR_READING)
    try:
        _refuse_irregular(os.fstat(number), path)
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def read_regular(path: StrPath, most: int) -> bytes:
    """The content of a file of at most ``most`` bytes.

    Raises:
        OSError: it is larger, or as ``open_regular``.
        ValueError: no file can have that name.
    """
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        data = stream.read(size + 1) if size <= most else b""  # one more, where it grows
    if max(size, len(data)) > most:
        limit = f"{most >> 20} MB" if most >> 20 else f"{most} bytes"
        raise OSError(errno.EFBIG, f"it is larger than {limit}", os.fspath(path))
    return data


def _refuse_irregular(state: os.stat_result, path: StrPath) -> None:
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder, not a file", os.fspath(path))
    if not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", os.fspath(path))
