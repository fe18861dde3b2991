"""The mesh as OBJ, with its material as MTL."""

from __future__ import annotations

from pathlib import Path

from diffrec.export.obj import write_obj
from diffrec.export.result import Made

FILES = ("mesh.obj", "mesh.mtl")


def export(folder: Path, made: Made) -> None:
    """Both files; see `diffrec.export.obj`."""
    write_obj(folder / FILES[0], made.mesh, log=made.log)
