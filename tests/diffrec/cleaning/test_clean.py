"""Cleaning as a training asks for it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from diffrec.cleaning import compile_kernels
from diffrec.cleaning.clean import evened, loosened, plain
from diffrec.geometry.mesh import Mesh
from diffrec.measure.mesh_faults import measure_mesh


def mesh_of(surface: Any) -> Mesh:
    return Mesh(torch.from_numpy(surface[0]).float(), torch.from_numpy(surface[1]))


def test_a_surface_becomes_even_and_has_normals(shapes: Any) -> None:
    rough = mesh_of(shapes.marched("torus", rough=0.3))
    even = evened(rough)
    assert even.normals is not None and even.positions.dtype == torch.float32
    before, after = measure_mesh(*plain(rough)), measure_mesh(*plain(even))
    assert after.slivers < 0.02 * after.faces < before.slivers
    assert after.intersecting == after.open_sides == 0
    broken = mesh_of(shapes.marched("torus"))
    broken.positions[3] = float("nan")
    assert evened(broken).positions.isfinite().all()


def test_knots_are_told_of(shapes: Any) -> None:
    mesh, lines = mesh_of(shapes.marched("ball", rough=0.1)), list[str]()
    assert loosened(mesh, lines.append) is mesh.positions
    assert not lines, "nothing to tell"
    top = int(mesh.positions[:, 2].argmax())
    mesh.positions[top] += torch.tensor([0.01, 0.02, -0.9])
    moved = loosened(mesh, lines.append)
    assert measure_mesh(*plain(mesh.with_positions(moved))).intersecting == 0
    assert len(lines) == 1 and lines[0].endswith("until 0 were left")


def test_kernels_are_compiled_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    compile_kernels.main([])
    assert capsys.readouterr().out.split() == list(compile_kernels.WORK)
