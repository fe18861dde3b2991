"""The known failures, through the whole chain: what an artist is told."""

from __future__ import annotations

import pytest

CASES = {
    "numpy-mismatch": ({"torch": "2.2.0+cu121"}, {}, 'pip install "numpy<2"'),
    "torch-without-cuda": ({"torch": "2.8.0+cpu"}, {}, "CUDA build of PyTorch"),
    "stale-build-lock": ({}, {"STANDIN_FAIL": "lock"}, "no other training is starting"),
    "out-of-gpu-memory": ({}, {"STANDIN_MEMORY": "1"}, "on_out_of_memory"),
    "empty-mesh": ({}, {"STANDIN_FAIL": "empty"}, "masks first"),
    "tinycudann-crash": ({}, {"STANDIN_FAIL": "crash"}, "system compiler"),
    "nvdiffrast-missing": ({"nvdiffrast": ""}, {}, "--no-build-isolation"),
    "tinycudann-missing": ({"tinycudann": ""}, {}, "tiny-cuda-nn"),
    "torch-missing": ({"torch": ""}, {}, "pip install torch"),
    "extension-build": ({}, {"STANDIN_FAIL": "compiler"}, "compiler's message"),
    "several-processes": ({}, {"WORLD_SIZE": "2", "LOCAL_RANK": "0"}, "WORLD_SIZE"),
}


@pytest.mark.parametrize("name", CASES)
def test_failure(make, name):
    versions, variables, cure = CASES[name]
    studio = make(**versions)
    if name == "stale-build-lock":
        # Nobody's business but the artist's: it lies on a path that is no file.
        (studio.folder / "torch_extensions/renderutils_plugin/lock").mkdir(parents=True)
        variables = {**variables, "TORCH_EXTENSIONS_DIR": str(studio.folder / "torch_extensions")}
    done = studio.run("--retries=0", **variables)
    assert done.code not in (0, 2), done.out
    failure = done.result["failure"]
    assert failure["id"] == name, failure
    said = done.error.splitlines()
    assert said[-2] == f"Job: failed: {failure['cause']}" and said[-1].startswith("Cure: ")
    assert cure in said[-1]
    if name != "tinycudann-crash":  # the stack of a crash is printed whole
        assert "launcher.py" not in done.out and "runpy" not in done.out
    if name == "out-of-gpu-memory":
        assert "  File " in done.out and "in optimize_mesh" in done.out


def test_a_preview_of_a_launcher_by_hand_is_refused(studio, tmp_path):
    import subprocess

    config = tmp_path / "window.json"
    config.write_text('{"display_interval": 10}')
    launcher = studio.words()[4].replace("__main__.py", "engines/nvdiffrec/launcher.py")
    python = str(studio.environment / "bin/python3")
    script = str(studio.checkout / "train.py")
    done = subprocess.run(
        [python, launcher, script, "--config", str(config)], env=studio.variables(),
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("Error: this machine has no display (neither DISPLAY nor")
