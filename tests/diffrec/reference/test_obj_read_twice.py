"""A training examines its reference mesh, then loads it: the file is parsed once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from diffrec.reference.errors import ObjError
from diffrec.reference.obj import read_obj

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"


def test_an_unchanged_file_is_parsed_once(tmp_path: Path) -> None:
    path = tmp_path / "mesh.obj"
    path.write_text(TRIANGLE)
    first = read_obj(path)
    assert read_obj(path) is first
    other = tmp_path / "other.obj"
    other.write_text(TRIANGLE)
    assert read_obj(other) is not first


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "mesh.obj"
    path.write_text(TRIANGLE)
    first = read_obj(path)
    moment = path.stat().st_mtime_ns
    path.write_text(TRIANGLE.replace("v 1 0 0", "v 7 0 0"))
    os.utime(path, ns=(moment + 1, moment + 1))
    assert list(read_obj(path).positions) != list(first.positions)
    path.unlink()
    with pytest.raises(ObjError):
        read_obj(path)
