"""The API reference: the documented interface has pages, and pdoc has nothing to warn of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pdoc", reason="pdoc comes with the extra dev")

INTERFACE = ["nvdiffrec_tops.cook.scene", "nvdiffrec_tops.results", "nvdiffrec_contract"]


def built(root: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(root / "scripts" / "build_reference.py"), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def test_the_interface_has_pages_with_its_arguments(root: Path, tmp_path: Path) -> None:
    done = built(root, "--folder", str(tmp_path / "api"), *INTERFACE)
    assert done.returncode == 0, done.stderr
    for name in INTERFACE:
        assert (tmp_path / "api" / f"{name.replace('.', '/')}.html").is_file()
    page = (tmp_path / "api" / "nvdiffrec_tops" / "cook" / "scene.html").read_text(encoding="utf-8")
    for said in ("cook_scene", "CookProblem", "on_progress", "Arguments:", "Raises:"):
        assert said in page


def test_a_module_that_cannot_be_imported_is_an_error(root: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import a_module_that_nobody_has\n")
    done = built(root, "--folder", str(tmp_path / "api"), "broken", PYTHONPATH=str(tmp_path))
    assert done.returncode != 0 and "a_module_that_nobody_has" in done.stderr
