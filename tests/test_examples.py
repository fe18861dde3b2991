"""The examples run, as a person would start them, on a sample that trains in seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from diffrec.sample import CONFIGURATION
from nvdiffrec_tops import read_result

TINY = {
    **CONFIGURATION,
    "iter": 10,
    "train_res": [32, 32],
    "texture_res": [64, 64],
    "batch": 2,
    "dmtet_grid": 12,
    "save_interval": 0,
    "diffrec": {
        "light_res": 32,
        "validation_views": 2,
        "uv_timeout": 0,
        "device": "cpu",
        "hashgrid_size_log2": 10,
        "asset": [],
    },
}


@pytest.fixture
def sample(tmp_path: Path, write_small_sample: Callable[[Path], None]) -> Path:
    folder = tmp_path / "sample"
    write_small_sample(folder)
    (folder / "tiny.json").write_text(json.dumps(TINY))
    return folder


def run(root: Path, name: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(root / "examples" / name), *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
    )


def test_a_training_from_python(root: Path, sample: Path, tmp_path: Path) -> None:
    done = run(root, "train_from_python.py", sample, "tiny.json", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert "pass 1, iteration 10/10: image loss " in done.stdout
    assert "pass 2, iteration 10/10: image loss " in done.stdout
    assert (tmp_path / "out" / "mesh" / "mesh.obj").is_file()


def test_a_mistake_is_told_in_a_sentence(root: Path, tmp_path: Path) -> None:
    done = run(root, "train_from_python.py", tmp_path, "none.json", "out")
    assert done.returncode != 0 and "none.json" in done.stderr
    assert "Traceback" not in done.stderr
    done = run(root, "cook_from_python.py", tmp_path, "none.hip")
    assert done.returncode == 1 and "none.hip" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cook_from_python(root: Path, sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    settings = {
        "working_dir": f"{sample}/",
        "config_name": "tiny.json",
        "output_dir": str(out),
        "miniconda_env": sys.prefix,
    }
    done = run(
        root,
        "cook_from_python.py",
        tmp_path,
        str(root / "hip" / "TOPs_nvdiffrec_Static.hip"),
        *(f"attributes.{name}={value}" for name, value in settings.items()),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "CookedSuccess 100 %" in done.stdout
    result = read_result(out)
    assert result.done and result.mesh is not None and result.mesh.is_file()
    assert f"{result.faces} faces" in done.stdout
