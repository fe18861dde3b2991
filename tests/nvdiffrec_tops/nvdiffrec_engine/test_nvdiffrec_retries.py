"""What is mended between two starts of a training, and what is only explained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nvdiffrec_contract.failure import Failure
from nvdiffrec_tops.job.engines.nvdiffrec.failures import FAILURES
from nvdiffrec_tops.job.failures import recognise
from nvdiffrec_tops.job.jobfile import JobFile
from nvdiffrec_tops.job.retries import Retries
from nvdiffrec_tops.job.trainer import Training

MEMORY = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"
BUSY = "RuntimeError: CUDA error: all CUDA-capable devices are busy or unavailable"
EMPTY = "AssertionError: Got empty training triangle mesh (unrecoverable discontinuity)"


def failure(line: str) -> Failure:
    found = recognise([line], FAILURES)
    assert found is not None
    return found


def retries(policy: str = "fail", count: int = 1, **config: object) -> Retries:
    job = JobFile("nvdiffrec", "/o", {}, retries=count)
    object.__setattr__(job, "on_out_of_memory", policy)
    return Retries(job, Training(dict(config), dict(config), {}, "/checkout"))


def test_plain_retries_are_counted():
    mine = retries(count=2)
    assert [bool(mine.after(failure(BUSY))) for _ in range(3)] == [True, True, False]
    assert retries(count=0).after(failure(BUSY)) is None
    assert "(1 of 2)" in str(retries(count=2).after(failure(BUSY)))


def test_the_batch_is_halved_down_to_one_where_that_is_asked_for():
    mine = retries("halve_batch", 0, batch=8, iter=5)
    seen = []
    while (note := mine.after(failure(MEMORY))) is not None:
        seen.append(mine.training.config["batch"])
        assert f"batch {seen[-1]} in place of {2 * seen[-1]}" in note
    assert seen == [4, 2, 1]
    assert mine.training.asked["batch"] == 8 and mine.training.config["iter"] == 5
    assert "batch of 1 view as well" in mine.explained(failure(MEMORY)).cause


@pytest.mark.parametrize("config", [{"batch": 1}, {}, {"batch": "8"}, {"batch": 2.5}])
def test_a_batch_that_cannot_be_halved_is_no_retry(config):
    assert retries("halve_batch", **config).after(failure(MEMORY)) is None


def test_a_full_memory_is_a_failure_where_nothing_else_is_asked_for():
    mine = retries("fail", batch=8)
    assert mine.after(failure(MEMORY)) is None and mine.training.config["batch"] == 8
    assert mine.explained(failure(MEMORY)) == failure(MEMORY)


def test_a_stale_lock_is_cleared_once(tmp_path):
    lock = tmp_path / "v fx/tops_nvdiffrec/torch_extensions/host/py311/x/lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    found = failure(f'RuntimeError: "{lock}" exists')
    mine = retries(count=0)
    assert f"removed the stale lock {lock}" in str(mine.after(found))
    assert not lock.exists()
    lock.touch()
    assert mine.after(found) is None and lock.exists()


@pytest.mark.parametrize(
    ("size", "scale", "said"),
    [(3.0, 2.1, "reaches 3 from the origin"), (0.01, 2.1, "a small part"), (0.9, 2.1, None)],
)
def test_an_empty_mesh_is_compared_with_the_grid(tmp_path, size, scale, said):
    mesh = tmp_path / "mesh.obj"
    mesh.write_text(f"# none\nv 0 0 {-size}\nv 0 0.001 0\nvn 0 9 0\nf 1 2 2\n")
    told = retries(ref_mesh=str(mesh), mesh_scale=scale).explained(failure(EMPTY))
    assert "masks first" in told.cure
    assert (said in told.cause) if said else told == failure(EMPTY)


@pytest.mark.parametrize("text", [b"", b"v a b c\n", b"v\n", b"\xff\xfe\0", b"v 1\n"])
def test_a_mesh_that_cannot_be_read_is_no_second_failure(tmp_path, text):
    (tmp_path / "mesh.obj").write_bytes(text)
    told = retries(ref_mesh=str(tmp_path / "mesh.obj")).explained(failure(EMPTY))
    assert told.id == "empty-mesh"
    assert retries(ref_mesh=str(tmp_path)).explained(failure(EMPTY)) == failure(EMPTY)


def test_a_time_limit_that_ran_out_at_a_lock_says_so():
    waiting = "Shim extension-lock: waiting for the lock /c/lock: process 7 compiles"
    late = Failure("timeout", "too long", "wait", lines=("Config", waiting))
    assert retries().explained(late).cause == (
        "too long; it was waiting for the lock /c/lock: process 7 compiles"
    )
    training = Failure("timeout", "too long", "wait", lines=(waiting, "iter=    0, img_loss=0.1"))
    assert retries().explained(training) == training


def test_the_job_halves_the_batch(studio):
    path = studio.folder / "job.json"
    job = {
        "format": "tops-nvdiffrec-job", "version": 1, "engine": "nvdiffrec", "retries": 0,
        "config": "configs/bob.json", "output": "results", "working_dir": "nvdiffrec",
        "python": str(studio.environment), "on_out_of_memory": "halve_batch",
    }  # fmt: skip
    path.write_text(json.dumps(job))
    memory = str(3 * 512 * 512)
    done = studio.run(str(path), STANDIN_MEMORY=memory)
    assert done.code == 0, done.out + done.error
    assert "batch 2" in (studio.output / "mesh/mesh.obj").read_text()
    notes = [note for note in done.result["notes"] if "starting again with batch" in note]
    assert [note.split("batch ")[1][0] for note in notes] == ["4", "2"]
    assert "up to date" in studio.run(str(path), STANDIN_MEMORY=memory).out
    path.write_text(json.dumps({**job, "on_out_of_memory": "fail"}))
    failed = studio.run(str(path), "--force", STANDIN_MEMORY=memory)
    assert failed.code == 1 and "halve_batch" in failed.error


def test_the_job_clears_a_lock_that_the_script_complains_of(studio):
    cache = studio.folder / "tops_nvdiffrec/torch_extensions"
    lock = cache / "renderutils_plugin/lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    done = studio.run("--retries=0", STANDIN_FAIL="lock", TORCH_EXTENSIONS_DIR=str(cache))
    assert done.code == 0, done.out + done.error
    assert not Path(lock).exists()
    assert any("removed the stale lock" in note for note in done.result["notes"])
