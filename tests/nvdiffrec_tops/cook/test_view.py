from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from nvdiffrec_tops.cook.console import tail
from nvdiffrec_tops.cook.view import LiveView, View, duration, open_view
from topcook import pdg
from topcook.schedulers.local import Job

FLAGS = ["Config / Flags:", "---------", "iter 1000", "---------"]
LINE = "iter=  {}, img_loss=0.007175, reg_loss=0.015584, lr=0.02660, time=247.0 ms, rem=3.05 m"


@pytest.fixture
def item() -> pdg.WorkItem:
    context = pdg.GraphContext()
    node = pdg.Node(context.graph, "train", pdg.nodeType.Processor, cast(Any, None))
    context.graph.addNode(node)
    holder = pdg.WorkItemHolder(node, static=True)
    made = holder.addWorkItem()
    node.addItems(holder.workItems)
    made.setState(pdg.workItemState.Cooking)
    return made


def _job(item: pdg.WorkItem) -> Job:
    return cast(Job, SimpleNamespace(item=item, log=Path("/logs/train_1.log")))


def test_plain_lines_are_rare(item: pdg.WorkItem) -> None:
    stream = io.StringIO()
    view = View(item.graph, stream)
    view.started(_job(item))
    for line in [*FLAGS, *(LINE.format(n) for n in range(0, 1000, 10))]:
        view.line(item, line)
    said = [line for line in stream.getvalue().splitlines() if " %" in line]
    # The first pass is 56 % of a job: one line per 10 %, not one per log line.
    assert 4 <= len(said) <= 7
    assert "pass 1, iter" in said[-1] and "/1000" in said[-1] and "loss 0.00717" in said[-1]


def test_job_percentage_wins(item: pdg.WorkItem) -> None:
    stream = io.StringIO()
    view = View(item.graph, stream)
    item.setCookPercent(0.37)
    view.line(item, "ALF_PROGRESS 37%")
    item.setState(pdg.workItemState.CookedSuccess)
    view.ended(item)
    view.line(item, "ALF_PROGRESS 99%")
    assert stream.getvalue().splitlines()[0] == "train_1: 37 %"
    assert "train_1: done" in stream.getvalue() and "99" not in stream.getvalue()


def test_live_view_shows_nodes_and_bars(item: pdg.WorkItem) -> None:
    view = LiveView(item.graph, io.StringIO())
    view.started(_job(item))
    for line in [*FLAGS, LINE.format(500), "Running validation", "MSE,      PSNR", "0.001, 28.25"]:
        view.line(item, line)
    console = Console(file=io.StringIO(), width=140)
    console.print(view.render())
    text = cast(io.StringIO, console.file).getvalue()
    for word in ("Node", "train", "iter 500/1000", "loss 0.00717", "PSNR 28.25 dB", "left"):
        assert word in text


def test_a_file_gets_plain_lines(item: pdg.WorkItem) -> None:
    assert type(open_view(item.graph, io.StringIO())) is View


def test_markup_in_names_is_shown_as_it_is(item: pdg.WorkItem) -> None:
    item.name = "a[red]b"
    view = LiveView(item.graph, io.StringIO())
    view.started(_job(item))
    console = Console(file=io.StringIO(), width=140)
    console.print(view.render())
    assert "a[red]b" in cast(io.StringIO, console.file).getvalue()


def test_duration_and_tail(tmp_path: Path) -> None:
    assert [duration(s) for s in (4.25, 185, 7620)] == ["4.2 s", "3 min 05 s", "2 h 07 min"]
    log = tmp_path / "x.log"
    log.write_bytes(b"\xff first\n\n" + b"line\n" * 50)
    assert tail(log, 3) == ["line"] * 3
    assert tail(None) == tail(tmp_path / "none") == []
