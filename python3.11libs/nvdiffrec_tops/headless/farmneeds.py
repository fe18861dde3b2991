"""The files that a job needs on the farm: its program, its configuration, and the data in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..command import JOB_SCRIPT
from ..job import commandline, trainer
from ..job.failures import JobError
from . import pdg


def needs(item: pdg.WorkItem, command: list[str] | str) -> list[str]:
    """Absolute paths that a job reads, in the order of its command.

    A training is asked what its configuration names; of another command, every word that is a
    path and exists counts. Raises CookError when a training cannot be made sense of.
    """
    if isinstance(command, str):
        return []
    found = [word for word in command if os.path.isabs(word) and os.path.exists(word)]
    if str(JOB_SCRIPT) in command:
        found += _training(item, command[command.index(str(JOB_SCRIPT)) + 1 :])
    return list(dict.fromkeys(found))


def _training(item: pdg.WorkItem, arguments: Sequence[str]) -> list[str]:
    try:
        job, _force = commandline.parse(arguments)
        training = trainer.prepare(job)
    except JobError as error:
        raise pdg.CookError(f"{error}; {error.failure.cure}") from None
    except SystemExit:
        raise pdg.CookError(f"{item.name}: its command is not one of a training") from None
    found = [*training.inputs.values()]
    if isinstance(job.config, str):
        found.append(str(Path(training.working_dir, job.config)))
    if job.python:
        found.append(job.python)
    if training.script:
        found.append(training.script)
    return [os.path.abspath(path) for path in found]


def writes(item: pdg.WorkItem) -> list[str]:
    """The folders that a job writes to, the nearest that exist."""
    found: dict[str, None] = {}
    for file in item.expectedOutputFiles:
        found[str(nearest_folder(Path(file.path).absolute().parent))] = None
    return list(found)


def nearest_folder(path: Path) -> Path:
    """The path, or the nearest above it that is a folder already."""
    while not path.is_dir() and path != path.parent:
        path = path.parent
    return path
