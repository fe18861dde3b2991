"""What becomes of expected outputs when the job that writes them does not succeed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nvdiffrec_contract.files import Stamp, stamp
from topcook import pdg
from topcook.host import registered

INCOMPLETE = ".incomplete"


@dataclass(frozen=True)
class Snapshot:
    """The state of an item's expected outputs before its job started.

    A file that a failed or stopped job leaves at an expected place would pass for a finished
    result at the next cook. Not so where a job answers for the file: what such a job has put in
    place is whole, and only a job changes it (see ``host.Keeper``).

    ``marks``: of the expected files; ``results``: of the result files that their job may write.
    """

    marks: dict[Path, Stamp | None]
    results: dict[str, Stamp | None]

    @classmethod
    def of(cls, files: Iterable[pdg.File]) -> Snapshot:
        paths = [file.path for file in files if file.path]
        above = {one for path in paths for one in registered().keeper.result_files_above(path)}
        return cls(
            {Path(path): stamp(path) for path in paths}, {path: stamp(path) for path in above}
        )

    def committed(self) -> bool:
        """Whether a job has put its results in place since, every expected file among them."""
        homes = [registered().keeper.result_file(str(path)) for path in self.marks]
        if not homes or registered().keeper.fault(str(path) for path in self.marks) is not None:
            return False
        return all(home is not None and stamp(home) != self.results.get(home) for home in homes)

    def tidy(self) -> None:
        """Remove what a job that was killed has left beside the results that it put in place."""
        registered().keeper.tidy(str(path) for path in self.marks)

    def touched(self) -> list[Path]:
        """Expected files that have appeared or changed since, and folders that have appeared;
        without those that a job answers for."""
        return [
            path
            for path, mark in self.marks.items()
            if stamp(str(path)) not in (None, mark)
            and not (mark is not None and path.is_dir())
            and not registered().keeper.answered_for(str(path))
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
