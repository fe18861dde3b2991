"""The files of a training that the page may show: an index, made by looking, never by asking.

A browser names a file by a key of the index. What is not in it is not served, whatever its name.
"""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nvdiffrec_contract import layout
from nvdiffrec_contract.files import inside

KINDS = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".hdr": "application/octet-stream",
    ".glb": "model/gltf-binary",
    ".obj": "text/plain; charset=utf-8",
}
"""Endings of what is served, and what a browser is told of it."""
RUN = "run/"
"""How the keys of a run that is under way begin; the others are the output folder's own."""
MANY = ("", *layout.VALIDATION.values())
"""Folders of pictures, which are written once: they are looked at when one has come or gone."""
FEW = (layout.PREVIEW, layout.FINAL, layout.FIRST)
"""Folders of files that are written again and again."""
MOST_FILES = 50_000


@dataclass(frozen=True)
class File:
    """A file: its folder, its path below it, its content's kind, size, and time in nanoseconds."""

    folder: str
    name: str
    kind: str
    size: int
    time: int

    @property
    def revision(self) -> str:
        """Changes with the content."""
        return f"{self.time:x}-{self.size:x}"

    def open(self) -> int:
        """A descriptor to read from.

        Raises:
            OSError: it is there no more, or a link stands in its place.
        """
        with inside(self.folder, self.name) as place:
            return place.open(os.O_RDONLY)


class Index:
    """The files of one training, looked at again when they may have changed."""

    def __init__(self) -> None:
        self._stamp: tuple[object, ...] = ()
        self._pictures: dict[str, File] = {}

    def of(self, output: str, made: str | None) -> dict[str, File]:
        """The files by key.

        Args:
            output: the output folder.
            made: where a trainer writes to that is at work, or was.
        """
        roots = [(output, "")] + ([(made, RUN)] if made else [])
        stamp = tuple((root, name, _stamp(root, name)) for root, _ in roots for name in MANY)
        if stamp != self._stamp:
            self._stamp, self._pictures = stamp, _found(roots, MANY)
        return self._pictures | _found(roots, FEW)


def _found(roots: Iterable[tuple[str, str]], folders: Iterable[str]) -> dict[str, File]:
    listed = (
        (prefix + file.name, file)
        for root, prefix in roots
        for folder in folders
        for file in _listed(root, folder)
    )
    return dict(itertools.islice(listed, MOST_FILES))


def _stamp(root: str, name: str) -> int | None:
    try:
        return os.stat(os.path.join(root, name), follow_symlinks=not name).st_mtime_ns
    except OSError:
        return None


def _listed(root: str, folder: str) -> Iterator[File]:
    place = os.path.join(root, folder)
    if folder and os.path.islink(place):
        return
    try:
        entries = sorted(os.scandir(place), key=lambda one: one.name)
    except OSError:
        return
    for entry in entries:
        kind = KINDS.get(os.path.splitext(entry.name)[1].lower())
        if kind is None or entry.name.startswith("."):
            continue
        try:
            state = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        if stat.S_ISREG(state.st_mode):
            name = f"{folder}/{entry.name}" if folder else entry.name
            yield File(root, name, kind, state.st_size, state.st_mtime_ns)
