"""A finished training: what it made, how good it is, and its way into the output folder."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

from nvdiffrec_contract import layout
from nvdiffrec_contract.failure import EXIT_OUTPUT
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.outputs import placing, result
from nvdiffrec_tops.job.report.joblog import output_error
from nvdiffrec_tops.job.report.progress import Progress

LOG = "job.log"
_FIGURES = ("psnr", "psnr_pass1", "mse", "faces", "vertices", "image_loss", "iterations")


def made_in(folder: str) -> tuple[str, list[str]]:
    """Where the trainer of a run folder writes to, and what is to be collected of it."""
    run_id = os.path.basename(folder)[len(placing.RUN_PREFIX) :]
    made = os.path.join(folder, "out", run_id)
    own = (result.NAME, LOG, layout.LIVE_TABLE)
    return made, [name for name in placing.produced(made) if name not in own]


def refuse_incomplete(found: list[str], log: str) -> None:
    """A training without an error has made at least these files.

    Raises:
        JobError: it has not.
    """
    missing = [name for name in layout.REQUIRED if name not in found]
    if missing:
        raise JobError(
            "outputs-missing",
            "the trainer ended without an error but did not write " + ", ".join(missing),
            f"read the log: {log}",
            EXIT_OUTPUT,
        )


def metrics(progress: Progress) -> dict[str, float | int]:
    """The figures that a log told at its end, those that are known and finite."""
    told = {name: getattr(progress, name) for name in _FIGURES}
    return {
        name: value for name, value in told.items() if value is not None and math.isfinite(value)
    }


def described(made: str, found: list[str], check: Callable[[], None]) -> list[dict[str, Any]]:
    """The result file's entries for what was made. ``check`` is called before each file.

    Raises:
        JobError: a file cannot be read.
    """
    listed: list[dict[str, Any]] = []
    for name in found:
        check()
        try:
            listed += result.describe(made, [name], layout.tag)
        except OSError as error:
            raise output_error(made, error) from None
    return listed
