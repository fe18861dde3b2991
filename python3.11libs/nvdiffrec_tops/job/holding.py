"""The folder that a job works in, held against other jobs while it does."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from nvdiffrec_tops.job.outputs import links
from nvdiffrec_tops.job.process.lock import OutputLock
from nvdiffrec_tops.job.process.signals import StopFlag, signals
from nvdiffrec_tops.job.report.joblog import Report, output_error


@contextlib.contextmanager
def holding(
    folder: str, own: tuple[str, ...], report: Report
) -> Iterator[tuple[OutputLock, StopFlag]]:
    """Make a folder where it is missing, and hold its lock; signals are noted meanwhile.

    Args:
        folder: absolute.
        own: the files and folders in it that the job writes; none may be a link.
        report: says what is waited for.

    Raises:
        JobError: the folder cannot be made or used, or another job has it.
        Stopped: a signal came while the lock was waited for.
    """
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from None
    links.refuse(folder, own)
    with signals() as stop:
        lock = OutputLock(folder, waiting=lambda text: report.say(f"Job: {text}"), check=stop.check)
        with lock as held:
            stop.told = held.ending
            yield held, stop
