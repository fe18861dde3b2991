"""Runs a work item's command on a farm machine, from a file on the shared folder.

A farm hands a job nothing but a command line through a shell, and shows its output to nobody who
is not at the farm's web pages. So the command line names one file, the *farm file*; it says what to
run in which environment, and where the item's log and its state go. Whoever submitted the job
follows those files, also when the farm's server is away.

    {"version": 1, "command": [word, ...], "shell": false, "environment": {name: value},
     "unset": [name, ...], "log": path, "state": folder, "name": item, "mounts": [[path, ...], ...],
     "interpreters": {platform: path}, "slots": 0}

``state/NAME.started`` and ``state/NAME.done`` are JSON; ``state/cancel`` asks the jobs to end.
``mounts``: the places of each shared folder on the platforms of the farm; a path below one of them
is changed to this machine's. ``interpreters``: the training environment's Python on platforms
other than the one that wrote the file. ``slots``: how many of these jobs a machine runs at once,
0 for any.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nvdiffrec_contract import failureline
from nvdiffrec_contract.failure import (
    EXIT_BUSY,
    EXIT_ENVIRONMENT,
    EXIT_OUTPUT,
    EXIT_STOPPED,
    EXIT_USAGE,
    Failure,
)
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.outputs import regularfile
from nvdiffrec_tops.job.process.cards import CardClaim
from nvdiffrec_tops.job.process.child import Child, Stopped
from nvdiffrec_tops.job.process.lock import OutputLock
from nvdiffrec_tops.job.process.signals import signals
from nvdiffrec_tops.job.report.joblog import Report, tell_failure

FLAG = "--farm"
VERSION = 1
STARTED, DONE, CANCEL = ".started", ".done", "cancel"
PLATFORMS = ("linux", "windows", "macosx")
"""HQueue's names of platforms, in the order in which ``mounts`` lists their paths."""
GRACE = 25.0
"""Seconds for the command to save its work after it is asked to end; the job process needs 10."""
_MOST_BYTES = 16 << 20
_LARGEST_STATE = 1 << 16
_MOST_SLOTS = 1024
_PERCENT = re.compile(r"ALF_PROGRESS\s+(\d{1,3})%")
_CHECK_SECONDS = 1.0


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
        document = json.loads(regularfile.read(path, _MOST_BYTES).decode("utf-8"))
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


def main(arguments: Sequence[str]) -> int:
    """``--farm FILE``; the exit code is the command's own, or one of those in ``failures``."""
    report = Report(sys.stdout, sys.stderr)
    try:
        if len(arguments) != 1:
            raise JobError("usage", "--farm takes one file", "submit again", EXIT_USAGE)
        return _FarmJob(read(arguments[0]), report).run()
    except JobError as error:
        tell_failure(report, error.failure)
        return error.failure.exit_code


