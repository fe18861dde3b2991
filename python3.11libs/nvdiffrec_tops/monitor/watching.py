"""What is watched: the trainings below a folder, or those of a farm's job."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nvdiffrec_contract import failureline, layout
from nvdiffrec_tops import attributes
from nvdiffrec_tops.hqueue import record
from nvdiffrec_tops.hqueue.problem import HQueueProblem
from nvdiffrec_tops.job.farmstate import DONE, STARTED, exit_code
from nvdiffrec_tops.job.outputs.placing import RUN_PREFIX

from . import logreading, training
from .training import Training, one_line

DEEPEST = 5
MOST_TRAININGS = 1000
MOST_FOLDERS = 20_000


class NothingToShow(ValueError):
    """Neither a folder nor a farm's job; the message says what to name instead."""


class Folder:
    """The trainings in or below a folder, looked for again each time."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(os.path.abspath(folder))
        self.title = one_line(self.folder.name or str(self.folder))
        self._known: dict[str, Training] = {}

    def trainings(self) -> list[Training]:
        """In the order of their names."""
        found: dict[str, Training] = {}
        for path in _below(str(self.folder)):
            name = os.path.relpath(path, self.folder).replace(os.sep, "/")
            shown = self.title if name == "." else one_line(name)
            found[path] = self._known.get(path) or Training(_key(path), shown, path)
        self._known = found
        return sorted(found.values(), key=lambda one: _natural(one.name))

    def told(self, _training: Training, _state: str) -> dict[str, str]:
        """What is to be shown in place of what its folder says: nothing."""
        return {}


class Results:
    """Trainings that are known already.

    Args:
        title: of the page.
        named: the name and the output folder of each.
    """

    def __init__(self, title: str, named: Sequence[tuple[str, str]]) -> None:
        self.title = title
        folders = {os.path.abspath(folder): name for name, folder in named}
        self._trainings = [
            Training(_key(folder), one_line(name), folder) for folder, name in folders.items()
        ]

    def trainings(self) -> list[Training]:
        """In the order in which they were named."""
        return self._trainings

    def told(self, _training: Training, _state: str) -> dict[str, str]:
        """Nothing beside what their folders say."""
        return {}


class FarmJob:
    """The trainings of a submission: those whose work items name an output folder."""

    def __init__(self, submission: record.Submission) -> None:
        self._submission = submission
        self.title = one_line(Path(submission.scene).name or str(submission.container))
        self._items: dict[str, dict[str, Any]] = {}
        self._trainings: list[Training] = []
        for item in submission.items:
            values = item["attributes"].get(attributes.OUTPUT)
            output = values[0] if isinstance(values, list) and values else None
            if isinstance(output, str) and os.path.isabs(output) and "\0" not in output:
                output = os.path.normpath(output)
                if _key(output) not in self._items:
                    self._items[_key(output)] = item
                    label = f"{os.path.basename(output)} ({item['name']})"
                    self._trainings.append(Training(_key(output), one_line(label), output))

    def trainings(self) -> list[Training]:
        """In the order of the submission."""
        return self._trainings

    def told(self, one: Training, state: str) -> dict[str, str]:
        """What is to be shown in place of what its folder says, where that is the state `state`.

        The farm knows more of a job that has written nothing, and of one that has not begun: what
        lies in its folder is of an earlier training.
        """
        files, item = self._submission.state, self._items[one.key]
        begun = files.when(item["name"] + STARTED) is not None
        ended = files.when(item["name"] + DONE) is not None
        if state != training.WAITING:
            before = state != training.RUNNING and not (begun or ended or files.cancelled)
            return {"state": training.WAITING} if before else {}
        if ended:
            code = exit_code(files.read(item["name"] + DONE))
            return {} if code == 0 else {"state": training.FAILED, **self._failure(item, code)}
        if files.cancelled:
            return {"state": training.STOPPED}
        return {"state": training.RUNNING} if begun else {}

    def _failure(self, item: dict[str, Any], code: int | None) -> dict[str, str]:
        """Why a job failed, by its log on the farm."""
        name = f"logs/{item['name']}.log"
        log = logreading.read(str(self._submission.folder), name)
        for line in reversed(log.lines):
            failure = failureline.read(line, item["id"])
            if failure is not None:
                return {"id": failure.id, "cause": failure.cause, "cure": failure.cure}
        ended = "ended" if code is None else f"ended with exit code {code}"
        return {
            "id": "unknown",
            "cause": f"its job {ended} before the training began",
            "cure": f"read the end of its log, {self._submission.folder / name}",
        }


Watched = Folder | FarmJob | Results


def watched(what: str | None) -> Watched:
    """What a person named: a folder, or a farm job's number or folder; None is ``out`` here, or
    this folder.

    Raises:
        NothingToShow: there is neither.
        HQueueProblem: the farm's job cannot be read.
    """
    if what is None:
        return Folder(Path("out") if os.path.isdir("out") else Path())
    if os.path.isdir(what):
        if os.path.isfile(os.path.join(what, record.NAME)):
            return FarmJob(record.find(what))
        return Folder(Path(what))
    if os.path.isfile(what) and os.path.basename(what) == layout.RESULT:
        return Folder(Path(what).parent)
    try:
        return FarmJob(record.find(what))
    except HQueueProblem:
        if what.isdecimal():
            raise
        raise NothingToShow(
            f"there is no folder {what}; name the output folder of a training, a folder above "
            "several, or the number of a farm's job"
        ) from None


def is_training(folder: str) -> bool:
    """Whether a training has left something in a folder."""
    marks = (*training.MARKS, layout.REQUIRED[0])
    if any(os.path.isfile(os.path.join(folder, *name.split("/"))) for name in marks):
        return True
    try:
        return any(one.name.startswith(RUN_PREFIX) for one in os.scandir(folder))
    except OSError:
        return False


def _below(folder: str) -> list[str]:
    found: list[str] = []
    level, looked = [folder], 0
    for _ in range(DEEPEST):
        following: list[str] = []
        for one in level:
            looked += 1
            if looked > MOST_FOLDERS or len(found) >= MOST_TRAININGS:
                return found
            if is_training(one):
                found.append(one)
                continue
            try:
                entries = [entry for entry in os.scandir(one) if not entry.name.startswith(".")]
                following += [e.path for e in entries if e.is_dir(follow_symlinks=False)]
            except OSError:
                continue
        level = following
    return found


def _key(path: str) -> str:
    """Names a training in addresses: the same as long as its folder has the same path."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def _natural(text: str) -> list[tuple[int, str]]:
    parts = re.split(r"(\d{1,15})", text.lower())
    return [(int(one), "") if one.isdecimal() else (0, one) for one in parts]
