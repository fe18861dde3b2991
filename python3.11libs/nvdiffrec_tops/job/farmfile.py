"""The farm file: what a work item's command is on a farm, read on the machine that runs it.

    {"version": 1, "command": [word, ...], "shell": false, "environment": {name: value},
     "unset": [name, ...], "log": path, "state": folder, "name": item, "mounts": [[path, ...], ...],
     "interpreters": {platform: path}, "slots": 0}

``mounts``: the places of each shared folder on the platforms of the farm; a path below one of them
is changed to this machine's. ``interpreters``: the training environment's Python on platforms
other than the one that wrote the file. ``slots``: how many of these jobs a machine runs at once,
0 for any.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nvdiffrec_contract.failure import EXIT_USAGE
from nvdiffrec_contract.regularfiles import read_regular
from nvdiffrec_tops.job.failures import JobError

VERSION = 1
PLATFORMS = ("linux", "windows", "macosx")
"""HQueue's names of platforms, in the order in which ``mounts`` lists their paths."""
GRACE = 25.0
"""Seconds for the command to save its work after it is asked to end; the job process needs 10."""
_MOST_BYTES = 16 << 20
_MOST_SLOTS = 1024


@dataclass(frozen=True)
class FarmFile:
    """What a farm file says, paths already as this machine sees them."""

    name: str
    command: list[str] | str
    environment: dict[str, str]
    unset: tuple[str, ...]
    log: str
    state: str
    slots: int = 0
    grace: float = GRACE
    heartbeat: float = 10.0


@dataclass
class Mounts:
    """Shared folders: for each its path on every platform, '' where it has none."""

    folders: Sequence[Sequence[str]] = field(default_factory=tuple)
    platform: str = ""

    def here(self, path: str) -> str:
        """``path`` of any platform as this one sees it; what lies elsewhere is unchanged."""
        place = PLATFORMS.index(self.platform or platform())
        for folder in self.folders:
            if not folder[place]:
                continue
            for other, root in enumerate(folder):
                rest = None if other == place or not root else below(path, root, PLATFORMS[other])
                if rest is not None:
                    return folder[place].rstrip("/\\") + rest if rest else folder[place]
        return path

    def word(self, word: str) -> str:
        """A word of a command: a path, or an option with one."""
        name, equals, value = word.partition("=")
        if equals and name.startswith("--"):
            return f"{name}={self.here(value)}"
        return self.here(word)

    def words(self, words: Sequence[str], python: str = "") -> list[str]:
        """A whole command; arguments of a job process are changed behind their escapes.

        ``python``: this platform's interpreter, in place of the one that the command begins with
        and of the training environment.
        """
        from nvdiffrec_tops.job.commandline import ESCAPED, escape, unescape

        def changed(word: str) -> str:
            return (
                f"--python={python}" if python and word.startswith("--python=") else self.word(word)
            )

        found: list[str] = []
        escaped = False
        for word in words:
            found.append(escape(changed(unescape(word))) if escaped else changed(word))
            escaped = escaped or word == ESCAPED
        if (
            python
            and found
            and re.match(r"(?i)python[\d.]*(\.exe)?$", re.split(r"[/\\]", words[0])[-1])
        ):
            found[0] = python
        return found


def platform() -> str:
    """HQueue's name of this platform."""
    return {"win32": "windows", "darwin": "macosx"}.get(sys.platform, "linux")


def below(path: str, root: str, system: str) -> str | None:
    """What follows ``root`` in ``path``, with ``/`` and beginning with one; None elsewhere.

    Windows does not tell ``/`` from a backslash, nor large letters from small ones.
    """
    whole, top = path, root
    if system == "windows":
        whole, top = path.replace("\\", "/"), root.replace("\\", "/")
    top = top.rstrip("/")
    head = whole[: len(top)]
    same = head.lower() == top.lower() if system == "windows" else head == top
    rest = whole[len(top) :]
    if not same or (rest and not rest.startswith("/")):
        return None
    return rest


def read(path: str) -> FarmFile:
    """Raises JobError: it is missing, damaged, or of another version."""
    try:
        document = json.loads(read_regular(path, _MOST_BYTES).decode("utf-8"))
        return _parsed(document)
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from None
    except (
        AttributeError,
        KeyError,
        OverflowError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise _unusable(path, f"{type(error).__name__}: {error}") from None


def _unusable(path: str, reason: str) -> JobError:
    return JobError(
        "farm-file",
        f"the farm file {path} cannot be used: {reason}",
        "check that this machine sees the shared folder under that path, then submit again",
        EXIT_USAGE,
    )


def _parsed(document: Any) -> FarmFile:
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise ValueError(f"its version is not {VERSION}")
    folders = document.get("mounts", [])
    for folder in folders:
        if len(folder) != len(PLATFORMS) or not all(isinstance(path, str) for path in folder):
            raise ValueError("mounts are not lists of three paths")
    mounts = Mounts(folders)
    command, name = document["command"], document["name"]
    if document.get("shell"):
        if not isinstance(command, str):
            raise ValueError("a command for the shell is one text")
    elif not isinstance(command, list) or not all(isinstance(one, str) for one in command):
        raise ValueError("the command is not a list of words")
    else:
        command = mounts.words(command, str(document.get("interpreters", {}).get(platform(), "")))
    if not isinstance(name, str) or not name or name != os.path.basename(name):
        raise ValueError("the name is not a file name")
    environment = {str(key): str(value) for key, value in document["environment"].items()}
    unset = tuple(str(one) for one in document.get("unset", []))
    log, state = str(document["log"]), str(document["state"])
    words = [command] if isinstance(command, str) else command
    if any("\0" in one for one in (name, log, state, *words, *environment, *environment.values())):
        raise ValueError("a text holds a null character")
    slots = whole(document.get("slots", 0), range(_MOST_SLOTS + 1))
    seconds = [moment(document.get(*one)) for one in (("grace", GRACE), ("heartbeat", 10.0))]
    if slots is None or None in seconds or not words:
        raise ValueError("the command is empty, or a number is out of range")
    return FarmFile(
        name=name,
        command=command,
        environment={key: _entries(mounts, value) for key, value in environment.items()},
        unset=unset,
        log=mounts.here(log),
        state=mounts.here(state),
        slots=slots,
        grace=seconds[0] or 0.0,
        heartbeat=seconds[1] or 0.0,
    )


def _entries(mounts: Mounts, value: str) -> str:
    """A variable's value with its path, or each path of its list, changed to this machine's."""
    changed = mounts.here(value)
    if changed != value or ":" not in value or os.name == "nt":
        return changed
    return ":".join(mounts.here(one) for one in value.split(":"))


def whole(value: Any, allowed: range) -> int | None:
    """A number of a state file, or None for anything but a whole one in the range."""
    good = isinstance(value, int) and not isinstance(value, bool) and value in allowed
    return value if good else None


def moment(value: Any) -> float | None:
    """Seconds (of state files since 1970), or None for anything else."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e11
    return float(value) if good else None
