"""Fixtures shared by the whole suite."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

# Before any test imports PyTorch: threads that spin while they wait slow every test down.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Tests are not timed: an example that compiles a kernel, or a busy machine, is no failure. Tests of
# how long something may take state their own limit.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parents[1]


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
