"""What stands in the output folders of jobs: asked by the job itself, and by whoever runs jobs.

A job answers for the files that its result file lists and, while it exchanges them, for those in
its journal. A cook neither removes nor renames such a file, and takes it for up to date only when
nothing is found wrong here. About any other file this module says nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from nvdiffrec_contract.files import Stamp, read_inside, stamp
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.outputs import placing, prepared, result, unfinished
from nvdiffrec_tops.job.process import lock
from nvdiffrec_tops.job.process.lock import OutputLock

_PREPARED = frozenset({prepared.NAME, *(one.path for one in prepared.OUTPUTS)})


def answered_for(path: str) -> bool:
    """Whether a job answers for a file."""
    return _home(path) is not None or _data_set(path) is not None


def fault(paths: Iterable[str]) -> str | None:
    """What is wrong with files that jobs answer for, in a phrase; None where nothing is.

    Sizes are always compared, and contents where a file is not the very one that the job left.
    """
    folders = set()
    for path in paths:
        home = _home(path)
        if home is None:
            data_set = _data_set(path)
            if data_set is not None and prepared.read(data_set).get("status") != "done":
                return f"the last preparation in {data_set} failed"
            continue
        folder, name = home
        if folder not in folders:
            folders.add(folder)
            wrong = _unsettled(folder)
            if wrong:
                return wrong
        entry = _entries(folder).get(name)
        wrong = None if entry is None else result.changed(folder, entry)
        if wrong:
            return wrong
    return None


def result_file(path: str) -> str | None:
    """The result file of the job that answers for a file."""
    home = _home(path)
    if home is not None:
        return os.path.join(home[0], result.NAME)
    data_set = _data_set(path)
    return None if data_set is None else os.path.join(data_set, prepared.NAME)


def result_files_above(path: str) -> list[str]:
    """Where the result file of a job that makes ``path`` may stand, or come to stand."""
    names = (result.NAME, prepared.NAME)
    return [os.path.join(folder, name) for folder in _above(path) for name in names]


def tidy(paths: Iterable[str]) -> None:
    """Remove what a job of this machine that was killed has left beside files that it answers for,
    and is of no more use. Does nothing where another job is at work."""
    homes = [_home(path) for path in paths]
    for folder in {home[0] for home in homes if home is not None}:
        if not placing.abandoned(folder) and not placing.parts(folder):
            continue
        if lock.is_of_another_host(folder):
            continue
        with contextlib.suppress(JobError, OSError), OutputLock(folder):
            done = result.last_done(result.read(folder))
            for one in placing.abandoned(folder):
                if not unfinished.is_kept(one) or unfinished.is_repetition(one, done):
                    placing.remove_run_folder(one)
            placing.remove_parts(folder)


def _above(path: str) -> list[str]:
    return [str(folder) for folder in Path(os.path.abspath(path)).parents]


def _names(path: str) -> Iterator[tuple[str, str]]:
    """Each folder above a file, the nearest first, and the file's name below it, with slashes."""
    whole = os.path.abspath(path)
    for folder in _above(path):
        yield folder, whole[len(folder) :].lstrip(os.sep).replace(os.sep, "/")


def _home(path: str) -> tuple[str, str] | None:
    """The output folder of the job that answers for a file, and the file's name below it."""
    for folder, name in _names(path):
        if name in _journal(folder) or name in _entries(folder):
            return folder, name
        if name == result.NAME and result.read(folder) is not None:
            return folder, name
    return None


def _data_set(path: str) -> str | None:
    """The data set whose preparation answers for a file."""
    for folder, name in _names(path):
        if name in _PREPARED and prepared.read(folder):
            return folder
    return None


def _unsettled(folder: str) -> str | None:
    """Why the files of an output folder are not the last word of its jobs."""
    if os.path.exists(os.path.join(folder, placing.JOURNAL)):  # damaged or not
        return f"a job was ended while it put its results into {folder}"
    if any(unfinished.is_finished(one) for one in placing.abandoned(folder)):
        return f"a finished training waits in {folder} for its results to be put in place"
    document = result.read(folder)
    if document is not None and document.get("status") != "done":
        return f"the last job in {folder} failed"
    return None


def _journal(folder: str) -> frozenset[str]:
    """The files that an exchange under way, or cut short, is about."""
    path = os.path.join(folder, placing.JOURNAL)
    found = stamp(path)
    return frozenset() if found is None else _journal_as(path, found)


@lru_cache(maxsize=64)
def _journal_as(path: str, _stamp: Stamp) -> frozenset[str]:
    try:
        folder, name = os.path.split(path)
        document = json.loads(read_inside(folder, name, 64 << 20))
        return frozenset(str(one["path"]) for one in document["entries"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return frozenset()


def _entries(folder: str) -> Mapping[str, Mapping[str, Any]]:
    """The files that stand in a folder by a job's doing."""
    found = stamp(os.path.join(folder, result.NAME))
    return {} if found is None else _entries_as(folder, found)


@lru_cache(maxsize=1024)
def _entries_as(folder: str, _stamp: Stamp) -> Mapping[str, Mapping[str, Any]]:
    return {one["path"]: one for one in result.entries(result.read(folder))}
