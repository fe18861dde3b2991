"""Shared folders of a farm: what a job may name, and by which path on each platform."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..job.farm import PLATFORMS, Mounts, below, platform
from .problem import HQueueProblem


@dataclass(frozen=True)
class SharedFolders:
    """Folders that every machine of the farm sees.

    ``folders``: for each its path by platform (``linux``, ``windows``, ``macosx``); a platform
    that a folder has no path for does not see it.
    """

    folders: tuple[Mapping[str, str], ...]

    @staticmethod
    def of(folders: Iterable[Mapping[str, str]]) -> SharedFolders:
        """Raises HQueueProblem: a path is not absolute."""
        found = []
        for folder in folders:
            kept = {name: path for name, path in folder.items() if name in PLATFORMS and path}
            for name, path in kept.items():
                if not _absolute(path, name):
                    raise HQueueProblem(
                        f"the shared folder {path} is no absolute path of {name}",
                        "write the whole path, as in linux=/mnt/jobs,windows=J:/",
                    )
            found.append(kept)
        return SharedFolders(tuple(found))

    def mounts(self) -> list[tuple[str, ...]]:
        """The folders' paths in the order of the platforms, '' where there is none."""
        return [tuple(one.get(name, "") for name in PLATFORMS) for one in self.folders]

    def to_farm(self, path: str, system: str) -> str:
        """An absolute path of this machine as machines of another platform see it.

        Raises HQueueProblem: it lies outside the shared folders, or that platform has no place
        for the one that it lies in.
        """
        here = platform()
        known = [one for one in self.folders if one.get(here)]
        inside = [one for one in known if below(path, one[here], here) is not None]
        if not inside:
            raise HQueueProblem(
                f"{path} is in no folder that the farm shares ({self._listed()})",
                "move it there, or name its folder with --share",
            )
        if system == here:
            return path
        # The folder that lies deepest says most.
        best = max(inside, key=lambda one: len(one[here]))
        if not best.get(system):
            raise HQueueProblem(
                f"the shared folder {best[here]} has no path on {system}",
                f"name it: --share {here}={best[here]},{system}=PATH",
            )
        return Mounts([tuple(best.get(name, "") for name in PLATFORMS)], system).here(path)

    def check(self, paths: Iterable[str]) -> list[str]:
        """A sentence for each path that a job on the farm could not read."""
        found = []
        for path in dict.fromkeys(paths):
            try:
                self.to_farm(path, platform())
                os.stat(path)
            except HQueueProblem as problem:
                found.append(str(problem))
            except OSError as error:
                found.append(f"{path} cannot be read: {error.strerror or error}")
        return found

    def _listed(self) -> str:
        here = platform()
        return ", ".join(one[here] for one in self.folders if one.get(here)) or "none on this one"


def _absolute(path: str, system: str) -> bool:
    if system == "windows":
        return path[1:2] == ":" or path.replace("\\", "/").startswith("//")
    return path.startswith("/")
