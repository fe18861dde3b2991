"""Fixtures shared by the whole suite."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import hypothesis
import pytest

# Before any test imports PyTorch: threads that spin while they wait slow every test down.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

# Some machines keep Python from saving byte code: every worker would then rewrite the assertions of
# all test files anew, and each program that a test starts would compile the packages anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Tests are not timed: an example that compiles a kernel, or a busy machine, is no failure. Tests of
# how long something may take state their own limit. Every run tries the same generated cases, so
# that a failure belongs to a change; ``--hypothesis-profile explore`` looks for new ones.
hypothesis.settings.register_profile("same cases", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None, derandomize=False)
hypothesis.settings.load_profile("same cases")

ROOT = Path(__file__).resolve().parents[1]


gc.disable()  # until all tests are collected


def pytest_collection_finish() -> None:
    """What is loaded by now stays: looking for garbage in it takes a tenth of all tests' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 20)
    gc.enable()


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference data of other systems beside the checkout; the test is skipped without it."""
    folder = ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("reference data absent: no ../shared/data beside the project")
    return folder


@pytest.fixture(scope="session")
def write_small_sample() -> Callable[[Path], None]:
    """Writes the sample scene's mesh, textures and sky with a sixteenth of their detail.

    Reading the whole one takes longer than a small training on it.
    """

    def write(folder: Path) -> None:
        import cv2
        import numpy as np

        from diffrec.sample.pictures import sky, textures
        from diffrec.sample.scene import MTL
        from diffrec.sample.shape import obj_text, sample_surface

        folder.mkdir(parents=True, exist_ok=True)
        surface = obj_text(sample_surface(40, 16), "sample.mtl", "defaultMat")
        (folder / "sample.obj").write_text(surface)
        (folder / "sample.mtl").write_text(MTL)
        for name, picture in zip(("kd", "ks"), textures(128), strict=True):
            levels = np.rint(picture[..., ::-1] * 255).astype(np.uint8)
            assert cv2.imwrite(str(folder / f"sample_{name}.png"), levels)
        light = np.ascontiguousarray(sky(128)[..., ::-1])
        assert cv2.imwrite(str(folder / "sky.hdr"), light)

    return write


@pytest.fixture(scope="session")
def interpreter() -> Callable[[str], str]:
    """Finds a Python by its version, such as ``3.13``; the test is skipped without one.

    See `scripts/find_python.py`. ``uv python install 3.13`` brings one.
    """

    def find(version: str) -> str:
        found = _interpreter(version)
        if found is None:
            pytest.skip(f"there is no Python {version} here: uv python install {version}")
        return found

    return find


@lru_cache
def _interpreter(version: str) -> str | None:
    argv = [sys.executable, str(ROOT / "scripts" / "find_python.py"), version]
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True).stdout.strip() or None
