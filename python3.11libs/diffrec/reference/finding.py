"""Finds the files that an OBJ or MTL names, as they came from another machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from diffrec.reference.lines import without_comment

MOST_ENTRIES = 100_000
MOST_WORDS = 64
"""Of one ``mtllib`` line."""


class Beside:
    """Looks for files beside one that names them.

    A name is taken as it stands, then with other capitals; of a path that leads nowhere here, such
    as one of another machine, its end is looked for: ``textures/wood.png``, then ``wood.png``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, names: Sequence[str]) -> Path | None:
        """The regular file that the first fitting of these names means; None for none."""
        for exact in (True, False):
            for name in names:
                for parts, whole in _ends(name):
                    if exact and not whole:
                        continue
                    found = self._at(parts, exact)
                    if found is not None:
                        return found
        return None

    def libraries(self, line: str) -> tuple[list[Path], list[str]]:
        """The files of an ``mtllib`` line, which may name several, with spaces in their names; and
        the names that no file has."""
        for whole in (line, line.strip('"'), without_comment(line)):
            found = self._exact(whole)
            if found is not None:
                return [found], []
        words = without_comment(line).split()[:MOST_WORDS]
        files, missing = [], []
        while words:
            for count in range(len(words), 0, -1):
                name = " ".join(words[:count]).strip('"')
                found = self.find([name])
                if found is not None:
                    files.append(found)
                    del words[:count]
                    break
            else:
                missing.append(words.pop(0))
        if not files:  # nothing tells the words of one name from several names
            return [], [without_comment(line)]
        return files, missing

    def _exact(self, name: str) -> Path | None:
        paths = (self._at(parts, True) for parts, whole in _ends(name) if whole)
        return next((path for path in paths if path is not None), None)

    def _at(self, parts: tuple[str, ...], exact: bool) -> Path | None:
        path = self._folder.joinpath(*parts)
        if _is_file(path):
            return path
        if exact or os.path.isabs(parts[0]):
            return None
        folder = self._folder
        for part in parts:
            same = part if part in ("..", ".") else self._same(folder, part)
            if same is None:
                return None
            folder = folder / same
        return folder if _is_file(folder) else None

    def _same(self, folder: Path, name: str) -> str | None:
        """The entry of a folder that has this name but for capitals."""
        known = self._entries.get(folder)
        if known is None:
            try:
                names = sorted(os.listdir(folder))[:MOST_ENTRIES]
            except OSError:
                names = []
            known = self._entries[folder] = {one.casefold(): one for one in reversed(names)}
        return known.get(name.casefold())

    @cached_property
    def _entries(self) -> dict[Path, dict[str, str]]:
        return {}


def _ends(name: str) -> Iterator[tuple[tuple[str, ...], bool]]:
    """The path as parts, then its ends; whether it is the whole one."""
    if not name or "\0" in name or len(name) > 4096:
        return
    yield (name,), True
    slashed = name.replace("\\ ", " ").replace("\\", "/")
    if slashed != name:
        yield (slashed,), True
    # Neither a drive, a server nor the root of another machine.
    parts = [one for one in PurePosixPath(slashed).parts if one not in ("/", "//", ".", "..")]
    if parts and len(parts[0]) == 2 and parts[0].endswith(":"):
        del parts[0]
    for begin in range(max(0, len(parts) - 8), len(parts)):
        yield tuple(parts[begin:]), False


def _is_file(path: Path) -> bool:
    """A pipe or a device is none."""
    try:
        return os.path.isfile(path)
    except (OSError, ValueError):
        return False
