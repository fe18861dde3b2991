"""When a checkpoint is due, and writing it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diffrec.training import checkpoint
from diffrec.training.checkpoint import LoopState
from nvdiffrec_contract import layout
from nvdiffrec_contract.configuration import Config

# Writing takes at most this share of the time; before the first one, a disk of this speed is
# assumed.
LARGEST_SHARE = 0.02
BYTES_PER_SECOND = 200e6


class Saving:
    """The checkpoints that one run writes. `writes`: whether this process does."""

    def __init__(
        self, config: Config, path: Path, log: Callable[[str], None], *, writes: bool
    ) -> None:
        self._config = config
        self._path = path
        self._log = log
        self._writes = writes
        self._interval = config.diffrec.checkpoint_interval
        self._began = self._saved_at = time.monotonic()
        self._cost: float | None = None

    def due(self, state: LoopState | None) -> bool:
        """Whether enough time has passed since the last checkpoint."""
        least = self._config.diffrec.checkpoint_seconds
        if not self._interval or state is None:
            return False
        if least == 0:
            return True
        since = time.monotonic() - self._saved_at
        if since < least:
            return False
        cost = self._cost
        if cost is None:
            cost = checkpoint.size(checkpoint.captured(state)) / BYTES_PER_SECOND
        return since >= cost / LARGEST_SHARE

    def save(
        self,
        state: LoopState | None,
        following: int,
        *,
        quietly: bool,
        seconds_before: float,
        **notes: Any,
    ) -> None:
        """Write a checkpoint whose next iteration is `following`; a full disk ends no run.

        `seconds_before`: of earlier processes. `notes`: what else it holds.
        """
        if not self._interval or state is None or not self._writes:
            return
        began = time.monotonic()
        document = {
            **checkpoint.captured(state),
            "iteration": following,
            "seconds": seconds_before + began - self._began,
            **notes,
        }
        where = f"iteration {following} of pass {state.pass_number}"
        try:
            checkpoint.write(self._path, self._config, document)
        except OSError as error:
            self._log(f"Warning: the checkpoint {self._path} cannot be written: {error}")
        else:
            if not quietly:
                self._log(f"Saved at {where}; the same command goes on from there")
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - began

    def remove(self) -> None:
        """Remove the checkpoint of a finished run, unless its starter keeps it: where the results
        are moved elsewhere, and may be lost before they are."""
        if self._writes and os.environ.get(layout.KEEP_CHECKPOINT) != "1":
            checkpoint.remove(self._path)
