"""Checks of an nvdiffrec checkout, by its files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nvdiffrec_tops.doctor import Finding
from nvdiffrec_tops.doctor.context import Context

Look = Callable[[Context, str], Finding]
Configured = Callable[..., dict[str, Any]]
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


def context_of(checkout: Path, configured: Configured, **fields: Any) -> Context:
    return Context(
        None, str(checkout), configured(**fields)["config"], "nvdiffrec", environ={"PATH": ""}
    )


def test_a_whole_checkout(checkout: Path, configured: Configured, look: Look) -> None:
    context = context_of(checkout, configured, dmtet_grid=64)
    for check in ("checkout", "git_lfs", "tetrahedral_grid"):
        assert look(context, check).severity == "ok"


@pytest.mark.parametrize("missing", ["train.py", "data/tets", "data/irrmaps/bsdf_256_256.bin"])
def test_what_is_missing_is_named(
    checkout: Path, configured: Configured, look: Look, missing: str
) -> None:
    path = checkout / missing
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    found = look(context_of(checkout, configured), "checkout")
    assert found.severity == "error"
    assert missing in found.evidence
    assert look(context_of(checkout, configured), "tetrahedral_grid").severity == "skipped"


@pytest.mark.parametrize("folder", [None, "", "/nowhere/at/all", "/bad\0name"])
def test_no_checkout(look: Look, folder: str | None) -> None:
    found = look(Context(None, folder, engine="nvdiffrec", environ={}), "checkout")
    assert found.severity == "error"
    assert "git clone" in found.cure


def test_the_working_directory(tmp_path: Path, look: Look) -> None:
    assert look(Context(None, str(tmp_path), environ={}), "working_folder").severity == "ok"
    assert look(Context(None, environ={}), "working_folder").severity == "skipped"
    for folder in (str(tmp_path / "gone"), "a\0b"):
        found = look(Context(None, folder, environ={}), "working_folder")
        assert (found.severity, "WORKING_DIR" in found.cure) == ("error", True)


def test_pointers_of_git_lfs(checkout: Path, configured: Configured, look: Look) -> None:
    tets = checkout / "data" / "tets"
    (tets / "128_tets.npz").write_text(POINTER)
    assert look(context_of(checkout, configured, dmtet_grid=64), "git_lfs").severity == "note"
    found = look(context_of(checkout, configured, dmtet_grid=128), "git_lfs")
    assert found.severity == "error"
    assert found.cure == f"git -C {tets} lfs install && git -C {tets} lfs pull"
    (checkout / "light.hdr").write_text(POINTER)
    found = look(context_of(checkout, configured, envmap="light.hdr"), "git_lfs")
    assert str(checkout / "light.hdr") in found.evidence


def test_a_grid_that_is_not_there(checkout: Path, configured: Configured, look: Look) -> None:
    found = look(context_of(checkout, configured, dmtet_grid=100), "tetrahedral_grid")
    assert found.severity == "error"
    assert "32, 64, 128" in found.evidence
    assert found.cure == '"dmtet_grid": 128'
    for fields in ({"isosurface": "flexicubes"}, {"base_mesh": "a.obj"}):
        context = context_of(checkout, configured, dmtet_grid=100, **fields)
        assert look(context, "tetrahedral_grid").severity == "skipped"


def test_a_grid_that_is_damaged(checkout: Path, configured: Configured, look: Look) -> None:
    (checkout / "data" / "tets" / "64_tets.npz").write_bytes(b"")
    assert look(context_of(checkout, configured), "tetrahedral_grid").severity == "error"
