"""What becomes of expected outputs when the job that writes them does not succeed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import pdg

INCOMPLETE = ".incomplete"


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


@dataclass(frozen=True)
class Snapshot:
    """The state of an item's expected outputs before its job started.

    A file that a failed or stopped job leaves at an expected place would pass for a finished
    result at the next cook.
    """

    marks: dict[Path, tuple[int, int, int] | None]

    @classmethod
    def of(cls, files: Iterable[pdg.File]) -> Snapshot:
        return cls({Path(file.path): _mark(Path(file.path)) for file in files if file.path})

    def touched(self) -> list[Path]:
        """Expected files that have appeared or changed since, and folders that have appeared."""
        return [
            path
            for path, mark in self.marks.items()
            if _mark(path) not in (None, mark) and not (mark is not None and path.is_dir())
        ]

    def discard(self) -> None:
        """After a stop: remove half-written files; a new folder is only renamed."""
        for path in self.touched():
            if path.is_dir() and not path.is_symlink():
                _rename(path)
            else:
                path.unlink(missing_ok=True)

    def set_aside(self) -> list[str]:
        """After a failure: rename what was written to ``NAME.incomplete``; returns new names."""
        return [str(_rename(path)) for path in self.touched()]


def _rename(path: Path) -> Path:
    target = path.with_name(path.name + INCOMPLETE)
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target, ignore_errors=True)
    os.replace(path, target)
    return target
