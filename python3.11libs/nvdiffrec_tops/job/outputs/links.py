"""Links in an output folder: a job neither writes nor removes anything through one.

The output folder itself may lie behind links. What matters is what stands inside it: anybody who
shares the folder could lead the job to somebody else's files.
"""

from __future__ import annotations

import os

from nvdiffrec_contract import layout
from nvdiffrec_contract.failure import EXIT_OUTPUT
from nvdiffrec_contract.files import is_link
from nvdiffrec_tops.job.failures import JobError

_FOLDERS = (layout.FINAL, layout.FIRST, *layout.VALIDATION.values())


def refuse(output: str, names: tuple[str, ...]) -> None:
    """See, before anything is done, that no name that a job uses in ``output`` is a link.

    Args:
        output: the output folder.
        names: files that jobs keep there, beside the folders of results.

    Raises:
        JobError: one is.
    """
    for name in (*names, *_FOLDERS):
        path = os.path.join(output, name)
        if is_link(path):
            raise link_error(path)


def link_error(path: str) -> JobError:
    """What to say of a link in an output folder."""
    try:
        shown = f"{path} is a link to {os.readlink(path)}"
    except (OSError, ValueError):
        shown = f"{path} is a link"
    return JobError(
        "output-link",
        f"{shown}; a job writes nothing through links inside its output folder",
        "remove the link, or choose another output folder (which may itself lie behind a link)",
        EXIT_OUTPUT,
    )
