"""Small reads of folders that may be broken, foreign or hostile: none of these functions raises."""

from __future__ import annotations

import codecs
import json
import os
import stat
from typing import Any

# A record of a conda package lists every file of it: a toolkit's can be long.
LARGEST = 16 * 1024 * 1024


def text_of(path: str, limit: int = LARGEST) -> str | None:
    """The text of a regular file of at most ``limit`` bytes, else None. Bad bytes are replaced.

    It is UTF-8, or UTF-16 where a mark at its start says so, as PowerShell's ``>`` writes.
    """
    try:
        # A pipe would wait for ever to be opened.
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError):
        return None
    if len(data) > limit:
        return None
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if wide else "utf-8-sig", "replace")


def object_of(path: str) -> dict[str, Any]:
    """The JSON object in a file; empty when there is none."""
    text = text_of(path)
    if text is None:
        return {}
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def names_in(folder: str) -> list[str]:
    """The sorted names in a folder; empty when it cannot be listed."""
    try:
        return sorted(os.listdir(folder))
    except (OSError, ValueError):
        return []


def is_file(path: str) -> bool:
    """Whether a file is there, links followed."""
    try:
        return os.path.isfile(path)
    except (OSError, ValueError):
        return False


def is_folder(path: str) -> bool:
    """Whether a folder is there, links followed."""
    try:
        return os.path.isdir(path)
    except (OSError, ValueError):
        return False


def changed(path: str) -> int:
    """When the path was last changed, in nanoseconds; 0 when it is not there."""
    try:
        return os.stat(path).st_mtime_ns
    except (OSError, ValueError):
        return 0


def settings_of(path: str) -> dict[str, str]:
    """The ``name = value`` lines of a ``pyvenv.cfg``, names in lower case."""
    settings = {}
    for line in (text_of(path, 1 << 20) or "").splitlines():
        name, equals, value = line.partition("=")
        if equals:
            settings[name.strip().lower()] = value.strip()
    return settings
