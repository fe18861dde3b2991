"""What an unmodified checkout was seen to do on a farm's machine, driven end to end."""

from __future__ import annotations

import json

import pytest

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


def test_a_cuda_home_without_a_compiler_is_named_before_and_after(studio):
    home = studio.folder / "cuda"
    home.mkdir()
    done = studio.run("--retries=0", STANDIN_CUDA="1", CUDA_HOME=str(home))
    failure = done.result["failure"]
    assert done.code == 3 and failure["id"] == "cuda-home"
    assert f"there is no {home}/bin/nvcc" in failure["cause"]
    foreseen = [note for note in done.result["notes"] if note.startswith("doctor: Build tools")]
    assert any(f"CUDA_HOME is {home}" in note for note in foreseen)
    assert "Before the training the doctor found: Build tools" in failure["cure"]
