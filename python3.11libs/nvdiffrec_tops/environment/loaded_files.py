"""Run by an environment's own Python: prints, as JSON, every place that it was started from.

``python -I loaded_files.py``. Standard library only, and no newer than Python 3.8.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from collections.abc import Iterator

# What brings shared libraries of its own along.
_WITH_LIBRARIES = ("bz2", "ctypes", "hashlib", "lzma", "socket", "sqlite3", "ssl", "zlib")


def places() -> Iterator[object]:
    """Python's folders, its search path, the files of loaded modules and shared libraries."""
    for name in _WITH_LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    yield from (sys.executable, sys.prefix, sys.base_prefix, sys.base_exec_prefix)
    yield from sys.path
    for module in list(sys.modules.values()):
        yield getattr(module, "__file__", None)
    with contextlib.suppress(OSError), open("/proc/self/maps", encoding="utf-8") as maps:
        for line in maps:
            fields = line.rstrip("\n").split(None, 5)
            if len(fields) == 6 and fields[5].startswith("/"):
                yield fields[5]


def links() -> Iterator[str]:
    """Packages, and files right below them, that are links (uv can install in that way)."""
    for folder in sys.path:
        if os.path.basename(folder) not in ("site-packages", "dist-packages"):
            continue
        for entry in _listed(folder):
            if entry.is_symlink():
                yield entry.path
            elif entry.is_dir():
                yield from (inner.path for inner in _listed(entry.path) if inner.is_symlink())


def _listed(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def main() -> None:
    """Print the answer."""
    own = os.path.abspath(__file__)
    found = [
        os.path.realpath(place)
        for place in [*places(), *links()]
        if isinstance(place, str) and os.path.isabs(place) and os.path.exists(place)
    ]
    print(
        json.dumps(
            {
                "base": os.path.realpath(sys.base_prefix),
                "virtual": sys.prefix != sys.base_prefix,
                "places": [one for one in dict.fromkeys(found) if one != os.path.realpath(own)],
            }
        )
    )


main()
