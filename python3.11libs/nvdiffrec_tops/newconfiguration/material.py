"""What there is to train from in a folder: a data set, a mesh with its light, photographs, a film.

Data sets and meshes are recognised by the trainer's own formats, in the training environment's
Python; photographs and films, which have no cameras yet, by their names.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nvdiffrec_contract.dataset import Description
from nvdiffrec_contract.preparation import FILMS, PHOTOGRAPHS
from nvdiffrec_tops.job import dataset
from nvdiffrec_tops.job.dataset import NotDescribedError

LIGHT = ".hdr"
MASKS = "masks"
MOST = 100_000
"""Names in a folder that are looked at, at most."""


class NewProblem(Exception):
    """No configuration can be written: what is missing, and the next thing to do."""

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(message)
        self.cure = cure


@dataclass(frozen=True)
class Material:
    """What a training is to begin with.

    Attributes:
        path: the data set, the mesh, the folder of photographs or the film.
        folder: where the configuration belongs.
        description: of a data set or a mesh; None for photographs and films.
        photographs: how many photographs there are without cameras.
        lights: panoramas in the folder.
    """

    path: str
    folder: str
    description: Description | None = None
    photographs: int = 0
    lights: tuple[str, ...] = ()

    @property
    def unsolved(self) -> bool:
        """Whether the cameras have yet to be found."""
        return self.description is None


def look(path: str, pythons: Sequence[str], variables: Mapping[str, str]) -> Material:
    """What lies in a folder, or what a file is.

    Args:
        path: absolute.
        pythons: interpreters that are asked, in this order.
        variables: their environment.

    Raises:
        NewProblem: there is nothing, or more than one thing.
    """
    try:
        if not os.path.exists(path):
            raise NewProblem(f"{path} does not exist", "name a folder that does")
        if not os.path.isdir(path):
            return _of(path, os.path.dirname(path), pythons, variables)
        found = dataset.inside(path, pythons, variables)
        readable = [one for name, one in found if name]
        if len(readable) > 1:
            raise NewProblem(
                f"{path} holds several: {', '.join(map(os.path.basename, readable[:8]))}",
                f"name one of them: nvdiffrec-tops new {readable[0]}",
            )
        if readable:
            return _of(readable[0], path, pythons, variables)
        pictures = _unsolved(path)
        if pictures is not None:
            return pictures
        # What is wrong with a mesh of another program, or what a data set would have to hold.
        return _of(found[0][1] if found else path, path, pythons, variables)
    except NotDescribedError as error:
        raise NewProblem(
            f"{path} could not be looked at: {error}",
            "name an environment whose Python starts: --env PREFIX",
        ) from None
    except OSError as error:
        raise NewProblem(
            f"{path} cannot be read: {error.strerror or error}", "check its permissions"
        ) from None


def _of(path: str, folder: str, pythons: Sequence[str], variables: Mapping[str, str]) -> Material:
    if path.lower().endswith(FILMS):
        return Material(path, folder)
    found = dataset.describe(path, pythons, variables, quick=True)
    lights = tuple(one for one in _files(folder) if one.lower().endswith(LIGHT))
    return Material(path, folder, found, lights=lights)


def _unsolved(folder: str) -> Material | None:
    """Photographs or one film in a folder, or in one folder in it; None where there are none."""
    inner = [one for one in _folders(folder) if os.path.basename(one).lower() != MASKS]
    for places in ([folder], inner):
        held = {place: _pictures(place) for place in places}
        full = [place for place, pictures in held.items() if pictures]
        if len(full) > 1:
            raise NewProblem(
                f"{folder} holds several folders of photographs: "
                f"{', '.join(map(os.path.basename, full[:8]))}",
                f"name one of them: nvdiffrec-tops new {full[0]}",
            )
        if full:
            return Material(full[0], folder, photographs=len(held[full[0]]))
        films = [one for place in places for one in _files(place) if one.lower().endswith(FILMS)]
        if len(films) > 1:
            raise NewProblem(
                f"{folder} holds several films: {', '.join(map(os.path.basename, films[:8]))}",
                f"name one of them: nvdiffrec-tops new {films[0]}",
            )
        if films:
            return Material(films[0], folder)
    return None


def _pictures(folder: str) -> list[str]:
    return [one for one in _files(folder) if one.lower().endswith(PHOTOGRAPHS)]


def _files(folder: str) -> list[str]:
    return [one for one in _names(folder) if os.path.isfile(one)]


def _folders(folder: str) -> list[str]:
    return [one for one in _names(folder) if os.path.isdir(one)]


def _names(folder: str) -> list[str]:
    names = [one for one in sorted(os.listdir(folder)) if not one.startswith(".")]
    return [os.path.join(folder, one) for one in names[:MOST]]
