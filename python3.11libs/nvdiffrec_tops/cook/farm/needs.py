"""What a job needs on the farm: an environment that starts there, its configuration, its data."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from nvdiffrec_tops.command import JOB_SCRIPT
from nvdiffrec_tops.cook.refusals import promised
from nvdiffrec_tops.environment import EnvironmentProblem, travel
from nvdiffrec_tops.environment.layout import INTERPRETER
from nvdiffrec_tops.hqueue.paths import SharedFolders
from nvdiffrec_tops.hqueue.problem import HQueueProblem
from nvdiffrec_tops.job import commandline, flags, trainer
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.jobfile import JobFile
from topcook import pdg


def environments(item: pdg.WorkItem, command: list[str] | str) -> list[str]:
    """The folders or interpreters of the environments that a job starts in, each once."""
    if isinstance(command, str):
        return []
    found = [command[0]] if INTERPRETER.fullmatch(os.path.basename(command[0])) else []
    arguments = _arguments(command)
    if arguments and not _is_preparation(arguments):
        job = _job(item, arguments)
        if job.python:
            found.append(os.path.abspath(job.python))
    return list(dict.fromkeys(found))


def check_environment(environment: str, shared: SharedFolders) -> str:
    """'' where the environment starts on every machine, or a warning of what it takes for granted.

    Raises:
        HQueueProblem: it does not start on machines of the farm.
    """
    roots = shared.local()
    new = Path(roots[0], "envs", "diffrec") if roots else Path("FOLDER")
    cure = (
        "make one that carries its Python along: nvdiffrec-tops env create --conda --prefix "
        f'"{new}", and name it with --set attributes.miniconda_env={new}'
    )
    listed = ", ".join(roots) or "none on this machine"
    try:
        shared.to_farm(environment, shared.here)
    except HQueueProblem:
        raise HQueueProblem(
            f"the environment {environment} is in no folder that the farm shares ({listed})", cure
        ) from None
    try:
        found = travel.needs(environment, shared.sees)
    except EnvironmentProblem as problem:
        raise HQueueProblem(str(problem), problem.cure) from None
    if found.elsewhere:
        raise HQueueProblem(
            f"the environment {found.folder} does not start on the farm's machines: "
            f"{found.reason}, which is in no folder that the farm shares ({listed})",
            cure,
        )
    if found.system:
        return (
            f"the environment {found.folder} needs the system's Python in {found.base}: a machine "
            "of the farm that has not the same one does not start it"
        )
    return ""


def needs(item: pdg.WorkItem, command: list[str] | str) -> list[str]:
    """Absolute paths that a job reads beside its environments, in the order of its command.

    A training is asked what its configuration names, a preparation what it is made of; of another
    command, every word that is a path and exists counts. Raises CookError when a training or a
    preparation cannot be made sense of.
    """
    if isinstance(command, str):
        return []
    started = environments(item, command)
    found = [word for word in command if os.path.isabs(word) and os.path.exists(word)]
    arguments = _arguments(command)
    if arguments:
        asks = _preparation if _is_preparation(arguments) else _training
        found += asks(item, arguments)
    return [path for path in dict.fromkeys(found) if path not in started]


def _arguments(command: Sequence[str]) -> Sequence[str]:
    """What a command hands to the job process; nothing of a command that is none."""
    script = str(JOB_SCRIPT)
    return command[command.index(script) + 1 :] if script in command else ()


def _is_preparation(arguments: Sequence[str]) -> bool:
    return flags.PREPARE in arguments[:2]


def _preparation(item: pdg.WorkItem, arguments: Sequence[str]) -> list[str]:
    try:
        asked = commandline.preparation_of(arguments)
    except JobError as error:
        raise pdg.CookError(f"{error}; {error.failure.cure}") from None
    except SystemExit:
        raise pdg.CookError(f"{item.name}: its command is not one of a preparation") from None
    if asked is None:
        return []
    found = [*asked.inputs(), nearest_folder(asked.out)]
    missing = [path for path in found if path is not None and not path.exists()]
    if missing:
        raise pdg.CookError(f"{missing[0]} does not exist; correct the photographs or the masks")
    return [str(path) for path in found if path is not None]


def _training(item: pdg.WorkItem, arguments: Sequence[str]) -> list[str]:
    job = _job(item, arguments)
    if promised(item) and isinstance(job.config, str) and not os.path.exists(job.config):
        # A capture makes it, on the farm too; nothing else is known of it yet.
        return [str(nearest_folder(Path(job.config).parent))]
    try:
        training = trainer.prepare(job)
    except JobError as error:
        raise pdg.CookError(f"{error}; {error.failure.cure}") from None
    found = [*training.inputs.values()]
    if isinstance(job.config, str):
        found.append(str(Path(training.working_dir, job.config)))
    if training.script:
        found.append(training.script)
    return [os.path.abspath(path) for path in found]


def _job(item: pdg.WorkItem, arguments: Sequence[str]) -> JobFile:
    try:
        job, _force = commandline.parse(arguments)
    except JobError as error:
        raise pdg.CookError(f"{error}; {error.failure.cure}") from None
    except SystemExit:
        raise pdg.CookError(f"{item.name}: its command is not one of a training") from None
    return job


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
