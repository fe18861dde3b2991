"""A finished training is kept until its results are in place, whatever hinders that."""

from __future__ import annotations

import errno
import json
import os

import pytest

from nvdiffrec_tops.job import commandline, run
from nvdiffrec_tops.job.outputs import placing, result, unfinished
from nvdiffrec_tops.job.process.child import Stopped


@pytest.fixture
def cook(site, monkeypatch, capsys):
    """``cook()`` runs a job of the site in this process: its exit code, and what it said."""
    monkeypatch.chdir(site.folder)
    count = site.folder / "count"

    def go(engine: str = "nvdiffrec", *words: str) -> tuple[int, str]:
        arguments = site.arguments(engine, FAKE_COUNT=str(count))
        job, force = commandline.parse([*arguments, *words])
        code = run.run(job, force)
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return go


def trainings(site) -> int:
    return (site.folder / "count").stat().st_size


def assert_collected(site, code: int, said: str) -> None:
    assert code == 0, said
    assert "they are put in place now, without training" in said
    assert trainings(site) == 1
    document = json.loads((site.output / "result.json").read_text())
    assert document["status"] == "done" and document["failure"] is None
    assert document["metrics"]["psnr"] == 30.5 and document["metrics"]["psnr_pass1"] == 27.125
    assert document["versions"]["python"] and document["environment"]["python"]
    assert (site.output / "mesh/mesh.obj").read_text() == "mesh.obj first"
    assert not list(site.output.glob(".*"))
    # The log is still that of the training.
    log = (site.output / "job.log").read_text()
    assert "iter=   20" in log and "Job: done in " in log


@pytest.mark.parametrize("engine", ["nvdiffrec", "diffrec"])
def test_a_file_where_a_folder_should_be(site, cook, engine):
    site.output.mkdir()
    (site.output / "mesh").write_text("the artist's own")
    code, said = cook(engine)
    assert code == 4
    assert f"the file {site.output}/mesh stands where a folder is needed" in said
    assert "the training is finished and kept: cook again" in said
    assert not (site.output / "dmtet_mesh").exists()
    assert (site.output / "mesh").read_text() == "the artist's own"
    failure = json.loads((site.output / "result.json").read_text())["failure"]
    assert "without training" in failure["cure"]
    # As often as it takes.
    assert cook(engine)[0] == 4
    (site.output / "mesh").unlink()
    assert_collected(site, *cook(engine))


@pytest.mark.parametrize("full", ["replace", "mkdir", "fsync"])
def test_a_full_disk(site, cook, monkeypatch, full):
    real, finish = getattr(os, full), unfinished.finish

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "somewhere")

    def finished(*arguments: object) -> None:
        finish(*arguments)
        monkeypatch.setattr(os, full, refuse)

    assert cook("diffrec", "--set", "iter=10")[0] == 0
    (site.folder / "count").write_text("")
    monkeypatch.setattr(unfinished, "finish", finished)
    code, said = cook("diffrec")
    assert code == 4 and "the training is finished and kept" in said
    assert "Traceback" not in said
    monkeypatch.setattr(os, full, real)
    assert_collected(site, *cook("diffrec"))


def test_a_disk_that_is_full_when_the_training_ends(site, cook, monkeypatch):
    """Nothing that needs room on the disk stands between the training and its keeping."""
    reserved: list[int] = []
    finish = unfinished.finish

    def finished(folder: str, *arguments: object) -> None:
        reserved.append(os.path.getsize(os.path.join(folder, "finished.json.part")))
        finish(folder, *arguments)
        reserved.append(os.path.getsize(os.path.join(folder, "finished.json")))
        raise Stopped(15)

    monkeypatch.setattr(unfinished, "finish", finished)
    assert cook()[0] == 143
    assert 0 < reserved[1] < reserved[0]
    monkeypatch.setattr(unfinished, "finish", finish)
    assert_collected(site, *cook())


def test_an_error_of_our_own_loses_nothing_either(site, cook, monkeypatch):
    describe = result.describe

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(result, "describe", fail)
    with pytest.raises(MemoryError):
        cook()
    monkeypatch.setattr(result, "describe", describe)
    assert_collected(site, *cook())


def test_a_forced_training_is_collected_as_well(site, cook):
    site.output.mkdir()
    (site.output / "mesh").touch()
    assert cook("nvdiffrec", "--force")[0] == 4
    (site.output / "mesh").unlink()
    assert_collected(site, *cook("nvdiffrec", "--force"))


def test_results_of_other_settings_are_not_collected(site, cook):
    site.output.mkdir()
    (site.output / "mesh").touch()
    assert cook()[0] == 4
    (site.output / "mesh").unlink()
    code, said = cook("nvdiffrec", "--set", "background=white")
    assert code == 0 and "without training" not in said
    assert trainings(site) == 2
    assert not list(site.output.glob(".*"))


@pytest.mark.parametrize("harm", ["missing", "short", "no record", "damaged record"])
def test_what_is_not_whole_is_trained_again(site, cook, harm):
    site.output.mkdir()
    (site.output / "mesh").touch()
    assert cook()[0] == 4
    (site.output / "mesh").unlink()
    [folder] = site.output.glob(".run-*")
    [mesh] = folder.glob("out/*/mesh/mesh.obj")
    if harm == "missing":
        mesh.unlink()
    elif harm == "short":
        mesh.write_text("")
    elif harm == "no record":
        (folder / "finished.json").unlink()
    else:
        (folder / "finished.json").write_text("[" * 10**5)
    code, said = cook()
    assert code == 0, said
    assert trainings(site) == 2 and "without training" not in said


def test_a_change_taken_back_can_be_made_again(tmp_path):
    """The new files are back where they came from, the old ones in their places."""
    output, folder = tmp_path / "out", tmp_path / "out/.run-1"
    made = folder / "out/1"
    (made / "mesh").mkdir(parents=True)
    (output / "mesh").mkdir()
    (output / "a").write_text("old a")
    new = {"a": "new a", "mesh/b": "new b", "mesh/c/d": "new d"}
    (made / "mesh/c").mkdir()
    for name, text in new.items():
        (made / name).write_text(text)
    previous = {"a": result.sha256(str(output / "a"))}
    (output / "mesh/c").write_text("in the way")
    arguments = (str(output), str(folder), str(made), list(new), previous, {"status": "done"})
    for _ in range(2):
        with pytest.raises(placing.JobError, match="stands where a folder is needed"):
            placing.replace_set(*arguments)
        assert (output / "a").read_text() == "old a"
        assert {name: (made / name).read_text() for name in new} == new
        assert not (output / placing.JOURNAL).exists()
    (output / "mesh/c").unlink()
    placing.replace_set(*arguments)
    assert {name: (output / name).read_text() for name in new} == new
