"""What becomes of expected outputs when the job that writes them does not succeed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from nvdiffrec_contract.files import Stamp, is_link, stamp
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

    def discard(self) -> list[str]:
        """After a stop: remove half-written files; a new folder is only renamed.

        A link is removed itself, never what it leads to.

        Returns:
            what could not be removed, each in a sentence.
        """
        return [sentence for path in self.touched() if (sentence := _attempt(_discard, path)[1])]

    def set_aside(self) -> list[str]:
        """After a failure: rename what was written to ``NAME.incomplete``, a link itself.

        Returns:
            the new names, and what could not be renamed, in sentences.
        """
        done = [_attempt(_rename, path) for path in self.touched()]
        names = [str(name) for name, _ in done if name is not None]
        told = [f"unfinished outputs were renamed: {', '.join(names)}"] if names else []
        return [*told, *(sentence for _, sentence in done if sentence)]


def _attempt(change: Callable[[Path], Path | None], path: Path) -> tuple[Path | None, str]:
    """A change's answer, or a sentence on why it cannot be made."""
    try:
        return change(path), ""
    except OSError as error:
        reason = error.strerror or error
        return None, f"{path} is unfinished and could be neither removed nor renamed: {reason}"


def _discard(path: Path) -> Path | None:
    if path.is_dir() and not is_link(path):
        return _rename(path)
    path.unlink(missing_ok=True)
    return None


def _rename(path: Path) -> Path:
    # A name may have 255 bytes.
    name = path.name.encode("utf-8", "ignore")[: 255 - len(INCOMPLETE)].decode("utf-8", "ignore")
    target = path.with_name(name + INCOMPLETE)
    if os.path.lexists(target) and (path.is_dir() or target.is_dir()):
        if target.is_dir() and not is_link(target):
            shutil.rmtree(target, ignore_errors=True)
        else:
            target.unlink()
    os.replace(path, target)
    return target
