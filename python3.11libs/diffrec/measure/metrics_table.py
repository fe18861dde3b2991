"""metrics.csv: how loss and PSNR went, a row for every line of the log, readable at any time.

| column | |
|---|---|
| epoch | iterations done in all passes when this one began; never the same twice |
| pass, iteration | as in the log; iterations count from 0 in each pass |
| image_loss, regularizer_loss | means since the row before |
| learning_rate | of the next iteration |
| psnr | dB over the validation views, in the last row of a pass; nan where nothing was validated |
| progress_psnr | dB over the views of the progress picture made since the row before; else nan |
| memory | MiB held then: of the GPU's memory, or by the process on a processor; nan if unknown |

A number stands in every cell, for readers that want one. Rows are appended; a training that goes
on from a checkpoint, or back to an earlier iteration, first takes out the rows that it repeats.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from diffrec.progress import Progress
from nvdiffrec_contract import layout
from nvdiffrec_contract.files import replace_file

NAME = layout.TABLE
HEADER = layout.TABLE_HEADER
_PSNR = HEADER.split(",").index("psnr")


class MetricsTable:
    """The table in a training's output folder.

    Args:
        folder: the output folder, which exists.
        iterations: of a pass, as in the configuration.
        log: takes the warning that the table cannot be written, which ends no training.
        memory: MiB that are held now.
    """

    def __init__(
        self,
        folder: Path,
        iterations: int,
        log: Callable[[str], None],
        memory: Callable[[], float] = lambda: math.nan,
    ) -> None:
        self._path = folder / NAME
        self._iterations = iterations
        self._log = log
        self._rows: list[str] = []
        self._last = -1
        self._broken = False
        self._memory = memory
        self._pictured = math.nan

    def begin(self, *, resumed: bool) -> None:
        """A training begins: anew, or with the rows that an earlier process left."""
        self._rows = self._found() if resumed else []
        self._last = _epoch(self._rows[-1]) if self._rows else -1
        self._write()

    def add(self, progress: Progress) -> None:
        """The next row. Rows of this epoch and later ones are replaced by it."""
        number, iteration = progress.pass_number, progress.iteration
        epoch = (number - 1) * (self._iterations + 1) + iteration
        means = f"{progress.image_loss:.6f},{progress.regularizer_loss:.6f}"
        row = (
            f"{epoch},{number},{iteration},{means},{progress.learning_rate:.5f},nan,"
            f"{self._pictured:.3f},{self._memory():.0f}"
        )
        self._pictured = math.nan
        behind = epoch > self._last
        if not behind:
            self._rows = [one for one in self._rows if _epoch(one) < epoch]
        self._rows.append(row)
        self._last = epoch
        if behind:
            self._append(row)
        else:
            self._write()

    def pictured(self, psnr: float) -> None:
        """A progress picture was made whose views reach this PSNR, in dB."""
        self._pictured = psnr if math.isfinite(psnr) else math.nan

    def validated(self, psnr: float) -> None:
        """The pass that has just ended reached this PSNR, in dB."""
        if self._rows and math.isfinite(psnr):
            cells = self._rows[-1].split(",")
            cells[_PSNR] = f"{psnr:.3f}"
            self._rows[-1] = ",".join(cells)
            self._write()

    def _found(self) -> list[str]:
        """The whole rows of the file; a row that was cut off, and what follows it, is none."""
        try:
            lines = self._path.read_text(encoding="utf-8").split("\n")
        except (OSError, ValueError):
            return []
        rows: list[str] = []
        for line in lines[1:-1] if lines[0] == HEADER else []:
            cells = line.split(",")
            if len(cells) != HEADER.count(",") + 1 or not cells[0].isdecimal():
                break
            rows.append(line)
        return rows

    def _append(self, row: str) -> None:
        try:
            with self._path.open("ab") as stream:
                stream.write(f"{row}\n".encode())
        except OSError as error:
            self._failed(error)

    def _write(self) -> None:
        try:
            replace_file(self._path, "".join(f"{one}\n" for one in (HEADER, *self._rows)).encode())
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        if not self._broken:
            self._log(f"Warning: {self._path} cannot be written: {error.strerror or error}")
        self._broken = True


def _epoch(row: str) -> int:
    return int(row.partition(",")[0])
