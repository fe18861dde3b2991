"""What a job reports of its item, however much, takes bounded memory and ends no cook."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from topcook import pdg
from topcook.cook import _missing
from topcook.jobs.outputs import Snapshot
from topcook.schedulers import base
from topcook.schedulers.base import Job, Scheduler


@pytest.fixture
def job() -> Job:
    graph = pdg.GraphContext("top").graph
    node = pdg.Node(graph, "node", pdg.nodeType.Processor, cast("Any", None), "x")
    item = pdg.WorkItem(node, 7, "item", static=True)
    return Job(item, cast("Any", None), [], {}, Path("log"), Snapshot({}, {}))


def read(job: Job, line: str) -> None:
    scheduler = SimpleNamespace(
        _on_line=lambda *_: None,
        _keeps=lambda *given: Scheduler._keeps(cast("Any", None), *given),
    )
    Scheduler._read(cast("Scheduler", scheduler), job, line)


@pytest.mark.parametrize(
    "line",
    ["PDG_ATTRIB: 7;a{0};1", "PDG_ATTRIB: 7;a{0}.999;1", 'PDG_ATTRIB: 7;a{0};"' + 5000 * "x" + '"',
     "PDG_WARNING: 7;w{0}", "PDG_RESULT: 7;-1;/f{0};file;0"],
)  # fmt: skip
def test_reports_without_end(job, line, monkeypatch):
    monkeypatch.setattr(base, "_MOST_KEPT", 1 << 20)
    tracemalloc.start()
    for number in range(3000):
        read(job, line.format(number))
    for attribute in job.attributes.values():
        attribute.give(job.item)
    _now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 << 20
    assert "more than can be kept" in job.trouble
    kept = len(job.attributes) + len(job.warnings) + len(job.outputs)
    assert 0 < kept < 3000


def test_an_ordinary_jobs_reports_are_all_kept(job):
    for number in range(2000):
        read(job, f"PDG_RESULT: 7;-1;/out/img_mesh_pass_{number:06d}.png;file/image/png;0")
        read(job, f"PDG_ATTRIB: 7;v.{number % 3};1.5")
    assert len(job.outputs) == 2000 and not job.trouble
    job.forget()
    assert job.kept == 0 and not job.outputs


@pytest.mark.parametrize("name", ["n" * 300, "n" * 9000, "a\0b"])
def test_a_name_that_no_disk_takes_is_a_file_that_is_missing(tmp_path, name):
    assert "does not exist" in str(_missing([pdg.File(f"{tmp_path}/{name}", "file")]))
