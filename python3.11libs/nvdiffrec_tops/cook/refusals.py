"""What a cook would refuse, found without running anything: for ``--dry-run``."""

from __future__ import annotations

import os
import shlex

from nvdiffrec_tops.command import JOB_SCRIPT
from nvdiffrec_tops.job import commandline, probe, trainer
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.jobfile import JobFile
from nvdiffrec_tops.job.outputs import links
from nvdiffrec_tops.job.report.joblog import output_error
from nvdiffrec_tops.job.run import OWN


def refusal(command: str, *, here: bool) -> str | None:
    """Why the job of a work item would end before its training, and what to do; None where it is
    not a training, or nothing is found wrong.

    Args:
        command: the work item's.
        here: whether it would run on this machine; on a farm folders may lie elsewhere.
    """
    job = _job(command)
    if isinstance(job, JobError):
        return _sentence(job)
    if job is None:
        return None
    if not here and job.working_dir and not os.path.isdir(job.working_dir):
        return None
    try:
        _check(job, here)
    except JobError as error:
        return _sentence(error)
    return None


def _job(command: str) -> JobFile | JobError | None:
    try:
        words = shlex.split(command, posix=os.name != "nt")
    except ValueError:
        return None
    words = [word.strip('"') for word in words] if os.name == "nt" else words
    if str(JOB_SCRIPT) not in words:
        return None
    arguments = words[words.index(str(JOB_SCRIPT)) + 1 :]
    try:
        return commandline.parse(arguments)[0]
    except JobError as error:
        return error
    except SystemExit:
        return None


def _check(job: JobFile, here: bool) -> None:
    """Raises JobError."""
    trainer.prepare(job)
    if here:
        probe.interpreter(job.python)
        _check_output(job.output)


def _check_output(output: str) -> None:
    try:
        os.lstat(output)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:  # a name that no disk takes, for example
        raise output_error(output, error) from None
    above = output
    while not os.path.lexists(above) and os.path.dirname(above) != above:
        above = os.path.dirname(above)
    if not os.path.isdir(above) or not os.access(above, os.W_OK):
        what = "is no folder" if not os.path.isdir(above) else "cannot be written to"
        raise JobError(
            "output-unwritable",
            f"the output folder {output} cannot be made: {above} {what}",
            "correct it, or choose another output folder",
            1,
        )
    if above == output:
        links.refuse(output, OWN)


def _sentence(error: JobError) -> str:
    failure = error.failure
    return f"{failure.cause}. {failure.cure[:1].upper()}{failure.cure[1:]}"
