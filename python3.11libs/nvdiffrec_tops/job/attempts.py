"""Runs the trainer until it has ended well, or until nothing more can be done."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nvdiffrec_contract import failurefile
from nvdiffrec_contract.failure import EXIT_ENVIRONMENT, EXIT_TIMEOUT, Failure
from nvdiffrec_tops.job import engines, preflight, trainer
from nvdiffrec_tops.job.failures import LAST_LINES, JobError, ended, quoted
from nvdiffrec_tops.job.jobfile import JobFile
from nvdiffrec_tops.job.outputs import placing, unfinished
from nvdiffrec_tops.job.process.child import Child, TimedOut
from nvdiffrec_tops.job.process.signals import StopFlag
from nvdiffrec_tops.job.report.progress import Progress
from nvdiffrec_tops.job.retries import Retries

_KEPT_LINES = 500


class _SilentError(Exception):
    """The trainer has printed nothing for too long."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.cause)
        self.failure = failure


class Attempts:
    """The starts of one job's trainer.

    Args:
        folder: the run folder; ``run_id``: name of the trainer's output folder in it.
        log: where the whole log can be read.
        stop: ends the trainer with a signal.
        alive: called often while it runs.
        line: takes each line of its log.
        note: takes a sentence on each further start.
        progress: tells how far the trainer is.
    """

    def __init__(
        self,
        job: JobFile,
        folder: str,
        run_id: str,
        log: str,
        *,
        stop: StopFlag,
        alive: Callable[[], None],
        line: Callable[[str], None],
        note: Callable[[str], None],
        progress: Callable[[], Progress],
    ) -> None:
        self._job, self._folder, self._run_id, self._log = job, folder, run_id, log
        self._engine = engines.engine(job.engine)
        self._stop, self._alive, self._line, self._note = stop, alive, line, note
        self._progress = progress
        self._config: Mapping[str, Any] = {}
        self._environment: Mapping[str, str] = {}
        self._heard = 0.0  # when the trainer last printed something

    def run(
        self,
        training: trainer.Training,
        command: list[str],
        environment: Mapping[str, str],
        findings: Sequence[Mapping[str, str]],
    ) -> None:
        """Train, and train again where something could be mended.

        Raises:
            JobError: nothing more can be mended. ``findings`` of the doctor explain an unknown one.
            Stopped: the job was asked to end.
        """
        limit = self._job.timeout
        deadline = None if limit is None else time.monotonic() + limit
        variables = {**environment, **self._engine.variables(self._folder)}
        retries = Retries(self._job, training)
        self._environment = environment
        while True:
            self._config = retries.training.config
            failure = self._attempt(command, variables, deadline)
            if failure is None:
                return
            before = retries.training
            note = retries.after(failure)
            if note is None:
                raise JobError.of(preflight.explained(retries.explained(failure), findings))
            self._note(note)
            if retries.training is not before or not unfinished.is_resumable(self._folder):
                placing.remove_run_folder(os.path.join(self._folder, "out"))
            trainer.write_configuration(retries.training, self._folder, self._run_id)

    def _tick(self) -> None:
        """See whether all is well while the trainer runs."""
        self._alive()
        allowed = self._engine.longest_silence(self._progress(), self._config, self._environment)
        if allowed is not None and time.monotonic() - self._heard > allowed[0]:
            raise _SilentError(allowed[1])

    def _attempt(
        self, command: list[str], environment: dict[str, str], deadline: float | None
    ) -> Failure | None:
        """Run the trainer once; None when it ended well."""
        lines: collections.deque[str] = collections.deque(maxlen=_KEPT_LINES)
        told = self._engine.failure_file(self._folder)
        if told is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(told)
        self._stop.check()
        try:
            child = Child(command, environment, self._folder)
        except OSError as error:
            raise JobError(
                "trainer-not-started",
                f"the trainer cannot be started: {error.strerror or error}: {command[0]}",
                "check the training environment",
                EXIT_ENVIRONMENT,
            ) from None
        with child:
            self._stop.child = child
            try:
                self._stop.check()
                left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
                self._heard = time.monotonic()
                for line in child.lines(left, self._tick):
                    self._heard = time.monotonic()
                    self._line(line)
                    lines.append(line.rstrip("\r\n"))
            except TimedOut:
                return Failure(
                    "timeout",
                    f"the training took longer than its limit of {self._job.timeout:g} s",
                    "raise the time-out, lower iter or train_res, or use a faster machine",
                    EXIT_TIMEOUT,
                    lines=tuple(lines)[-LAST_LINES:],
                )
            except _SilentError as silent:
                return dataclasses.replace(silent.failure, lines=tuple(lines)[-LAST_LINES:])
            finally:
                self._stop.child = None
            code = child.wait()
        if code == 0:
            return None
        failure = None if told is None else failurefile.read(told)
        if failure is not None:
            return dataclasses.replace(failure, lines=tuple(lines)[-LAST_LINES:])
        python = quoted(command[0])
        return ended(code, list(lines), self._log, self._engine.failures, python)
