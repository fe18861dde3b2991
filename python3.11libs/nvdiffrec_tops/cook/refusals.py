"""What a cook would refuse, found without running anything: for ``--dry-run``."""

from __future__ import annotations

import os
import shlex

from nvdiffrec_contract.preparation import Preparation
from nvdiffrec_tops import attributes
from nvdiffrec_tops.command import JOB_SCRIPT
from nvdiffrec_tops.job import commandline, probe, trainer
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.jobfile import JobFile
from nvdiffrec_tops.job.outputs import links
from nvdiffrec_tops.job.report.joblog import output_error
from nvdiffrec_tops.job.run import OWN
from topcook import pdg


def refusal(command: str, *, here: bool, promised: bool = False) -> str | None:
    """Why the job of a work item would end before its training or preparation, and what to do; None
    where it is neither, or nothing is found wrong.

    Args:
        command: the work item's.
        here: whether it would run on this machine; on a farm folders may lie elsewhere.
        promised: whether another item of the cook makes the configuration.
    """
    try:
        asked = commandline.preparation_of(_arguments(command))
        if asked is not None:
            return _refused(asked) if here else None
    except JobError as error:
        return _sentence(error)
    except SystemExit:
        return None
    job = _job(command)
    if isinstance(job, JobError):
        return _sentence(job)
    if job is None:
        return None
    if promised and isinstance(job.config, str) and not os.path.exists(job.config):
        return None
    if not here and job.working_dir and not os.path.isdir(job.working_dir):
        return None
    try:
        _check(job, here)
    except JobError as error:
        return _sentence(error)
    return None


def promised(item: pdg.WorkItem) -> bool:
    """Whether a capture above an item makes its configuration in the same cook."""
    names = (attributes.CAPTURE, attributes.WORKING_DIR, attributes.CONFIG)
    return attributes.is_promised({name: str(item.stringAttribValue(name) or "") for name in names})


def _refused(asked: Preparation) -> str | None:
    for path in asked.inputs():
        if path is not None and not path.exists():
            return f"{path} does not exist. Correct the photographs or the masks"
    try:
        _check_output(str(asked.out))
    except JobError as error:
        return _sentence(error)
    return None


def _arguments(command: str) -> list[str]:
    """What a command hands to the job process; nothing of a command that is none."""
    try:
        words = shlex.split(command, posix=os.name != "nt")
    except ValueError:
        return []
    words = [word.strip('"') for word in words] if os.name == "nt" else words
    return words[words.index(str(JOB_SCRIPT)) + 1 :] if str(JOB_SCRIPT) in words else []


def _job(command: str) -> JobFile | JobError | None:
    arguments = _arguments(command)
    if not arguments:
        return None
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
