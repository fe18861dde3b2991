"""What a toolkit brings along that cooks its scenes with this package.

This package knows Houdini's files and the stock nodes. A toolkit with digital assets of its own, or
with jobs that answer for their output files, says so once with ``register``, before it opens a
scene. Without that a scene cooks with stock nodes alone.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class Keeper(Protocol):
    """Knows which files jobs answer for. Such a file is whole, and only a job changes it."""

    def answered_for(self, path: str, /) -> bool:
        """Whether a job answers for a file."""
        ...

    def fault(self, paths: Iterable[str], /) -> str | None:
        """What is wrong with files that jobs answer for, in a phrase; None where nothing is."""
        ...

    def result_file(self, path: str, /) -> str | None:
        """The file in which the job that answers for ``path`` says so."""
        ...

    def result_files_above(self, path: str, /) -> Sequence[str]:
        """Where the result file of a job that makes ``path`` may stand, or come to stand."""
        ...

    def tidy(self, paths: Iterable[str], /) -> None:
        """Remove what a job that was killed has left beside the files that it answers for."""
        ...


class NoKeeper:
    """No job answers for any file: an output counts when it is there."""

    def answered_for(self, _path: str, /) -> bool:
        return False

    def fault(self, _paths: Iterable[str], /) -> str | None:
        return None

    def result_file(self, _path: str, /) -> str | None:
        return None

    def result_files_above(self, _path: str, /) -> Sequence[str]:
        return ()

    def tidy(self, _paths: Iterable[str], /) -> None:
        return None


@dataclass(frozen=True)
class Guard:
    """Ends what a cook has started when the cook itself is gone, however that came about.

    ``script``: a Python program that runs the command in its arguments and ends it when its
    standard input is closed (POSIX). It waits ``grace`` seconds between asking and killing, and is
    told so in the variable ``grace_variable``. ``attach`` does the same for a process of Windows;
    what it gives is kept as long as the process.
    """

    script: str
    grace: float
    grace_variable: str
    attach: Callable[[subprocess.Popen[bytes]], Any]


@dataclass(frozen=True)
class Host:
    """What a toolkit brings along.

    ``libraries``: the asset library of each node type, a file or an expanded folder.
    ``variables``: ``$`` variables of scenes, where neither the environment nor the scene has them.
    ``result_names``: names of files that a job writes whether it succeeds or not.
    ``missing_program``: what to do about a program of this name that is not found, or ''.
    ``missing_parameter``: what to say of a node that has no parameter of this name, which is to
    get this value, or ''.
    """

    libraries: Mapping[str, Path] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    keeper: Keeper = field(default_factory=NoKeeper)
    result_names: frozenset[str] = frozenset()
    guard: Guard | None = None
    missing_program: Callable[[str], str] = lambda _name: ""
    missing_parameter: Callable[[str, str, str], str] = lambda _node, _name, _value: ""


_registered = Host()


def register(host: Host) -> None:
    """Cook with what a toolkit brings along, in this process from now on."""
    global _registered
    _registered = host


def registered() -> Host:
    """What the toolkit of this process brings along."""
    return _registered
