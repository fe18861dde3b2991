"""The data that a configuration's ``ref_mesh`` may name. One module here is one format.

A format is found by being in this folder. It has what :class:`DataFormat` lists. ``recognise`` and
``describe`` run wherever Python does, without PyTorch: the doctor and the job ask for a
description through ``python -m diffrec.data PATH``. ``load`` imports what it needs when it is
called, and gets only data that were described without a reason to refuse them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from diffrec.formatmodules import format_modules
from nvdiffrec_contract.dataset import SEVERITIES, Description, Problem

if TYPE_CHECKING:
    import torch

    from diffrec.data.views import Views
    from nvdiffrec_contract.configuration import Config

SHARED = frozenset(
    {
        "__main__",
        "featureless",
        "load",
        "looks",
        "metres",
        "panorama",
        "photographs",
        "rendered",
        "transforms",
        "upright",
        "views",
    }
)
"""The modules of this folder that are no format but serve several."""
MOST_INSIDE = 1000
"""Folders inside an unknown one that are looked at, at most."""

Log = Callable[[str], None]


class DataFormat(Protocol):
    """What the module of a format has."""

    RANK: int
    """Where several formats recognise a path, the one of the lowest rank is used."""
    LABEL: str
    """What it is, for an artist: ``photographs with masks (LLFF, NeRD)``."""
    WANTED: str
    """What makes a path one of this format: ``a folder with poses_bounds.npy (LLFF, NeRD)``."""

    def recognise(self, path: Path) -> bool:
        """Whether the file or folder is of this format; never raises."""

    def describe(self, path: Path, quick: bool) -> Description:
        """What it holds; what is wrong with it is a problem of the description, never an error.

        With ``quick`` what takes longer than a second is left out.
        """

    def load(
        self, found: Description, config: Config, device: torch.device, log: Log
    ) -> tuple[Views, Views | None]:
        """Training views, and the views to validate on (None where the data have none).

        Raises:
            DiffrecError: a file cannot be read after all.
        """


def formats() -> dict[str, DataFormat]:
    """Every format by its name, in the order in which they are asked."""
    return format_modules(__name__, __path__, SHARED)


def recognise(path: Path) -> str:
    """The name of the format that reads a path; '' for none."""
    return next((name for name, one in formats().items() if one.recognise(path)), "")


def describe(path: Path, quick: bool = False) -> Description:
    """What lies at a path: see :class:`nvdiffrec_contract.dataset.Description`. Never raises."""
    try:
        path = Path(os.path.abspath(path))
        name = recognise(path)
        found = formats()[name].describe(path, quick) if name else _unknown(path)
    except (OSError, ValueError, MemoryError, RecursionError) as error:
        problem = Problem("data", f"{path} cannot be read: {error}", "check the path")
        return Description("", "", str(path), problems=(problem,))
    problems = sorted(found.problems, key=lambda one: SEVERITIES.index(one.severity))
    return Description(**{**vars(found), "problems": tuple(problems)})


def inside(path: Path) -> list[tuple[str, Path]]:
    """What data lie in a folder: the name of each one's format, and its path.

    The folder itself where it is a data set, and nothing else then. Else the data sets and meshes
    in it; a mesh of a kind that is not read has ''.

    Raises:
        OSError: the folder cannot be read.
    """
    name = recognise(path)
    if name:
        return [(name, path)]
    found = []
    for one in sorted(os.listdir(path))[:MOST_INSIDE]:
        inner = path / one
        name = recognise(inner)
        if name or (inner.suffix.lower() in _SCENES and inner.is_file()):
            found.append((name, inner))
    return found


_SCENES = {
    ".glb": "glTF",
    ".gltf": "glTF",
    ".usd": "USD",
    ".usda": "USD",
    ".usdc": "USD",
    ".usdz": "USD",
    ".fbx": "FBX",
    ".abc": "Alembic",
    ".ply": "PLY",
    ".stl": "STL",
    ".dae": "Collada",
    ".blend": "Blender",
    ".bgeo": "Houdini",
}
"""Files that hold meshes and are not read, by their endings."""


def _unknown(path: Path) -> Description:
    scene = _SCENES.get(path.suffix.lower())
    if scene is not None and path.is_file():
        problem = Problem(
            "data",
            f"{path} is a {scene} file, which is not read as a reference mesh",
            "save the mesh as .obj with its .mtl and textures beside it: in Houdini a File node "
            "or ROP Geometry Output, in Blender File > Export > Wavefront",
            file=str(path),
        )
        return Description("", "", str(path), problems=(problem,))
    if path.exists() and not path.is_dir() and not path.is_file():
        problem = Problem(
            "data",
            f"{path} is a pipe or a device, not a file",
            "name an .obj file or a folder of photographs",
            file=str(path),
        )
        return Description("", "", str(path), problems=(problem,))
    *first, last = [one.WANTED for one in formats().values()]
    wanted = " nor ".join((", ".join(first), last)) if first else last
    problem = Problem(
        "data",
        f"{path} is neither {wanted}: nothing says where the cameras were",
        "solve the cameras of the photographs (COLMAP, then LLFF's imgs2poses), or name a mesh",
        file=str(path),
    )
    for inner in _folders(path):
        if recognise(inner):
            problem = Problem(
                "data",
                f"{path} holds no data, but {inner.name} in it does",
                f'"ref_mesh": "{inner}"',
                file=str(path),
            )
            break
    return Description("", "", str(path), problems=(problem,))


def _folders(path: Path) -> Iterator[Path]:
    if path.is_dir():
        for name in sorted(os.listdir(path))[:MOST_INSIDE]:
            if (path / name).is_dir():
                yield path / name
