"""Shared folders of a farm: what a job may name, and by which path on each platform."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from nvdiffrec_tops.environment.travel import of_the_system
from nvdiffrec_tops.job.farmfile import PLATFORMS, below, platform

from .problem import HQueueProblem
from .quoting import FromRoot

_ABSOLUTE = re.compile(r"([A-Za-z]:|//[^/?.][^/]*/[^/]+)(/.*)?", re.DOTALL)
_NOT_ON_WINDOWS = re.compile(
    r'[<>:"|?*\\\x00-\x1f]|[ .]$|^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)', re.IGNORECASE
)


class _Place(NamedTuple):
    """Where a path lies: in which shared folder, its number, and ``rest`` ('' or '/...')."""

    folder: Mapping[str, str]
    number: int
    rest: str


@dataclass(frozen=True)
class SharedFolders:
    """Folders that every machine of the farm sees.

    ``folders``: for each its path by platform (``linux``, ``windows``, ``macosx``); a platform
    that a folder has no path for does not see it. The first one is the farm's main folder, which
    ``$HQROOT`` names. ``here``: the platform of this machine.
    """

    folders: tuple[Mapping[str, str], ...]
    here: str = field(default_factory=platform)

    @staticmethod
    def of(folders: Iterable[Mapping[str, str]], here: str = "") -> SharedFolders:
        """Raises HQueueProblem: a path is not absolute."""
        found = []
        for folder in folders:
            kept = {}
            for name, path in folder.items():
                if name not in PLATFORMS or not path:
                    continue
                plain = _plain(path, name)
                if plain is None:
                    raise HQueueProblem(
                        f"the shared folder {path} is no absolute path of {name}",
                        "write the whole path, as in linux=/mnt/jobs,windows=J:/",
                    )
                kept[name] = plain + "/" if plain.endswith(":") and name == "windows" else plain
            found.append(kept)
        return SharedFolders(tuple(found), here or platform())

    def mounts(self) -> list[tuple[str, ...]]:
        """The folders' paths in the order of the platforms, '' where there is none."""
        return [tuple(one.get(name, "") for name in PLATFORMS) for one in self.folders]

    def local(self) -> list[str]:
        """The folders' paths on this machine."""
        return [one[self.here] for one in self.folders if one.get(self.here)]

    def to_farm(self, path: str, system: str, *, via_hqroot: bool = False) -> str:
        """An absolute path of this machine as machines of another platform see it.

        The folder that lies deepest decides. Links are not resolved, ``..`` is taken by its name.
        With ``via_hqroot`` a path in the farm's main folder becomes a :class:`quoting.FromRoot`,
        whose shared folder each machine of the farm fills in.

        Raises HQueueProblem: it is not absolute, or lies outside the shared folders; that platform
        has no place for the one that it lies in, or cannot have files of that name.
        """
        place = self._place(path)
        if place is None:
            raise HQueueProblem(
                f"{path} is in no folder that the farm shares ({self._listed()})",
                "move it there, or name its folder with --share",
            )
        root = place.folder.get(system)
        if not root:
            mine = place.folder[self.here]
            raise HQueueProblem(
                f"the shared folder {mine} has no path on {system}",
                f"name it: --share {self.here}={mine},{system}=PATH",
            )
        if system == "windows" and self.here != "windows":
            for name in place.rest.split("/"):
                if _NOT_ON_WINDOWS.search(name):
                    raise HQueueProblem(
                        f"{path}: Windows cannot have a file named {name!r}",
                        "rename it, or leave Windows machines out",
                    )
        if via_hqroot and place.number == 0:
            return FromRoot(place.rest or "/", windows=system == "windows")
        return root.rstrip("/") + place.rest if place.rest else root

    def check(self, paths: Iterable[str]) -> list[str]:
        """A sentence for each path that a job on the farm could not read, and what to do about it.

        Links are followed on this machine: what they lead to must be shared as well.
        """
        found = []
        for path in dict.fromkeys(paths):
            try:
                self._check(path)
            except HQueueProblem as problem:
                found.append(str(problem))
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else None
                found.append(
                    f"{path} cannot be read: {reason or error}; "
                    "put it there, or correct the parameter that names it"
                )
        return found

    def _check(self, path: str) -> None:
        target = os.path.realpath(path)
        if self._place(path) is None and target != path and self.sees(target):
            raise HQueueProblem(
                f"{path} is in no folder that the farm shares ({self._listed()}), only what it "
                f"leads to is: {target}",
                "name that path",
            )
        self.to_farm(path, self.here)
        os.stat(path)
        if not os.access(path, os.R_OK):
            raise HQueueProblem(f"{path} must not be read by you", "change its permissions")
        if not self.sees(target) and not of_the_system(target):
            raise HQueueProblem(
                f"{path} is a link to {target}, which is in no folder that the farm shares "
                f"({self._listed()})",
                "put a copy in the place of the link, or name the other folder with --share",
            )

    def sees(self, target: str) -> bool:
        """Whether a path without links lies in a shared folder; these may be links themselves."""
        real = [os.path.realpath(root) for root in self.local()]
        return any(below(_slashes(target), _slashes(root), self.here) is not None for root in real)

    def _place(self, path: str) -> _Place | None:
        plain = _plain(path, self.here)
        if plain is None:
            raise HQueueProblem(
                f"{path!r} is not an absolute path", "name the file from the root of its disk on"
            )
        found = [
            # The root of the disk is a folder too, and what follows it a slash.
            _Place(folder, number, "" if rest == "/" else rest)
            for number, folder in enumerate(self.folders)
            if (root := folder.get(self.here))
            and (rest := below(plain, root, self.here)) is not None
        ]
        return min(found, key=lambda one: len(one.rest)) if found else None

    def _listed(self) -> str:
        return ", ".join(self.local()) or "none on this one"


def _plain(path: str, system: str) -> str | None:
    """An absolute path with ``/`` and without ``..``; None for any other."""
    if "\0" in path:
        return None
    top = ""
    if system == "windows":
        found = _ABSOLUTE.fullmatch(_slashes(path))
        if found is None:
            return None
        top, path = found[1], found[2] or "/"
    elif not path.startswith("/"):
        return None
    # normpath would keep two slashes at the beginning.
    rest = posixpath.normpath("/" + path.lstrip("/"))
    return top if top and rest == "/" else top + rest


def _slashes(path: str) -> str:
    return path.replace("\\", "/") if os.name == "nt" or re.match(r"[A-Za-z]:|\\\\", path) else path
