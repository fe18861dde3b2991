"""Reading of files that somebody else may have written: it never blocks and has a limit."""

from __future__ import annotations

import errno
import os
import stat

from nvdiffrec_contract.files import inside


def read(path: str | os.PathLike[str], most: int) -> bytes:
    """The bytes of a regular file; a pipe, a device or a folder is none.

    Raises:
        OSError: it cannot be read, or is no regular file.
        ValueError: it is larger than ``most`` bytes.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(os.open(path, flags), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", os.fspath(path))
        data = stream.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it is larger than {most} bytes")
    return data


def read_inside(folder: str, name: str, most: int) -> bytes:
    """The bytes of a regular file below a folder that others may write to: no link is followed.

    Raises:
        OSError: it cannot be read, is no regular file, or a link leads to it.
        ValueError: it is larger than ``most`` bytes.
    """
    with inside(folder, name) as place, open(place.open(os.O_RDONLY), "rb") as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it is larger than {most} bytes")
    return data
