"""Failures of a training: those that the job finds itself, and those that a log tells of.

What is known of logs stands in tables: that of any trainer of PyTorch in ``knownfailures``, an
engine's own in its folder. To teach the job a failure, add one entry to a table, and a sample and
a counterexample to the test.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from nvdiffrec_contract.failure import Failure
from nvdiffrec_tops.job.knownfailures.entry import KnownFailure
from nvdiffrec_tops.job.knownfailures.graphics import GRAPHICS, SMALLER_BATCH_HELPS
from nvdiffrec_tops.job.knownfailures.machine import MACHINE
from nvdiffrec_tops.job.knownfailures.recognition import LAST_LINES, recognise

__all__ = [
    "ENVIRONMENT",
    "LAST_LINES",
    "MACHINE",
    "SMALLER_BATCH_HELPS",
    "JobError",
    "KnownFailure",
    "ended",
    "quoted",
    "recognise",
]

ENVIRONMENT = GRAPHICS
"""PyTorch, CUDA and the graphics card; before :data:`MACHINE` in a table."""


class JobError(Exception):
    """A failure found by the job process itself."""

    def __init__(self, id: str, cause: str, cure: str, exit_code: int) -> None:
        super().__init__(cause)
        self.failure = Failure(id, cause, cure, exit_code)

    @classmethod
    def of(cls, failure: Failure) -> JobError:
        """The error that reports ``failure``."""
        error = JobError(failure.id, failure.cause, failure.cure, failure.exit_code)
        error.failure = failure
        return error


def quoted(text: str) -> str:
    """``text`` as one word of this system's command line, for a cure that is pasted there."""
    if os.name == "nt":
        return f'"{text}"' if " " in text else text
    return shlex.quote(text)


def ended(
    code: int,
    lines: Sequence[str],
    log: str,
    table: Sequence[KnownFailure],
    python: str = "python",
) -> Failure:
    """The failure of a trainer that has ended.

    Args:
        code: its exit code; negative: it was ended by that signal.
        lines: the end of its log, oldest first.
        log: where the whole log can be read.
        table: what to look for.
        python: the training environment's interpreter, as a shell reads it.
    """
    known = recognise(lines, table, python=python, ended_by_signal=code < 0)
    if known is not None:
        return known
    tail = tuple(lines[-LAST_LINES:])
    if 128 < code < 160:  # a shell between us and the trainer tells of a signal so
        code = 128 - code
    if code == -9:
        return Failure(
            "killed",
            "the trainer was killed, most likely because the machine's memory was full",
            "lower batch, train_res or texture_res, or run fewer jobs at a time",
            lines=tail,
        )
    if code in (-11, -6, -4, -7, 0xC0000005, 0xC0000005 - (1 << 32)):
        return Failure(
            "crashed",
            "the trainer crashed ("
            + (f"signal {-code}" if -100 < code < 0 else hex(code & 0xFFFFFFFF))
            + ")",
            "a crash at the first call of tiny-cuda-nn comes from a second C++ runtime: build it "
            "with the system compiler. Otherwise check the GPU driver, or use the diffrec engine",
            lines=tail,
        )
    cause = f"the trainer ended with {f'signal {-code}' if code < 0 else f'exit code {code}'}"
    said = next((line.strip() for line in reversed(tail) if line.strip()), "")
    if said:
        cause += f"; its last line: {said}"
    return Failure("unknown", cause, f"read the end of the log: {log}", lines=tail)
