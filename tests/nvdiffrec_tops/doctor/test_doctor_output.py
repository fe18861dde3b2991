"""Checks of where results go."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from nvdiffrec_tops.doctor import Finding
from nvdiffrec_tops.doctor.context import Context

Look = Callable[[Context, str], Finding]
Usage = namedtuple("Usage", "total used free")


def of(output: str | os.PathLike[str] | None) -> Context:
    return Context(None, output=None if output is None else os.fspath(output), environ={})


@pytest.mark.parametrize("check", ["output_writable", "disk_space", "atomic_rename"])
def test_a_folder_that_can_be_written(tmp_path: Path, look: Look, check: str) -> None:
    assert look(of(tmp_path), check).severity == "ok"
    assert look(of(tmp_path / "made" / "later"), check).severity == "ok"
    assert look(of(None), check).severity == "skipped"
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_its_place(tmp_path: Path, look: Look) -> None:
    (tmp_path / "out").write_text("kept")
    for name in ("out", "out/run"):
        found = look(of(tmp_path / name), "output_writable")
        assert found.severity == "error"
        assert look(of(tmp_path / name), "disk_space").severity == "skipped"
    assert (tmp_path / "out").read_text() == "kept"


def test_a_folder_that_cannot_be_written(
    tmp_path: Path, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    found = look(of(tmp_path), "output_writable")
    assert found.severity == "error"
    assert "Permission denied" in found.evidence
    assert str(tmp_path) in found.cure


@pytest.mark.parametrize(
    ("free", "severity"), [(1 << 20, "error"), (1 << 30, "warning"), (1 << 40, "ok")]
)
def test_room_on_the_disk(
    tmp_path: Path, look: Look, monkeypatch: pytest.MonkeyPatch, free: int, severity: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1 << 41, 0, free))
    assert look(of(tmp_path), "disk_space").severity == severity


def test_a_disk_that_does_not_rename(
    tmp_path: Path, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "replace", refuse)
    found = look(of(tmp_path), "atomic_rename")
    assert found.severity == "warning"
    assert "Operation not supported" in found.evidence
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_does_not_lock(
    tmp_path: Path, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert "No locks available" in look(of(tmp_path), "atomic_rename").evidence
