"""A reader that is fuzzed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]


class Reader:
    """One reader, which writes a case into an empty folder and reads it as the product does.

    Its imports stand in its methods, so that each process loads what it needs.

    Attributes:
        name: in the table.
        files: those of a case that may become a pipe, a device, a folder or a link.
        errors: what it may raise.
    """

    name = ""
    files: Sequence[str] = ()
    errors: tuple[type[Exception], ...] = ()

    def write(self, folder: Path, chance: Random) -> None:
        """Put a damaged case into an empty folder."""
        raise NotImplementedError

    def read(self, folder: Path) -> None:
        """Read it, in every way that the product does."""
        raise NotImplementedError


def each(*calls: Callable[[], object], errors: tuple[type[Exception], ...], enough: int) -> None:
    """Call all, whichever refuse; the first refusal is raised unless `enough` have accepted."""
    refused: list[Exception] = []
    for call in calls:
        try:
            call()
        except errors as error:
            refused.append(error)
    if len(calls) - len(refused) < enough:
        raise refused[0]
