"""Digests of a job's inputs: what they cover, what they refuse, and that they can be ended."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nvdiffrec_tops.job.outputs import result
from nvdiffrec_tops.job.outputs.result import input_digest


class _Asked(Exception):
    """A signal came."""


@pytest.mark.parametrize(
    ("library", "said", "picture"),
    [
        ("a.mtl", "map_Kd a.png", "a.png"),
        ("a.mtl", "map_Kd -s 2 2 1 my a.png", "my a.png"),
        ("my a.mtl", "  map_Bump -bm 0.5 a.png", "a.png"),
        ("a.mtl", r"MAP_KD C:\scans\a.png", "a.png"),
        ("gone.mtl a.mtl", "norm a.png", "a.png"),
    ],
)
def test_a_mesh_with_its_materials_and_pictures(
    tmp_path: Path, library: str, said: str, picture: str
) -> None:
    mesh = tmp_path / "a.obj"
    mesh.write_bytes(b"\xef\xbb\xbfmtllib " + library.encode() + b"\nv 0 0 0\n")
    material = tmp_path / (library if library.startswith("my") else "a.mtl")
    material.write_text(f"newmtl m\n{said}\n")
    (tmp_path / picture).write_bytes(b"one")
    digests = [input_digest(str(mesh))]
    (tmp_path / picture).write_bytes(b"two")
    digests.append(input_digest(str(mesh)))
    material.write_text(f"newmtl m\n{said}\nKd 1 0 0\n")
    digests.append(input_digest(str(mesh)))
    assert len(set(digests)) == 3


def test_reading_can_be_ended(tmp_path: Path) -> None:
    (tmp_path / "a.hdr").write_bytes(bytes(5 << 20))
    calls = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise _Asked

    with pytest.raises(_Asked):
        input_digest(str(tmp_path / "a.hdr"), check)
    calls.clear()
    (tmp_path / "b.hdr").write_bytes(b"1")
    with pytest.raises(_Asked):
        input_digest(str(tmp_path), check)


def test_of_what_is_too_large_the_ends_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.hdr"
    path.write_bytes(bytes(3 << 20))
    monkeypatch.setattr(result, "_MOST_READ", 2 << 20)
    monkeypatch.setattr(result, "sha256", lambda *_: pytest.fail("all of it was read"))
    before = input_digest(str(path))
    with open(path, "r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"1")
    assert input_digest(str(path)) != before


def test_pipes_are_not_opened(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("there are no named pipes here")
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(OSError, match="pipe or a device"):
        input_digest(str(tmp_path / "pipe.json"))
    assert input_digest(str(tmp_path))
