"""Whether a training that was asked for is finished already, by a file in its output folder.

The file is written by the command alone, when it ends well, and names what was asked for: the
configuration, and the size and time of every file that it reads.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from nvdiffrec_contract import layout
from nvdiffrec_contract.configuration import PATHS, Config
from nvdiffrec_contract.files import replace_file

NAME = ".finished.json"
_MOST_FILES = 100_000


def is_finished(config: Config, folder: Path) -> bool:
    """Whether the results of this very training lie in ``folder``, whole."""
    try:
        document = json.loads((folder / NAME).read_bytes())
        return bool(document["asked"] == _digest(config)) and all(
            (folder / name).stat().st_size == size for name, size in document["sizes"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def finished(config: Config, folder: Path) -> None:
    """Note that the training has come to its end. A disk that takes no note is no error."""
    with contextlib.suppress(OSError):
        sizes = {name: (folder / name).stat().st_size for name in layout.REQUIRED}
        document = {"asked": _digest(config), "sizes": sizes}
        replace_file(folder / NAME, json.dumps(document).encode())


def _digest(config: Config) -> str:
    known = [config.listing(), repr(config.diffrec)]
    for name in PATHS:
        value = getattr(config, name, None)
        if isinstance(value, str):
            known += [f"{path} {size} {time}" for path, size, time in _stamps(Path(value))]
    return hashlib.sha256("\n".join(known).encode("utf-8", "replace")).hexdigest()


def _stamps(path: Path) -> Iterator[tuple[str, int, int]]:
    """Size and time of a file and of its neighbours that it may name, or of a folder's files."""
    top = path if path.is_dir() else path.parent
    count = 0
    for parent, folders, files in os.walk(top):
        folders.sort()
        if not path.is_dir():
            folders.clear()
        for name in sorted(files):
            count += 1
            if count > _MOST_FILES:
                return
            one = os.path.join(parent, name)
            with contextlib.suppress(OSError):
                state = os.stat(one)
                yield one, state.st_size, state.st_mtime_ns
