"""Trainings that were ended before their end: what is kept of them, and how one goes on.

The diffrec trainer writes checkpoints into its own output folder, which lies in the run folder in
the job's output folder, where another machine finds it as well. A run folder with a checkpoint
outlives its job. The next job with the same digest takes what the trainer had written into its own
run folder, and the trainer goes on from there. A run folder belongs to whoever holds the output's
lock; every function here is to be called with it held.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from nvdiffrec_tops.job import outputs
from nvdiffrec_tops.job.result import write_json

CHECKPOINT = "checkpoint.pt"  # of diffrec, in its output folder
_STAMP = "training.json"


def stamp(folder: str, digest: str) -> None:
    """Write down what a run folder trains. Raises OSError."""
    write_json(os.path.join(folder, _STAMP), {"digest": digest})


def is_resumable(folder: str) -> bool:
    """Whether a run folder holds a checkpoint."""
    return _checkpoint(folder) is not None


def matching(folders: Sequence[str], digest: str) -> str | None:
    """The newest of the run folders that holds a checkpoint of the job with ``digest``."""
    for folder in sorted(folders, reverse=True):
        if _digest(folder) == digest and is_resumable(folder):
            return folder
    return None


def adopt(former: str, folder: str) -> bool:
    """Move what the trainer wrote in the run folder ``former`` into that of a new run, and remove
    the rest; whether that was possible."""
    checkpoint = _checkpoint(former)
    if checkpoint is None:
        return False
    run_id = os.path.basename(folder)[len(outputs.RUN_PREFIX) :]
    try:
        os.makedirs(os.path.join(folder, "out"), exist_ok=True)
        os.rename(os.path.dirname(checkpoint), os.path.join(folder, "out", run_id))
    except OSError:
        return False
    outputs.remove_run_folder(former)
    return True


def _checkpoint(folder: str) -> str | None:
    run_id = os.path.basename(folder)[len(outputs.RUN_PREFIX) :]
    path = os.path.join(folder, "out", run_id, CHECKPOINT)
    return path if os.path.isfile(path) else None


def _digest(folder: str) -> str | None:
    try:
        with open(os.path.join(folder, _STAMP), encoding="utf-8") as stream:
            found = json.load(stream)
    except (OSError, ValueError, RecursionError):
        return None
    digest = found.get("digest") if isinstance(found, dict) else None
    return digest if isinstance(digest, str) else None
