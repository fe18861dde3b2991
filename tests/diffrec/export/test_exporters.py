"""An exporter is a file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

import diffrec.export
from diffrec.export.result import exporters, write_result
from diffrec.geometry.mesh import Mesh
from diffrec.materials import TextureMaterial
from diffrec.shading.light import EnvironmentLight
from nvdiffrec_contract import layout

TOY = '''"""How many triangles there are."""

FILES = ("count.txt",)

def export(folder, made):
    (folder / FILES[0]).write_text(str(len(made.mesh.triangles)))
'''


def _write(folder: Path) -> None:
    corners = torch.eye(3)
    mesh = Mesh(corners, torch.tensor([[0, 1, 2]])).with_normals()
    material = TextureMaterial.random(resolution=(8, 8))
    write_result(folder, mesh, material, EnvironmentLight(16), lambda _line: None)


def test_the_files_are_those_that_the_other_processes_wait_for(tmp_path: Path) -> None:
    names = [name for exporter in exporters() for name in exporter.FILES]
    assert sorted(names) == sorted(layout.MESH_FILES)
    _write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_a_file_is_an_exporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "more"
    place.mkdir()
    (place / "toy.py").write_text(TOY)
    monkeypatch.setattr(diffrec.export, "__path__", [*diffrec.export.__path__, str(place)])
    try:
        _write(tmp_path / "made")
    finally:
        sys.modules.pop("diffrec.export.toy", None)
    assert (tmp_path / "made" / "count.txt").read_text() == "1"
