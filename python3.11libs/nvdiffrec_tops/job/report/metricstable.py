"""How loss and PSNR go while a training runs: a table of comma-separated values.

The diffrec trainer writes ``metrics.csv`` itself, into its own output folder. For a trainer that
does not, it is made here, from the log, with the same columns:

    epoch, pass, iteration, image_loss, regularizer_loss, learning_rate, psnr, progress_psnr, memory

``epoch`` counts the iterations of all passes, ``iteration`` those of one, from 0; ``psnr``, in dB,
stands in the last row of a validated pass, ``progress_psnr`` in the row after a progress picture,
and ``memory``, in MiB, where the trainer tells it. All are nan elsewhere. The table belongs to the
results.

While the training runs it lies in a folder of its own, so a copy of it is kept up to date as
``training.csv`` in the output folder: that of the training that runs, or ran last, beside its log.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from pathlib import Path

from nvdiffrec_contract import layout
from nvdiffrec_contract.files import replace_file
from nvdiffrec_tops.job.report.progress import Progress

NAME = layout.TABLE
LIVE = layout.LIVE_TABLE
HEADER = layout.TABLE_HEADER
_PSNR = HEADER.split(",").index("psnr")
_SECONDS = 1.0
"""Table and copy are written this often at most, however fast a trainer prints."""


class MetricsTable:
    """The table of one job.

    Args:
        made: where the trainer writes its results.
        output: the job's output folder.
        own: whether the trainer writes the table itself.
    """

    def __init__(self, made: str, output: str, own: bool) -> None:
        self._path = os.path.join(made, NAME)
        self._live = os.path.join(output, LIVE)
        self._own = own
        self._rows: list[str] = []
        self._epochs = 0  # of a pass, where the log does not say
        self._written = float("-inf")
        self._pictured = math.nan

    def feed(self, line: str, progress: Progress) -> None:
        """Take a line of the log and the state after it. Never raises: a table that cannot be
        written is none of a training's business."""
        if "img_loss=" in line:
            self._add(progress)
        elif line.startswith("Progress picture:"):
            self._pictured = math.nan if progress.picture_psnr is None else progress.picture_psnr
        elif progress.stage == "validating" and not line.startswith("Running"):
            self._validated(progress.psnr)
        if time.monotonic() - self._written >= _SECONDS:
            self._written = time.monotonic()
            if not self._own:
                self._write()
            self._copy()

    def finish(self) -> None:
        """The training has ended well: the table and its copy are complete."""
        if not self._own or not os.path.exists(self._path):  # by an older trainer there is none
            self._write()
        self._copy()

    def _copy(self) -> None:
        with contextlib.suppress(OSError), open(self._path, "rb") as stream:
            replace_file(Path(self._live), stream.read())

    def _validated(self, psnr: float | None) -> None:
        if self._rows and psnr is not None and math.isfinite(psnr):
            cells = self._rows[-1].split(",")
            cells[_PSNR] = f"{psnr:.3f}"
            self._rows[-1] = ",".join(cells)

    def _add(self, progress: Progress) -> None:
        if progress.pass_number <= 1:
            self._epochs = max(self._epochs, progress.iteration + 1)
        epochs = self._epochs if progress.iterations is None else progress.iterations + 1
        epoch = max(progress.pass_number - 1, 0) * epochs + progress.iteration
        while self._rows and int(self._rows[-1].partition(",")[0]) >= epoch:
            self._rows.pop()
        figures = (progress.image_loss, progress.regularizer_loss, progress.learning_rate)
        loss, regularizer, rate = (float("nan") if one is None else one for one in figures)
        self._rows.append(
            f"{epoch},{progress.pass_number},{progress.iteration},"
            f"{loss:.6f},{regularizer:.6f},{rate:.5f},nan,{self._pictured:.3f},nan"
        )
        self._pictured = math.nan

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            text = "".join(f"{one}\n" for one in (HEADER, *self._rows))
            replace_file(Path(self._path), text.encode())
