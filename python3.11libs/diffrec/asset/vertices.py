"""One index for position, normal and texture coordinate, as glTF and GPUs want it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from diffrec.geometry.mesh import Mesh

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Vertices:
    """V vertices, no two of which are the same, and F triangles of them.

    `position`, `normal`: [V, 3]; `uv`: [V, 2], v down; `triangles`: [F, 3].
    """

    position: Floats
    normal: Floats
    uv: Floats
    triangles: Ints


def vertices_of(mesh: Mesh) -> Vertices:
    """The vertices of a mesh with normals and texture coordinates, by their values."""
    assert mesh.normals is not None and mesh.normal_triangles is not None
    assert mesh.texcoords is not None and mesh.texcoord_triangles is not None
    tables = [one.cpu().numpy() for one in (mesh.positions, mesh.normals, mesh.texcoords)]
    indices = [
        one.cpu().numpy().reshape(-1)
        for one in (mesh.triangles, mesh.normal_triangles, mesh.texcoord_triangles)
    ]
    # First what is equal in each table, then what is equal in all: integers sort faster than rows.
    equal = [_equal(table) for table in tables]
    corners = [same[index] for same, index in zip(equal, indices, strict=True)]
    key = (corners[0] * (corners[1].max() + 1) + corners[1]) * (corners[2].max() + 1) + corners[2]
    _, first, triangles = np.unique(key, return_index=True, return_inverse=True)
    position, normal, uv = (
        table[index[first]].astype(np.float32) for table, index in zip(tables, indices, strict=True)
    )
    return Vertices(position, normal, uv, triangles.reshape(-1, 3))


def part_of(vertices: Vertices, triangles: Ints) -> Vertices:
    """The vertices that some triangles [F, 3] of theirs use, and these."""
    used, numbers = np.unique(triangles, return_inverse=True)
    return Vertices(
        vertices.position[used],
        vertices.normal[used],
        vertices.uv[used],
        numbers.reshape(-1, 3).astype(np.int64),
    )


def mesh_of(vertices: Vertices) -> Mesh:
    """The mesh of vertices, which share what is equal of them."""
    tables, indices = [], []
    for rows in (vertices.position, vertices.normal, vertices.uv):
        number = _equal(rows)
        _, first, numbers = np.unique(number, return_index=True, return_inverse=True)
        tables.append(torch.from_numpy(rows[first]))
        indices.append(torch.from_numpy(numbers.reshape(-1)[vertices.triangles]))
    return Mesh(
        positions=tables[0],
        triangles=indices[0],
        texcoords=tables[2],
        texcoord_triangles=indices[2],
        normals=tables[1],
        normal_triangles=indices[1],
    )


def _equal(rows: NDArray[Any]) -> Ints:
    """For each row the number of its value."""
    # Adding zero makes one zero of two, whose bits differ.
    words = np.ascontiguousarray(rows.astype(np.float32) + np.float32(0)).view(np.uint32)
    order = np.lexsort(words.T)
    changed = (words[order[1:]] != words[order[:-1]]).any(axis=1)
    number = np.empty(len(rows), np.int64)
    number[order] = np.concatenate([[0], np.cumsum(changed)])
    return number
