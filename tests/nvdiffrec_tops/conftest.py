"""The toolkit's tests cook with its digital assets: importing its commands registers them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import nvdiffrec_tops.cook  # noqa: F401

LIBRARIES = Path(__file__).resolve().parents[2] / "python3.11libs"
USED = ("nvdiffrec_contract", "nvdiffrec_tops/__init__.py", "nvdiffrec_tops/job", "diffrec")


@pytest.fixture(scope="session")
def undoctored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The job's script in a toolkit without the doctor, whose questions take longest of a job that
    trains nothing; they have tests of their own. The whole toolkit where there are no links."""
    if os.name != "posix":
        return LIBRARIES / "nvdiffrec_tops/job/__main__.py"
    libraries = tmp_path_factory.mktemp("toolkit")
    (libraries / "nvdiffrec_tops").mkdir()
    for name in USED:
        (libraries / name).symlink_to(LIBRARIES / name)
    return libraries / "nvdiffrec_tops/job/__main__.py"
