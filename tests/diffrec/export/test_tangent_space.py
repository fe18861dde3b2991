"""The normal map of a written result, read by its convention alone: MikkTSpace over mesh.obj.

The reader below knows nothing of the trainer: tangents and bitangents from the file's v-up texture
coordinates, per corner, weighted by angle, with the handedness of the triangle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from diffrec.charting.charts import chart
from diffrec.export.obj import write_obj
from diffrec.geometry.mesh import Mesh
from diffrec.shading.split_sum.reference import perturbed_normal

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Corners:
    """The corners of every triangle in a file, [F, 3, n], and the numbers that the file gives."""

    position: Floats
    uv: Floats
    normal: Floats
    index: NDArray[np.int64]  # of position, uv and normal


def read(path: Path) -> Corners:
    tables: dict[str, list[list[float]]] = {"v": [], "vt": [], "vn": []}
    faces = []
    for line in path.read_text().splitlines():
        word, *rest = line.split()
        if word in tables:
            tables[word].append([float(one) for one in rest])
        elif word == "f":
            faces.append([[int(one) - 1 for one in corner.split("/")] for corner in rest])
    index = np.array(faces)
    position, uv, normal = (
        np.array(tables[name])[index[..., place]] for place, name in enumerate(("v", "vt", "vn"))
    )
    return Corners(position, uv[..., :2], normal, index)


def unit(vectors: Floats) -> Floats:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def frames(corners: Corners) -> tuple[Floats, Floats]:
    """Tangent [F, 3, 3] and handedness [F] of every corner."""
    along = corners.position[:, 1:] - corners.position[:, :1]
    across = corners.uv[:, 1:] - corners.uv[:, :1]
    area = across[:, 0, 0] * across[:, 1, 1] - across[:, 0, 1] * across[:, 1, 0]
    face = along[:, 0] * across[:, 1, 1, None] - along[:, 1] * across[:, 0, 1, None]
    face = face * np.sign(area)[:, None]
    tangents = np.zeros_like(corners.position)
    sums: dict[tuple[int, ...], Floats] = {}
    for number in range(len(face)):
        for corner in range(3):
            normal = corners.normal[number, corner]
            flat = face[number] - normal * (face[number] @ normal)
            sides = [
                corners.position[number, (corner + step) % 3] - corners.position[number, corner]
                for step in (1, 2)
            ]
            first, second = (unit(side - normal * (side @ normal)) for side in sides)
            angle = math.acos(float(np.clip(first @ second, -1, 1)))
            key = (*corners.index[number, corner], int(area[number] > 0))
            sums[key] = sums.get(key, np.zeros(3)) + unit(flat) * angle
    for number in range(len(face)):
        for corner in range(3):
            key = (*corners.index[number, corner], int(area[number] > 0))
            tangents[number, corner] = unit(sums[key])
    return tangents, np.sign(area)


def decoded(corners: Corners, texel: Floats, *, v_down: bool = False) -> Floats:
    """The world normals [F, 3, 3] that a texel of the normal map, in [-1, 1], means."""
    if v_down:
        corners = Corners(
            corners.position, corners.uv * [1, -1] + [0, 1], corners.normal, corners.index
        )
    tangents, handedness = frames(corners)
    bitangents = np.cross(corners.normal, tangents) * handedness[:, None, None]
    x, y, z = texel
    return unit(tangents * x + bitangents * y + corners.normal * z)


def by_trainer(mesh: Mesh, texel: Floats) -> Floats:
    """The same of the trainer, at each corner, seen along its smooth normal."""
    mesh = mesh.with_tangents()
    assert mesh.normals is not None and mesh.normal_triangles is not None
    assert mesh.tangents is not None and mesh.tangent_triangles is not None
    normal = mesh.normals[mesh.normal_triangles].reshape(-1, 3)
    tangent = mesh.tangents[mesh.tangent_triangles].reshape(-1, 3)
    given = torch.tensor(texel, dtype=torch.float32).expand(normal.shape)
    found = perturbed_normal(given, normal, tangent, normal)
    return found.reshape(-1, 3, 3).double().numpy()


def degrees_between(first: Floats, second: Floats) -> Floats:
    cosine = np.clip((first * second).sum(-1), -1, 1)
    return np.asarray(np.degrees(np.arccos(cosine)))


angles = st.floats(-3, 3)


@settings(max_examples=40)
@given(
    angles, angles, angles, angles, st.floats(0.05, 4), st.floats(-0.6, 0.6), st.floats(-0.6, 0.6)
)
def test_a_patch_turned_any_way_means_the_same_to_both(
    tmp_path_factory: pytest.TempPathFactory,
    a: float,
    b: float,
    c: float,
    turn: float,
    scale: float,
    x: float,
    y: float,
) -> None:
    grid = torch.stack(torch.meshgrid(torch.arange(3.0), torch.arange(3.0), indexing="xy"), -1)
    flat = grid.reshape(-1, 2)
    corner = torch.tensor([0, 1, 3, 4])
    triangles = torch.cat(
        [
            torch.stack([corner, corner + 1, corner + 4], 1),
            torch.stack([corner, corner + 4, corner + 3], 1),
        ]
    )
    skew = torch.tensor([[0.0, -c, b], [c, 0.0, -a], [-b, a, 0.0]], dtype=torch.float64)
    rotation = torch.linalg.matrix_exp(skew).float()
    positions = torch.cat([flat, torch.zeros(9, 1)], 1) @ rotation.T
    around = torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    v_up = flat @ around.T * scale
    # Inside the trainer v counts from the picture's first row.
    texcoords = torch.stack([v_up[:, 0], 1 - v_up[:, 1]], 1)
    mesh = Mesh(positions, triangles, texcoords, triangles).with_normals()
    path = tmp_path_factory.mktemp("patch") / "mesh.obj"
    write_obj(path, mesh)
    texel = unit(np.array([x, y, 1.0]))
    corners = read(path)
    assert degrees_between(by_trainer(mesh, texel), decoded(corners, texel)).max() < 0.1
    if abs(y) > 0.1:
        misread = decoded(corners, texel, v_down=True)
        assert degrees_between(by_trainer(mesh, texel), misread).min() > 5


def test_the_trainers_own_charts_are_right_handed_and_read_alike(tmp_path: Path) -> None:
    """A closed surface, cut and laid out by the trainer itself."""
    rows, columns = 16, 24
    polar = torch.linspace(0, math.pi, rows + 1)[1:-1]
    azimuth = torch.arange(columns) / columns * 2 * math.pi
    theta, phi = torch.meshgrid(polar, azimuth, indexing="ij")
    ring = torch.sin(theta)
    body = torch.stack([ring * torch.sin(phi), torch.cos(theta), ring * torch.cos(phi)], -1)
    points = torch.cat([body.reshape(-1, 3), torch.tensor([[0.0, 1, 0], [0, -1, 0]])])
    top, bottom = len(points) - 2, len(points) - 1
    faces = []
    for column in range(columns):
        after = (column + 1) % columns
        faces.append([top, column, after])
        for row in range(rows - 2):
            here, below = row * columns, (row + 1) * columns
            faces.append([here + column, below + column, below + after])
            faces.append([here + column, below + after, here + after])
        last = (rows - 2) * columns
        faces.append([last + column, bottom, last + after])
    ball = Mesh(points, torch.tensor(faces)).with_normals()
    mesh = chart(ball, (256, 256)).mesh
    path = tmp_path / "mesh.obj"
    write_obj(path, mesh)
    corners = read(path)
    assert (frames(corners)[1] == 1).all()
    texel = unit(np.array([0.3, 0.4, 1.0]))
    ours = by_trainer(mesh, texel)
    difference = np.median(degrees_between(ours, decoded(corners, texel)))
    misread = np.median(degrees_between(ours, decoded(corners, texel, v_down=True)))
    assert difference < 1 and misread > 20 * difference
