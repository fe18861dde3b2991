"""What a person sees of a training: its log, and on a terminal a bar in place of its iterations."""

from __future__ import annotations

import os
import threading
import time
from typing import Any, TextIO

from diffrec import side_work
from diffrec.progress import Progress
from nvdiffrec_contract import failurefile
from nvdiffrec_contract.terminal import plain, raw

_SECONDS = 3.0
"""A first run says this often how far its kernels are, when that has changed."""
_AGAIN = 30.0
"""And this often when it has not."""


class Console:
    """Prints a training's log, and says meanwhile how many kernels are compiled.

    As a context; the bar goes when it is left.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: Any = None
        self._task: Any = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tell_compiling, daemon=True)

    def __enter__(self) -> Console:
        self._bar = _bar(self._stream)
        if self._bar is not None:
            self._task = self._bar.add_task("getting ready", total=None), 0
            self._bar.start()
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        if self._bar is not None:
            self._bar.stop()

    def log(self, line: str) -> None:
        """A line of the log. The bar stands for the lines of iterations."""
        if self._bar is None:
            print(plain(line), file=self._stream, flush=True)
        elif not line.startswith("iter="):
            self._bar.console.print(plain(line), markup=False, highlight=False, soft_wrap=True)

    def progress(self, found: Progress) -> None:
        """How far the training is."""
        if self._bar is None:
            return
        words = f"pass {found.pass_number}, loss {found.image_loss:.5f}"
        total, done = found.iterations, found.iteration
        if self._task[1] != found.pass_number:
            if not self._task[1]:
                self._bar.remove_task(self._task[0])
            self._task = self._bar.add_task(words, total=total), found.pass_number
        self._bar.update(self._task[0], description=words, completed=done)

    def _tell_compiling(self) -> None:
        begun = told = time.monotonic()
        before = None
        while not self._ended.wait(_SECONDS):
            done, total = side_work.progress()
            if done < total:
                now = time.monotonic()
                if done != before or now - told >= _AGAIN:
                    before, told = done, now
                    self.log(f"Compiling kernels, once on this machine: {done} of {total} done")
            elif before is not None:
                seconds = time.monotonic() - begun
                self.log(f"Compiled kernels: {total} of {total} in {seconds:.0f} s")
                return


def _bar(stream: TextIO) -> Any:
    """A bar on a terminal that can redraw; None elsewhere, under a job and without rich."""
    if not stream.isatty() or os.environ.get("TERM") == "dumb" or failurefile.PLACE in os.environ:
        return None
    try:
        from rich.console import Console as Terminal
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bars
    except ImportError:
        return None
    return Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Terminal(file=raw(stream)),
    )
