"""Whether outputs are up to date is asked of the job that made them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from nvdiffrec_tops.cli import main
from nvdiffrec_tops.job.outputs import committed, placing, result, unfinished
from topcook import pdg
from topcook.jobs.outputs import Snapshot


def leave(output: Path, **changed: object) -> dict[str, object]:
    """Results of a job."""
    (output / "mesh").mkdir(parents=True, exist_ok=True)
    (output / "mesh/mesh.obj").write_text("v 0 0 0\n")
    os.utime(output / "mesh/mesh.obj", (1000, 1000))
    listed = result.describe(str(output), ["mesh/mesh.obj"], lambda _: "file/geo/obj")
    document = {
        "format": result.FORMAT, "version": result.VERSION, "status": "done", "digest": "d",
        "outputs": listed, **changed,
    }  # fmt: skip
    result.write_json(str(output / result.NAME), document)
    return document


def fail(output: Path) -> None:
    """A later job fails; the results before it stay."""
    document = result.read(str(output))
    failed = {**(document or {}), "status": "failed", "outputs": [], "previous": document}
    result.write_json(str(output / result.NAME), failed)


@pytest.fixture
def mesh(tmp_path: Path) -> Path:
    leave(tmp_path / "out")
    return tmp_path / "out/mesh/mesh.obj"


@pytest.mark.parametrize(
    ("harm", "runs"),
    [
        (lambda mesh: None, 0),
        (lambda mesh: mesh.write_text(""), 1),
        (lambda mesh: mesh.write_text("v 0 0 1\n"), 1),
        (lambda mesh: os.utime(mesh, (5, 5)), 0),
        (lambda mesh: (mesh.parents[1] / placing.JOURNAL).write_text(
            '{"run": "x", "entries": [{"path": "mesh/mesh.obj"}]}'), 1),
        (lambda mesh: (mesh.parents[1] / placing.JOURNAL).write_text("[]"), 1),
        (lambda mesh: fail(mesh.parents[1]), 1),
        (lambda mesh: (mesh.parents[1] / result.NAME).unlink(), 0),
    ],
    ids=["whole", "empty", "changed", "touched", "half in place", "damaged", "failed", "of no job"],
)  # fmt: skip
def test_a_cook_asks_the_job(scene, top, mesh, tmp_path, capsys, harm, runs) -> None:
    harm(mesh)
    ran = tmp_path / "ran"
    ran.write_text("")
    parms = {
        "pdg_command": f"\"{sys.executable}\" -c \"open(r'{ran}', 'a').write('x')\"",
        "expectedoutputsfrom": "2",
        "expectedoutputfiles": 1,
        "expectedoutputfile1": str(mesh),
    }
    hip = scene(top("run", "genericgenerator", parms))
    assert main(["cook", str(hip), "--json"]) == 0
    captured = capsys.readouterr()
    assert len(ran.read_text()) == runs
    [item] = json.loads(captured.out)["items"]
    assert item["stateName"] == ("CookedSuccess" if runs else "CookedCache")
    assert ("run_1: its job is asked again: " in captured.err) == bool(runs)
    if runs:
        code = main(["cook", str(hip), "--json", "--set", "run.pdg_cachemode=1"])
        assert code == 1 and "the Cache Mode is Read Files and " in capsys.readouterr().out


def test_contents_are_read_once(mesh, monkeypatch) -> None:
    read: list[str] = []
    digest = result.sha256
    monkeypatch.setattr(result, "sha256", lambda path: read.append(path) or digest(path))
    for _ in range(3):
        assert committed.fault([str(mesh)]) is None
    assert read == []  # it is the very file that the job left
    os.utime(mesh, (2000, 2000))
    for _ in range(3):
        assert committed.fault([str(mesh)]) is None
    assert read == [str(mesh)]


def test_a_file_of_no_job_is_no_concern(mesh, tmp_path) -> None:
    other = mesh.with_name("other.obj")
    other.write_text("")
    assert committed.fault([str(other)]) is None and not committed.answered_for(str(other))
    assert committed.answered_for(str(mesh))
    (mesh.parents[1] / result.NAME).write_text("{")
    assert not committed.answered_for(str(mesh))


def test_a_training_that_waits_is_the_last_word(mesh) -> None:
    folder = mesh.parents[1] / ".run-20260101-000000-abcdef"
    made = folder / "out/x"
    made.mkdir(parents=True)
    (made / "mesh.obj").write_text("new")
    unfinished.stamp(str(folder), "digest", None)
    assert committed.fault([str(mesh)]) is None
    unfinished.finish(str(folder), str(made), ["mesh.obj"], {})
    assert "waits" in (committed.fault([str(mesh)]) or "")


def test_a_snapshot_leaves_a_jobs_files_to_the_job(mesh, tmp_path) -> None:
    other = tmp_path / "out/mesh/other.obj"
    snapshot = Snapshot.of([pdg.File(str(mesh)), pdg.File(str(other))])
    mesh.unlink()
    leave(tmp_path / "out")
    other.write_text("half")
    assert not snapshot.committed()  # not every expected file is a job's
    assert snapshot.touched() == [other]
    snapshot.discard()
    assert mesh.exists() and not other.exists()


def test_only_a_new_result_is_a_jobs_success(mesh, tmp_path) -> None:
    snapshot = Snapshot.of([pdg.File(str(mesh))])
    assert not snapshot.committed()
    leave(tmp_path / "out", digest="e")
    assert snapshot.committed()
    mesh.write_text("")
    assert not snapshot.committed()
    assert not Snapshot.of([]).committed()