class _FarmJob:
    def __init__(self, given: FarmFile, report: Report) -> None:
        self._given, self._report = given, report
        self._base = os.path.join(given.state, given.name)
        self._cancel = os.path.join(given.state, CANCEL)
        self._checked = 0.0
        self._attempt = 1

    def run(self) -> int:
        given = self._given
        with signals() as stop, contextlib.ExitStack() as stack:
            try:
                os.makedirs(self._base, exist_ok=True)
                lock = self._locked(stop.check)
                if lock is None:
                    return _code(self._base + DONE)
                stack.enter_context(_released(lock))
                self._open_log()
                if os.path.exists(self._cancel):
                    raise Stopped(15)
                self._slot(stack, stop.check)
                code = self._follow(stop, lock)
            except Stopped as stopped:
                self._report.say(f"Job: stopped ({stopped})")
                if not os.path.exists(self._cancel):
                    return EXIT_STOPPED  # the machine goes away, perhaps: another may go on
                code = EXIT_STOPPED
            except OSError as error:
                path = error.filename or given.state
                self._report.complain(f"Job: failed: {path}: {error.strerror or error}")
                code = EXIT_OUTPUT
            self._write(DONE, code=code, ended=time.time())
            return code

    def _locked(self, check: Any) -> OutputLock | None:
        """The item's lock; None when another machine has finished it meanwhile.

        A server that took a silent machine for lost may have started the job a second time.
        """
        told = False
        while True:
            if os.path.exists(self._base + DONE):
                self._report.say("Job: another machine has finished this work item")
                return None
            lock = OutputLock(self._base, self._given.heartbeat)
            try:
                return lock.__enter__()
            except JobError as busy:
                if busy.failure.exit_code != EXIT_BUSY:
                    raise
                if not told:
                    told = True
                    self._report.say(f"Job: waiting, {busy.failure.cause}")
            check()
            time.sleep(_CHECK_SECONDS)

    def _open_log(self) -> None:
        earlier = state(self._base + STARTED)
        self._attempt = attempt(earlier) + 1
        os.makedirs(os.path.dirname(self._given.log), exist_ok=True)
        self._log = open(self._given.log, "ab", buffering=0)  # noqa: SIM115
        if self._attempt > 1:
            self._say(f"Job: attempt {self._attempt}, on {socket.gethostname()}")
        self._write(STARTED, attempt=self._attempt, started=time.time())

    def _slot(self, stack: contextlib.ExitStack, check: Any) -> None:
        """Wait for one of the places that these jobs have on this machine."""
        if self._given.slots > 0:
            claim = stack.enter_context(
                CardClaim([f"slot{number + 1}" for number in range(self._given.slots)])
            )
            claim.wait(check, lambda: self._say("Job: waiting for its turn on this machine"))

    def _follow(self, stop: Any, lock: OutputLock) -> int:
        given = self._given
        environment = {k: v for k, v in os.environ.items() if k not in given.unset}
        environment.update(given.environment)
        command = given.command
        if isinstance(command, str):
            command = _shell(command)
        try:
            child = Child(command, environment, given.state, given.grace)
        except OSError as error:
            cause = f"{command[0]} cannot be started: {error.strerror or error}"
            cure = "check that this machine sees it under that path"
            failure = Failure("not-started", cause, cure, EXIT_ENVIRONMENT)
            item = failureline.item_of(environment)
            if item:
                self._say(failureline.text(item, failure))
            self._say(f"Job: failed: {cause}")
            self._say(f"Cure: {cure}")
            return failure.exit_code
        with child:
            stop.child = child
            stop.check()

            def tick() -> None:
                lock.touch()
                now = time.monotonic()
                if now - self._checked >= _CHECK_SECONDS:
                    self._checked = now
                    if os.path.exists(self._cancel):
                        raise Stopped(15)

            try:
                for line in child.lines(tick=tick):
                    self._line(line)
                code = child.wait()
            except Stopped:
                child.end()
                raise
            finally:
                stop.child = None
        return code if code >= 0 else 128 - code

    def _line(self, line: str) -> None:
        with contextlib.suppress(OSError):
            self._log.write(line.encode("utf-8", "replace"))
        self._report.write(line)
        found = _PERCENT.search(line)
        if found:
            self._report.protocol(f"PROGRESS: {min(int(found[1]), 100)}/100")

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._log.write(f"{text}\n".encode("utf-8", "replace"))
        self._report.say(text)

    def _write(self, kind: str, **facts: Any) -> None:
        facts.update(host=socket.gethostname(), pid=os.getpid(), job=os.environ.get("JOBID", ""))
        facts["attempt"] = self._attempt
        part = f"{self._base}{kind}.{socket.gethostname()}.{os.getpid()}.part"
        with open(part, "w", encoding="utf-8") as stream:
            json.dump(facts, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, self._base + kind)


@contextlib.contextmanager
def _released(lock: OutputLock) -> Iterator[None]:
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def _shell(command: str) -> list[str]:
    if os.name == "nt":
        return [os.environ.get("COMSPEC", "cmd.exe"), "/d", "/s", "/c", f'"{command}"']
    return ["/bin/sh", "-c", command]


def state(path: str) -> dict[str, Any]:
    """What a state file says; {} where it is missing or damaged."""
    try:
        document = json.loads(regularfile.read(path, _LARGEST_STATE))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def exit_code(facts: Mapping[str, Any]) -> int | None:
    """The exit code that a job's last state file tells; None when it tells none."""
    return whole(facts.get("code"), range(-(1 << 31), 1 << 32))


def attempt(facts: Mapping[str, Any]) -> int:
    """Which start of a job it was, from 1 on, as its state files tell; 0 for none."""
    return whole(facts.get("attempt"), range(1, 1 << 20)) or 0


def whole(value: Any, allowed: range) -> int | None:
    """A number of a state file, or None for anything but a whole one in the range."""
    good = isinstance(value, int) and not isinstance(value, bool) and value in allowed
    return value if good else None


def moment(value: Any) -> float | None:
    """Seconds (of state files since 1970), or None for anything else."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e11
    return float(value) if good else None


def _code(path: str) -> int:
    code = exit_code(state(path))
    return EXIT_OUTPUT if code is None else code
