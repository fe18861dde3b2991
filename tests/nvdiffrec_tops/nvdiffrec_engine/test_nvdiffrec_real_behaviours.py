"""What an unmodified checkout was seen to do on a farm's machine, driven end to end."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nvdiffrec_tops.job.engines.nvdiffrec import charting
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.report.progress import Progress, ProgressParser

FOUR = str(3 * 512 * 512)  # a batch of 4 does not fit, one of 2 does
CUDA_MALLOC = "Cuda error: 2[cudaMalloc(&m_gpuPtr, bytes);]"
ILLEGAL = (
    "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be "
    "asynchronously reported at some other API call.\nFor debugging consider passing "
    "CUDA_LAUNCH_BLOCKING=1"
)


def halving(studio, policy="halve_batch"):
    path = studio.folder / "job.json"
    job = {
        "format": "tops-nvdiffrec-job", "version": 1, "engine": "nvdiffrec", "retries": 0,
        "config": "configs/bob.json", "output": "results", "working_dir": "nvdiffrec",
        "python": str(studio.environment), "on_out_of_memory": policy, "overrides": {"batch": 4},
    }  # fmt: skip
    path.write_text(json.dumps(job))
    return str(path)


@pytest.mark.parametrize("words", [CUDA_MALLOC, ILLEGAL], ids=["memory", "illegal-access"])
def test_what_does_not_fit_with_a_batch_of_4_is_trained_with_2(studio, words):
    done = studio.run(halving(studio), STANDIN_MEMORY=FOUR, STANDIN_WORDS=words)
    assert done.code == 0, done.out + done.error
    assert "batch 2" in (studio.output / "mesh/mesh.obj").read_text()
    assert [note for note in done.result["notes"] if "batch 2 in place of 4" in note]


def test_an_illegal_access_is_no_fault_of_tiny_cuda_nn(studio):
    done = studio.run(halving(studio, "fail"), STANDIN_MEMORY="1", STANDIN_WORDS=ILLEGAL)
    failure = done.result["failure"]
    assert done.code == 1 and failure["id"] == "gpu-illegal-access"
    assert "halve_batch" in failure["cure"] and "second C++ runtime" not in failure["cause"]


def test_a_cuda_home_without_a_compiler_is_named_before_and_after(make):
    studio = make()  # whose jobs ask the doctor
    home = studio.folder / "cuda"
    home.mkdir()
    done = studio.run("--retries=0", STANDIN_CUDA="1", CUDA_HOME=str(home))
    failure = done.result["failure"]
    assert done.code == 3 and failure["id"] == "cuda-home"
    assert f"there is no {home}/bin/nvcc" in failure["cause"]
    foreseen = [note for note in done.result["notes"] if note.startswith("doctor: Build tools")]
    assert any(f"CUDA_HOME is {home}" in note for note in foreseen)
    assert "Before the training the doctor found: Build tools" in failure["cure"]


def test_all_missing_packages_are_told_at_once(make):
    studio = make(nvdiffrast="", tinycudann="")
    done = studio.run("--retries=0")
    failure = done.result["failure"]
    assert failure["id"] in ("nvdiffrast-missing", "tinycudann-missing")
    # The stand-in's environment has no xatlas either.
    assert "xatlas, nvdiffrast, tinycudann" in failure["cure"]
    python = str(studio.environment / "bin/python3")
    assert failure["cure"].count(f"{python} -m pip install") >= 3


def test_an_interpreter_that_is_absent_is_told_once(studio):
    done = studio.run("--python=/nowhere/env")
    assert done.code == 3 and done.result["failure"]["id"] == "environment-missing"
    assert done.error.count("/nowhere/env") == 1 and "MINICONDA_ENV (python)" in done.error


def test_charting_without_end_is_ended(studio):
    done = studio.run("--retries=0", STANDIN_FAIL="charting", TOPS_NVDIFFREC_CHARTING_SECONDS="0.5")
    failure = done.result["failure"]
    assert done.code == 124 and failure["id"] == "charting-stuck", done.out + done.error
    assert "PSNR 30.5 dB" in failure["cause"] and charting.VARIABLE in failure["cure"]


TRAINING = Progress("training", 1, 2, iterations=1000)


def test_only_the_silence_between_the_passes_is_bounded():
    assert not charting.is_charting(TRAINING)
    assert not charting.is_charting(replace(TRAINING, iteration=980))
    assert charting.is_charting(replace(TRAINING, iteration=1000))
    assert charting.is_charting(replace(TRAINING, stage="validating", iteration=1000))
    assert not charting.is_charting(replace(TRAINING, stage="validating", pass_number=2))
    assert not charting.is_charting(replace(TRAINING, iteration=1000, pass_count=1))


@pytest.mark.parametrize(
    ("grid", "given", "seconds"),
    [(64, "", 900.0), (128, "", 3600.0), (32, "", 900.0), ("x", "", 900.0), (128, "60", 60.0),
     (64, "0", None)],
)  # fmt: skip
def test_the_limit_follows_the_grid_and_can_be_set(grid, given, seconds):
    assert charting.limit({"dmtet_grid": grid}, {charting.VARIABLE: given}) == seconds


@pytest.mark.parametrize("given", ["soon", "-1", "nan", "inf"])
def test_a_limit_that_is_none_is_refused(given):
    with pytest.raises(JobError, match=charting.VARIABLE):
        charting.limit({}, {charting.VARIABLE: given})


def test_the_time_left_is_told_by_the_clock():
    """96 ms printed, 123 ms by the clock: what is left of both passes follows the clock."""
    now = iter([0.0, 18.4, 18.4 + 36.8])
    parser = ProgressParser(1000, clock=lambda: next(now))
    line = "iter={:5d}, img_loss=0.1, reg_loss=0.1, lr=0.03, time=159.0 ms, rem={:.2f} m"
    parser.feed(line.format(0, 2.65))
    parser.feed(line.format(100, 2.385))
    found = parser.feed(line.format(300, 1.855))
    assert found is not None and found.remaining is not None
    assert found.remaining == pytest.approx(700 * 0.184 + 1000 * 0.123, rel=0.01)
    printed = ProgressParser(1000)
    found = printed.feed(line.format(300, 1.855))
    assert found is not None and found.remaining == pytest.approx(1.855 * 60 + 95.4, rel=0.01)
