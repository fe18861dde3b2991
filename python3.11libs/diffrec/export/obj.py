"""Wavefront OBJ files, written fast.

Files have the texture origin at the bottom left, the program at the top left: v is flipped on
the way out. They are read by `diffrec.textured_mesh`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from diffrec.export.mtl import write_mtl
from diffrec.geometry.mesh import Mesh
from diffrec.reference.errors import ObjError
from nvdiffrec_contract.files import replace_file

__all__ = ["ObjError", "write_obj"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def write_obj(
    path: Path,
    mesh: Mesh,
    *,
    material: str | Mapping[str, Flags] | None = None,
    log: Callable[[str], None] | None = None,
) -> None:
    """Write mesh.obj and, beside it, its material library of the same stem.

    Positions are required; texture coordinates and normals are written if present. `material`: the
    name of a material in a library that the caller writes instead, or names with the triangles [F]
    that have each. The lines of progress go to `log`. Raises ObjError or MtlError if the disk
    refuses.
    """
    say = log or (lambda line: None)
    library = path.with_suffix(".mtl")
    positions = _array(mesh.positions)
    tables: list[tuple[str, str, Floats]] = [("v", "vertices", positions)]
    indices = [_array(mesh.triangles)]
    if mesh.texcoords is not None and mesh.texcoord_triangles is not None:
        flipped = _array(mesh.texcoords) * np.array([1.0, -1.0]) + np.array([0.0, 1.0])
        tables.append(("vt", "texcoords", flipped))
        indices.append(_array(mesh.texcoord_triangles))
    if mesh.normals is not None and mesh.normal_triangles is not None:
        tables.append(("vn", "normals", _array(mesh.normals)))
        indices.append(_array(mesh.normal_triangles))

    say(f"Writing mesh:  {path}")
    parts = [f"mtllib {library.name}\n", "g default\n"]
    for keyword, plural, table in tables:
        say(f"    writing {len(table)} {plural}")
        row = keyword + " %.8g" * table.shape[1] + "\n"
        parts.append((row * len(table)) % tuple(table.reshape(-1).tolist()))
    say(f"    writing {len(indices[0])} faces")
    parts += ["s 1\n", "g pMesh1\n"]
    keywords = [keyword for keyword, _, _ in tables]
    corner = "//".join(["%d"] * 2) if keywords == ["v", "vn"] else "/".join(["%d"] * len(tables))
    faces = np.stack(indices, axis=-1).astype(np.int64) + 1  # [F, 3, attributes]
    row = f"f {corner} {corner} {corner}\n"
    every = np.ones(len(faces), dtype=np.bool_)
    shown = material if isinstance(material, Mapping) else {material or "defaultMat": every}
    for name, chosen in shown.items():
        own = faces[chosen]
        parts += [f"usemtl {name}\n", (row * len(own)) % tuple(own.reshape(-1).tolist())]

    try:
        replace_file(path, "".join(parts).encode())
    except OSError as error:
        raise ObjError(f"{path}: cannot write the mesh: {error.strerror}") from error
    if material is None:
        write_mtl(library, log=log)
    say("Done exporting mesh")


def _array(tensor: Tensor) -> Floats:
    array: Floats = tensor.detach().cpu().double().numpy()
    return array
