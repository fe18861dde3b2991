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
from nvdiffrec_contract.regularfiles import read_regular
from nvdiffrec_tops.job.farmstate import StateFolder

from .problem import HQueueProblem
from .task import GOODBYE

VERSION = 1
NAME = "submission.json"
_LARGEST_RECORD = 256 << 20
_LARGEST_POINTER = 1 << 16
_CURE = "submit again"


@dataclass
class Submission:
    """One submission.

    ``folder`` holds its record and its jobs' state, ``working`` is the scheduler's working folder.
    ``items``: plain data for each job, with at least ``name`` and ``job``.
    """

    token: str
    server: str
    scene: str
    folder: Path
    working: Path
    container: int = 0
    jobs: list[int] = field(default_factory=list)
    items: list[dict[str, Any]] = field(default_factory=list)
    complete: bool = False

    @property
    def path(self) -> Path:
        return self.folder / NAME

    @property
    def state(self) -> StateFolder:
        """The jobs' state files."""
        return StateFolder(self.folder / "state")

    @property
    def abandoned(self) -> bool:
        """Whether its jobs have been told to end so long ago that what has not said its end was
        killed."""
        return self.state.cancelled_for(GOODBYE)

    def write(self) -> None:
        """Write the record and the pointer to it. Raises OSError for the record alone."""
        document = {
            "version": VERSION,
            "token": self.token,
            "server": self.server,
            "scene": self.scene,
            "working": str(self.working),
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
        document = json.loads(read_regular(path, _LARGEST_RECORD))
        if not isinstance(document, dict) or document.get("version") != VERSION:
            raise ValueError(f"its version is not {VERSION}")
        return Submission(
            token=_text(document["token"]),
            server=_text(document["server"]),
            scene=_text(document["scene"]),
            folder=path.parent,
            working=Path(_text(document["working"])),
            container=_number(document["container"]),
            jobs=[_number(one) for one in document["jobs"]],
            items=[_item(one) for one in document["items"]],
            complete=bool(document["complete"]),
        )
    except OSError as error:
        raise HQueueProblem(
            f"the submission {path} cannot be read: {error.strerror or error}",
            "check that the shared folder is there",
        ) from None
    except KeyError as error:
        raise HQueueProblem(
            f"the submission {path} is damaged: {error} is missing", _CURE
        ) from None
    except (ValueError, TypeError, RecursionError) as error:
        raise HQueueProblem(f"the submission {path} is damaged: {error}", _CURE) from None


def _item(facts: Any) -> dict[str, Any]:
    """The facts of a job, as a cook writes them. Raises KeyError, TypeError, ValueError."""
    if not isinstance(facts, dict):
        raise TypeError("an item is no object")
    name = _text(facts["name"])
    if not name or re.search(r"[/\\\0]", name) or name in (".", ".."):
        raise ValueError(f"{name!r} is no name of an item")
    for key in ("log", "node", "type", "label"):
        _text(facts[key])
    for key in ("job", "id", "index"):
        _number(facts[key])
    if not isinstance(facts["attributes"], dict):
        raise TypeError("an item's attributes are no object")
    for one in facts["expected"]:
        path, tag = one
        _text(path), _text(tag)
    return facts


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise TypeError(f"{str(value)[:40]!r} is no text")
    return value


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise TypeError(f"{str(value)[:40]!r} is no number of a job")
    return value


def find(what: str, server: str = "") -> Submission:
    """The submission with this job number, or in this file or folder.

    Raises HQueueProblem when there is none, or several of one number on different servers.
    """
    path = Path(what)
    if "\0" not in what and path.is_dir():
        return read(path / NAME)
    if path.suffix == ".json" or path.is_file():
        return read(path)
    if not re.fullmatch(r"\d{1,18}", what, re.ASCII):
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
    found = []
    with contextlib.suppress(OSError):
        for path in _pointers().glob("*.json"):
            with contextlib.suppress(OSError):
                found.append((path.stat().st_mtime_ns, path))
    for _, path in sorted(found):
        number = re.match(r"(\d{1,18})-", path.name, re.ASCII)
        with contextlib.suppress(OSError, ValueError, RecursionError):
            pointer = json.loads(read_regular(path, _LARGEST_POINTER))
            good = isinstance(pointer, dict) and pointer.get("version") == VERSION
            named = good and all(isinstance(pointer.get(key), str) for key in ("record", "server"))
            if number and named and "\0" not in pointer["record"]:
                yield int(number[1]), pointer


def _pointers() -> Path:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~/AppData/Local")
    else:
        base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(base, "tops-nvdiffrec", "farm")


def _write(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, f"{json.dumps(document)}\n".encode())
