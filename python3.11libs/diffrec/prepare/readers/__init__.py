"""Projects of other tools that have solved the cameras. One module here reads one of them.

A reader is found by being in this folder. It has what :class:`Reader` lists, says in its docstring
which conventions its files have and where they are documented, and ends in a
:class:`~diffrec.prepare.readers.project.Project`. Nothing that a file says is executed, and no
path that it names is followed: photographs are looked for by their names, in folders that the
artist named.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from diffrec.formatmodules import format_modules
from diffrec.prepare.readers.photographs import Photographs
from diffrec.prepare.readers.project import Project

SHARED = frozenset({"entry", "photographs", "project", "xmlfiles"})
"""The modules of this folder that read no format but serve several."""


class Reader(Protocol):
    """What the module of a reader has."""

    RANK: int
    """Where several readers recognise a path, the one of the lowest rank reads it."""
    LABEL: str
    """The tool, for an artist: ``Metashape``."""
    WANTED: str
    """What is named as INPUT: ``a cameras file (.xml)``."""

    def recognise(self, path: Path) -> bool:
        """Whether the file or folder is such a project; never raises."""

    def read(self, path: Path, photographs: Photographs) -> Project:
        """The cameras, and the photographs that they belong to.

        Raises:
            ProjectError: the project is damaged, or not what it should be.
        """


def readers() -> dict[str, Reader]:
    """Every reader by its name, in the order in which they are asked."""
    return format_modules(__name__, __path__, SHARED)


def recognised(path: Path) -> Reader | None:
    """The reader of a path; None where it is no other tool's project."""
    return next((one for one in readers().values() if one.recognise(path)), None)
