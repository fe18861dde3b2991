"""The photographs that a project's names may mean: files in folders that the artist named.

A project names its photographs relative to itself, or by paths of another machine. None of these is
followed. The folders are listed, and a name means the file whose path ends as the name does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from diffrec.pictures import headers
from diffrec.prepare import pictures
from diffrec.prepare.errors import SourceError
from diffrec.prepare.readers.project import ProjectError
from nvdiffrec_contract.dataset import Size
from nvdiffrec_contract.wording import shown

LISTED = 200_000
DEEP = 6
"""Folders inside each other that are looked into."""


class Photographs:
    """The pictures of some folders.

    Args:
        folders: the first that has a file of a name gives it.
        without: a folder that is left out: where the data set is made.
        told: hears what takes long.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        without: Path | None = None,
        told: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.told = told
        self.folders = [Path(os.path.abspath(one)) for one in folders]
        self._without = without
        self._left = LISTED

    @property
    def made(self) -> Path:
        """Where the data set is made.

        Raises:
            ProjectError: nowhere.
        """
        if self._without is None:
            raise ProjectError("no folder was named in which a data set is made")
        return self._without

    @cached_property
    def _listings(self) -> list[dict[str, list[tuple[str, ...]]]]:
        """For each folder: paths in it, by their last names with and without ending."""
        return [self._listed(folder) for folder in self.folders]

    def _listed(self, folder: Path) -> dict[str, list[tuple[str, ...]]]:
        found: dict[str, list[tuple[str, ...]]] = {}
        for place, inner, files in os.walk(folder):
            parts = Path(place).relative_to(folder).parts
            inner[:] = sorted(
                one for one in inner
                if not one.startswith(".") and len(parts) < DEEP - 1
                and (self._without is None or Path(place, one) != self._without)
            )  # fmt: skip
            for name in sorted(files):
                if name.startswith(".") or not name.lower().endswith(pictures.SUFFIXES):
                    continue
                for key in {name.lower(), os.path.splitext(name)[0].lower()}:
                    found.setdefault(key, []).append((*parts, name))
                self._left -= 1
            if self._left < 0:
                raise ProjectError(
                    f"{folder} holds more than {LISTED} pictures",
                    "name the folder of the photographs: --photographs FOLDER",
                )
        return found

    def named(self, name: str, where: str) -> Path | None:
        """The photograph of a name, with or without its ending; None where there is none.

        Args:
            name: a path, relative or of another machine, of which the end counts.
            where: names the camera in messages.

        Raises:
            ProjectError: it is no name, or could as well mean several files.
        """
        if not name or len(name) > 4096 or not name.isprintable():
            raise ProjectError(f"{where}: {shown(name)} is no name of a photograph")
        wanted = [one.lower() for one in name.replace("\\", "/").split("/") if one not in ("", ".")]
        for folder, listing in zip(self.folders, self._listings, strict=True):
            found = listing.get(wanted[-1], []) if wanted else []
            ranked = sorted((-_in_common(one, wanted), len(one), one) for one in found)
            if len(ranked) > 1 and ranked[0][:2] == ranked[1][:2]:
                either = [str(folder.joinpath(*one)) for _common, _deep, one in ranked[:2]]
                raise ProjectError(
                    f"{where}: {shown(name)} may be {either[0]} or {either[1]}",
                    "give every photograph a name of its own, or take away the others",
                )
            if ranked:
                return folder.joinpath(*ranked[0][2])
        return None


def _in_common(path: tuple[str, ...], wanted: Sequence[str]) -> int:
    """How many names at their ends are the same, that of the file not counted."""
    count = 0
    for one, other in zip(reversed(path[:-1]), reversed(wanted[:-1]), strict=False):
        if one.lower() != other:
            break
        count += 1
    return count


def refuse_outside(folder: Path, name: str, where: str) -> None:
    """Refuse a name that leads out of a folder, whether something is there or not.

    Raises:
        ProjectError: it does.
    """
    plain = name.replace("\\", "/")
    place = os.path.normpath(os.path.join(os.path.abspath(folder), plain))
    drive = len(plain) > 1 and plain[1] == ":"
    if plain.startswith("/") or drive or Path(os.path.abspath(folder)) not in Path(place).parents:
        raise ProjectError(
            f"{where}: {shown(name)} leads out of the data set; allowed: a path inside {folder}",
            "put the photographs into the folder of the file, and correct their paths in it",
        )


def size_of(path: Path) -> Size:
    """(height, width) of a photograph as it is stored.

    Raises:
        ProjectError: it cannot be read.
    """
    size = headers.look(path).size
    if size is not None:
        return size
    try:
        pixels = pictures.read(path, turn=False)[0]
    except SourceError as error:
        raise ProjectError(error.cause, error.cure) from None
    return int(pixels.shape[0]), int(pixels.shape[1])
