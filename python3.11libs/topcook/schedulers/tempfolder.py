"""Houdini's temporary folder where ``HOUDINI_TEMP_DIR`` names none: one that is this user's alone.

A folder of a fixed name in a place that all users share may have been made by another one, who then
could change what jobs are handed, or have it written through a link.
"""

from __future__ import annotations

import os
import stat
import tempfile

NAME = "houdini_temp"


def default() -> str:
    """Houdini's own folder, or one with this user's number where that belongs to somebody else."""
    first, *others = _names()
    if not others or not os.path.lexists(first) or _is_private(first):
        return first
    return others[0]


def claim(path: str) -> None:
    """Make the folder that ``path`` lies in for this user alone, or see that it is.

    Where ``path`` lies in neither of the folders of :func:`default` there is nothing to do.

    Raises:
        PermissionError: it belongs to another user, is a link, or others may write into it.
    """
    folder = next((one for one in _names() if path.startswith(one + os.sep)), None)
    if folder is None:
        return
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        if os.name == "posix" and not _is_private(folder):
            raise PermissionError(
                f"{folder} belongs to another user, is a link, or may be written by others; set "
                "HOUDINI_TEMP_DIR to a folder of your own"
            ) from None


def _names() -> list[str]:
    folder = os.path.join(os.path.abspath(tempfile.gettempdir()), NAME)
    return [folder, f"{folder}_{os.getuid()}"] if os.name == "posix" else [folder]


def _is_private(folder: str) -> bool:
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    return mine and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
