"""A machine with CUDA never waits for Numba, and one without never for Warp."""

from __future__ import annotations

import pkgutil
import re
import subprocess
import sys

import torch

import diffrec.ops
from diffrec.ops.cubefilter import _upsampling

# Modules of kernels are those that are imported on first use; what only they use goes with them.
OPERATIONS = [
    module.name
    for module in pkgutil.walk_packages(diffrec.ops.__path__, "diffrec.ops.")
    if not re.search(r"\.(numba|warp)(_|\.|$)", module.name)
]
USERS = ["diffrec.render", "diffrec.training.loop", "diffrec.materials", "diffrec.shading.light"]


def test_operations_are_imported_without_compilers() -> None:
    assert {f"diffrec.ops.{n}" for n in ("sparse", "cubefilter", "texture")} <= set(OPERATIONS)
    program = (
        f"import sys, importlib\nfor name in {OPERATIONS + USERS!r}:\n"
        "    importlib.import_module(name)\n"
        "    found = {'numba', 'warp'} & set(sys.modules)\n"
        "    assert not found, f'{name} imports {found}'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_matrices_are_transposed_where_they_are_used() -> None:
    rows = _upsampling(8, torch.device("meta"))
    assert {array.device.type for array in (rows.start, rows.column, rows.value)} == {"meta"}


def test_the_light_and_textures_run_without_numba() -> None:
    """All kernels of Warp, Numba forbidden."""
    program = """
import sys
sys.modules['numba'] = None
import torch
from diffrec.materials.surface import Surface
from diffrec.materials.textures import TextureMaterial
from diffrec.ops.cubefilter import CubeFilter
from diffrec.ops.backends import use_backend
base = torch.rand(6, 16, 16, 3, requires_grad=True)
textures = torch.rand(3, 8, 8, 3)
with use_backend('warp'):
    levels, irradiance = CubeFilter(16, torch.device('cpu'))(base)
    material = TextureMaterial(*textures)
    sample = material.sample(Surface(torch.zeros(4, 3), torch.rand(4, 2), torch.zeros(4)))
    (irradiance.sum() + sample.kd.sum()).backward()
    material.clamp_()
assert base.grad is not None and material.kd.grad is not None
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
