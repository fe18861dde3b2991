"""What a person sees of a cook: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any, TextIO

from nvdiffrec_contract.terminal import plain, raw
from nvdiffrec_contract.wording import counted
from nvdiffrec_tops.job.report.progress import Progress, ProgressParser
from topcook import pdg
from topcook.schedulers.base import Job

from .reporting import duration

_LINE_SECONDS = 5.0
_LINE_PERCENT = 10.0


@dataclass
class Running:
    """A running item's progress, read from its log lines."""

    item: pdg.WorkItem
    parser: ProgressParser = field(default_factory=lambda: ProgressParser(clock=time.monotonic))
    progress: Progress | None = None
    since: float = field(default_factory=time.monotonic)

    def feed(self, line: str) -> bool:
        """Take in a log line; True when it says something about the progress."""
        found = self.parser.feed(line)
        if found is not None:
            self.progress = found
        marks = ("ALF_PROGRESS", "PDG_SET_CUSTOM_STATE")
        return found is not None or any(mark in line for mark in marks)

    @property
    def percent(self) -> float:
        own = 100 * self.item.cookPercent
        return own or (self.progress.percent if self.progress else 0.0)

    def facts(self) -> str:
        """Pass, iteration, loss, PSNR and time left, as far as they are known."""
        one = self.progress
        if one is None:
            return self.item.customState
        parts = [one.pass_name or one.stage]
        if one.pass_name and one.stage not in ("training", ""):
            parts.append(one.stage)
        if one.iteration or one.stage == "training":
            parts.append(f"iter {one.iteration}" + (f"/{one.iterations}" if one.iterations else ""))
        if one.image_loss is not None:
            parts.append(f"loss {one.image_loss:.5f}")
        if one.psnr is not None:
            parts.append(f"PSNR {one.psnr:.2f} dB")
        if one.remaining is not None:
            parts.append(f"{duration(one.remaining)} left")
        return ", ".join(parts)


class View:
    """Plain lines, and the base of the live view. Safe to call from several threads."""

    def __init__(self, graph: pdg.Graph, stream: TextIO) -> None:
        self.graph, self.stream = graph, stream
        self.running: dict[int, Running] = {}
        self.lock = threading.RLock()
        self._said: dict[int, tuple[float, float]] = {}

    def __enter__(self) -> View:
        return self

    def __exit__(self, *_error: object) -> None:
        """Nothing to undo: lines stay."""

    def say(self, text: str) -> None:
        with self.lock:
            self.stream.write(plain(text) + "\n")
            self.stream.flush()

    def generated(self, node: pdg.Node) -> None:
        count = len(node.workItems)
        self.say(f"{node.name}: {counted(count, 'work item')}")

    def started(self, job: Job) -> None:
        self._follow(job.item)
        self.say(f"{job.item.name}: started, log {job.log}")

    def ended(self, item: pdg.WorkItem) -> None:
        with self.lock:
            was_running = self.running.pop(item.id, None)
        if was_running or item.state is not pdg.workItemState.CookedSuccess:
            text = STATE_WORDS.get(item.state, item.state.name)
            spent = f" after {duration(item.cookDuration)}" if was_running else ""
            self.say(f"{item.name}: {text}{spent}")  # the summary says why, once

    def line(self, item: pdg.WorkItem, line: str) -> None:
        with self.lock:
            # A quick command's first lines come before it is announced.
            if not item.isCooked and self._follow(item).feed(line):
                self.progress(self.running[item.id])

    def _follow(self, item: pdg.WorkItem) -> Running:
        with self.lock:
            return self.running.setdefault(item.id, Running(item))

    def progress(self, running: Running) -> None:
        """Print at most one line per item in 5 s, sooner only after another 10 %."""
        now, item = time.monotonic(), running.item
        then, percent = self._said.get(item.id, (running.since, 0.0))
        if now - then >= _LINE_SECONDS or running.percent - percent >= _LINE_PERCENT:
            self._said[item.id] = (now, running.percent)
            facts = running.facts()
            self.say(f"{item.name}: {running.percent:.0f} %" + (f", {facts}" if facts else ""))


STATE_WORDS = {
    pdg.workItemState.CookedSuccess: "done",
    pdg.workItemState.CookedCache: "up to date, its outputs exist",
    pdg.workItemState.CookedFail: "FAILED",
    pdg.workItemState.CookedCancel: "cancelled",
    pdg.workItemState.Uncooked: "not cooked",
    pdg.workItemState.Waiting: "not cooked",
    pdg.workItemState.Scheduled: "scheduled",
    pdg.workItemState.Cooking: "cooking",
}


class LiveView(View):
    """A table of nodes and one progress bar per running item, redrawn a few times a second."""

    def __init__(self, graph: pdg.Graph, stream: TextIO) -> None:
        super().__init__(graph, stream)
        from rich.console import Console
        from rich.live import Live

        self.console = Console(file=raw(stream))
        self._live = Live(
            get_renderable=self.render, console=self.console, refresh_per_second=4, transient=True
        )

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._live.stop()
        self.console.print(self._table())

    def say(self, text: str) -> None:
        self.console.print(plain(text), markup=False, highlight=False)

    def generated(self, node: pdg.Node) -> None:
        """The table shows it."""

    def started(self, job: Job) -> None:
        self._follow(job.item)

    def progress(self, running: Running) -> None:
        """The bars are read when the view is redrawn."""

    def _table(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        for title in ("Node", "Items", "Done", "Cached", "Running", "Waiting", "Failed"):
            table.add_column(title, justify="left" if title == "Node" else "right")
        states = pdg.workItemState
        for node in self.graph.nodes():
            items = node.workItems
            counts = [
                sum(item.state in group for item in items)
                for group in (
                    (states.CookedSuccess,),
                    (states.CookedCache,),
                    (states.Cooking, states.Scheduled),
                    (states.Uncooked, states.Waiting),
                    (states.CookedFail, states.CookedCancel),
                )
            ]
            style = "red" if counts[4] else "green" if node.isCooked else ""
            total = str(len(items)) if node.isGenerated else f"{len(items)}+"
            table.add_row(
                Text(plain(node.name), style), total, *(str(n) if n else "" for n in counts)
            )
        return table

    def render(self) -> Any:
        """The whole picture at this moment."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        bars = Table.grid(padding=(0, 1))
        with self.lock:
            for running in self.running.values():
                percent = running.percent
                known = percent > 0
                spent = time.monotonic() - running.since
                bars.add_row(
                    Text(plain(running.item.name)),
                    ProgressBar(
                        total=100 if known else None, completed=percent, width=30, pulse=not known
                    ),
                    Text(f"{percent:3.0f} %" if known else duration(spent)),
                    Text(plain(running.facts()), no_wrap=True, overflow="ellipsis"),
                )
            return Group(self._table(), bars)


def open_view(graph: pdg.Graph, stream: TextIO) -> View:
    """The live view on a terminal that can redraw, else plain lines."""
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        return LiveView(graph, stream)
    return View(graph, stream)
