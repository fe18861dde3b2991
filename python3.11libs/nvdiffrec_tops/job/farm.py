"""Runs a work item's command on a farm machine, from a file on the shared folder.

A farm hands a job nothing but a command line through a shell, and shows its output to nobody who
is not at the farm's web pages. So the command line names one file, the *farm file*; it says what to
run in which environment, and where the item's log and its state go (see ``farmfile``). Whoever
submitted the job follows those files, also when the farm's server is away (see ``farmstate``).
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import sys
import time
from collections.abc import Iterator, Sequence
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
from nvdiffrec_contract.files import reached
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.farmfile import FarmFile, read
from nvdiffrec_tops.job.farmstate import DONE, STARTED, StateFolder, attempt, exit_code
from nvdiffrec_tops.job.process.cards import CardClaim
from nvdiffrec_tops.job.process.child import Child, Stopped
from nvdiffrec_tops.job.process.lock import OutputLock
from nvdiffrec_tops.job.process.signals import signals
from nvdiffrec_tops.job.report.joblog import Report, tell_failure

_PERCENT = re.compile(r"ALF_PROGRESS\s+(\d{1,3})%")
_CHECK_SECONDS = 1.0


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
        self._state = StateFolder(given.state)
        self._folder = ""
        self._checked = 0.0
        self._attempt = 1

    def run(self) -> int:
        given = self._given
        with signals() as stop, contextlib.ExitStack() as stack:
            try:
                self._folder = self._state.folder(given.name)
                lock = self._locked(stop.check)
                if lock is None:
                    code = exit_code(self._state.read(given.name + DONE))
                    return EXIT_OUTPUT if code is None else code
                stack.enter_context(_released(lock))
                self._open_log()
                if self._state.cancelled:
                    raise Stopped(15)
                self._slot(stack, stop.check)
                code = self._follow(stop, lock)
            except Stopped as stopped:
                self._report.say(f"Job: stopped ({stopped})")
                if not self._state.cancelled:
                    return EXIT_STOPPED  # the machine goes away, perhaps: another may go on
                code = EXIT_STOPPED
            except OSError as error:
                code = self._unwritable(error)
            try:
                self._write(DONE, code=code, ended=time.time())
            except OSError as error:
                code = code or self._unwritable(error)
            return code

    def _unwritable(self, error: OSError) -> int:
        path = error.filename or self._given.state
        self._report.complain(f"Job: failed: {path}: {error.strerror or error}")
        self._report.complain(
            "Cure: remove it, or correct the permissions and the room of the shared folder; "
            "then submit again"
        )
        return EXIT_OUTPUT

    def _locked(self, check: Any) -> OutputLock | None:
        """The item's lock; None when another machine has finished it meanwhile.

        A server that took a silent machine for lost may have started the job a second time.
        """
        told = False
        while True:
            if self._state.when(self._given.name + DONE) is not None:
                self._report.say("Job: another machine has finished this work item")
                return None
            lock = OutputLock(self._folder, self._given.heartbeat)
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
        earlier = self._state.read(self._given.name + STARTED)
        self._attempt = attempt(earlier) + 1
        # Below the submission's own folder, or where the scene has named it.
        with reached(self._given.log, os.path.dirname(self._given.state), make=True) as place:
            self._log = open(place.end(), "ab", buffering=0)  # noqa: SIM115
        if self._attempt > 1:
            self._say(f"Job: attempt {self._attempt}, on {platform.node()}")
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
                    if self._state.cancelled:
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
        facts.update(host=platform.node(), pid=os.getpid(), job=os.environ.get("JOBID", ""))
        facts["attempt"] = self._attempt
        self._state.write(self._given.name + kind, facts)


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
