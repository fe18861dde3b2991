"""A submission on disk: what was sent to which farm, and where its jobs keep their state.

The record lies on the shared folder beside the jobs' state. A pointer to it, by server and job
number, is kept for this user, so that ``follow`` and ``cancel`` need the number alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nvdiffrec_contract.files import replace_file

from .problem import HQueueProblem

VERSION = 1
NAME = "submission.json"


@dataclass
class Submission:
    """One submission. ``items``: plain data for each job, with at least ``name`` and ``job``."""

    token: str
    server: str
    scene: str
    folder: Path
    container: int = 0
    jobs: list[int] = field(default_factory=list)
    items: list[dict[str, Any]] = field(default_factory=list)
    complete: bool = False

    @property
    def path(self) -> Path:
        return self.folder / NAME

    @property
    def state(self) -> Path:
        """The folder of the jobs' state files."""
        return self.folder / "state"

    def write(self) -> None:
        """Write the record and the pointer to it. Raises OSError for the record alone."""
        document = {
            "version": VERSION,
            "token": self.token,
            "server": self.server,
            "scene": self.scene,
            "container": self.container,
            "jobs": self.jobs,
            "complete": self.complete,
            "items": self.items,
        }
        _write(self.path, document)
        if self.container:
            with contextlib.suppress(OSError):
                pointer = {"version": VERSION, "record": str(self.path), "server": self.server}
                _write(_pointers() / f"{self.container}-{self.token}.json", pointer)


def read(path: Path) -> Submission:
    """Raises HQueueProblem: the record is missing or damaged."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict) or document.get("version") != VERSION:
            raise ValueError(f"its version is not {VERSION}")
        items = document["items"]
        if not isinstance(items, list) or not all(
            isinstance(one, dict) and isinstance(one.get("name"), str) for one in items
        ):
            raise ValueError("its items are damaged")
        return Submission(
            token=str(document["token"]),
            server=str(document["server"]),
            scene=str(document["scene"]),
            folder=path.parent,
            container=int(document["container"]),
            jobs=[int(one) for one in document["jobs"]],
            items=items,
            complete=bool(document["complete"]),
        )
    except OSError as error:
        raise HQueueProblem(
            f"the submission {path} cannot be read: {error.strerror or error}",
            "check that the shared folder is there",
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise HQueueProblem(f"the submission {path} is damaged: {error}", "submit again") from None


def find(what: str, server: str = "") -> Submission:
    """The submission with this job number, or in this file or folder.

    Raises HQueueProblem when there is none, or several of one number on different servers.
    """
    path = Path(what)
    if path.is_dir():
        return read(path / NAME)
    if path.suffix == ".json" or path.is_file():
        return read(path)
    if not re.fullmatch(r"\d{1,18}", what):
        raise HQueueProblem(f"'{what}' is neither a job's number nor the folder of a submission")
    found = [one for number, one in _known() if number == int(what)]
    if server:
        found = [one for one in found if one["server"] == server]
    if not found:
        raise HQueueProblem(
            f"job {what} was not submitted by you on this machine",
            "name the folder of its submission, which was shown when it was submitted",
        )
    if len({one["server"] for one in found}) > 1:
        listed = ", ".join(sorted({one["server"] for one in found}))
        raise HQueueProblem(f"job {what} is known of several servers ({listed})", "add --server")
    return read(Path(found[-1]["record"]))


def known() -> list[Submission]:
    """This user's submissions whose records can still be read, oldest first."""
    found = []
    for _number, pointer in _known():
        with contextlib.suppress(HQueueProblem):
            found.append(read(Path(pointer["record"])))
    return found


def _known() -> Iterator[tuple[int, dict[str, str]]]:
    try:
        paths = sorted(_pointers().glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    except OSError:
        return
    for path in paths:
        number = path.name.partition("-")[0]
        with contextlib.suppress(OSError, ValueError):
            pointer = json.loads(path.read_text(encoding="utf-8"))
            good = isinstance(pointer, dict) and pointer.get("version") == VERSION
            if good and number.isdigit() and {"record", "server"} <= pointer.keys():
                yield int(number), {key: str(value) for key, value in pointer.items()}


def _pointers() -> Path:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~/AppData/Local")
    else:
        base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(base, "tops-nvdiffrec", "farm")


def _write(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, f"{json.dumps(document)}\n".encode())
