"""Reference meshes with and without texture coordinates."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from diffrec.materials.surface import Surface
from diffrec.reference.errors import ObjError
from diffrec.textured_mesh import load_reference_mesh

CPU = torch.device("cpu")
SHAPE = "mtllib a.mtl\nusemtl m\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"


def _write(folder: Path, material: str) -> Path:
    (folder / "a.mtl").write_text(f"newmtl m\n{material}")
    (folder / "a.obj").write_text(SHAPE)
    return folder / "a.obj"


def test_constants_need_no_texture_coordinates(tmp_path: Path) -> None:
    reference = load_reference_mesh(_write(tmp_path, "Kd 0.2 0.4 0.6\nKs 0 0.3 1\n"), None, CPU)
    mesh = reference.mesh
    assert mesh.texcoords is not None and mesh.texcoord_triangles is not None
    uv = mesh.texcoords[mesh.texcoord_triangles[0]]
    surface = Surface(position=mesh.positions, uv=uv, lod=torch.zeros(3))
    sample = reference.material.sample(surface)
    torch.testing.assert_close(sample.kd, torch.tensor([[0.2, 0.4, 0.6]]).expand(3, 3))
    torch.testing.assert_close(sample.ks, torch.tensor([[0.0, 0.3, 1.0]]).expand(3, 3))


def test_a_picture_on_a_mesh_that_was_not_unwrapped_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, "map_Kd a.png\n")
    with pytest.raises(ObjError, match=r"no texture coordinates.*a\.png; unwrap the mesh"):
        load_reference_mesh(path, None, CPU)
