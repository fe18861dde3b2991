"""What `bench_ops.py` draws: a rough ball of so many triangles, cameras around it, textures."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from diffrec import cameras
from diffrec.geometry.mesh import vertex_normals

# Triangles of a cube whose faces are grids of n x n squares.
PER_SQUARE = 12


@dataclass(frozen=True)
class Scene:
    """One mesh in B views; every tensor on the device that is measured.

    `positions`, `normals`, `tangents`: [V, 3]; `triangles`: [F, 3] int64 into them; `texcoords`:
    [T, 2] with `texcoord_triangles` [F, 3] int64, apart since texture coordinates have seams;
    `clip`: [B, V, 4]; `textures`: three of [H, W, 3]; `background`: [B, height, width, 3].
    """

    positions: Tensor
    normals: Tensor
    tangents: Tensor
    triangles: Tensor
    texcoords: Tensor
    texcoord_triangles: Tensor
    clip: Tensor
    textures: tuple[Tensor, Tensor, Tensor]
    background: Tensor
    resolution: tuple[int, int]


@functools.lru_cache(maxsize=8)
def rough_ball(triangles: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Positions [V, 3], triangles [F, 3], texture coordinates [T, 2] and theirs [F, 3], on the CPU.

    F is the number nearest to the one asked for that a cube of square grids has: 12 n². Closed,
    every vertex shared by the triangles around it; each face of the cube is a chart of its own.
    """
    n = max(1, round(math.sqrt(triangles / PER_SQUARE)))
    step = torch.arange(n + 1)
    down, right = (grid.reshape(-1) for grid in torch.meshgrid(step, step, indexing="ij"))
    corner = (torch.arange(n)[:, None] * (n + 1) + torch.arange(n)).reshape(-1)
    beside, below, across = corner + 1, corner + n + 1, corner + n + 2
    square = torch.cat(
        [torch.stack([corner, below, across], 1), torch.stack([corner, across, beside], 1)]
    )
    lattice, charts, squares = [], [], []
    for face in range(6):
        axis, far = face % 3, face // 3
        points = torch.empty((len(down), 3), dtype=torch.int64)
        points[:, axis] = far * n
        # The far faces are turned over, so that all are seen from outside.
        first, second = (down, right) if far else (right, down)
        points[:, (axis + 1) % 3], points[:, (axis + 2) % 3] = first, second
        lattice.append(points)
        inside = torch.stack([right, down], 1) / n * 0.98 + 0.01
        charts.append((inside + torch.tensor([face % 3, face // 3])) / torch.tensor([3.0, 2.0]))
        squares.append(square + face * len(down))
    texcoord_triangles = torch.cat(squares)
    # One vertex per lattice point: neighbouring faces share those of their border.
    points, vertex = torch.unique(torch.cat(lattice), dim=0, return_inverse=True)
    direction = torch.nn.functional.normalize(points / n * 2 - 1, dim=1)
    bumps = 0.06 * torch.sin(9 * direction + torch.tensor([0.0, 1.0, 2.0])).prod(1)
    noise = torch.rand(len(direction), generator=torch.Generator().manual_seed(0)) - 0.5
    radius = 1 + bumps + noise * (0.3 / n)
    return (
        direction * radius[:, None],
        vertex[texcoord_triangles],
        torch.cat(charts),
        texcoord_triangles,
    )


def make_scene(
    triangles: int,
    views: int,
    size: int,
    device: torch.device | str,
    *,
    texture_size: int = 1024,
) -> Scene:
    """The ball seen by `views` cameras of size x size pixels, evenly around it."""
    positions, indices, texcoords, texcoord_indices = rough_ball(triangles)
    projection = cameras.perspective(cameras.ORBIT_FOVY, 1.0, 0.1, 1000.0)
    clip_from_world = torch.stack(
        [projection @ cameras.turntable_pose(view, views) for view in range(views)]
    )
    homogeneous = torch.cat([positions, torch.ones_like(positions[:, :1])], dim=1)
    clip = homogeneous @ clip_from_world.transpose(1, 2)
    normals = vertex_normals(positions, indices)
    across = torch.linalg.cross(torch.tensor([0.0, 1.0, 0.0]).expand_as(normals), normals)
    generator = torch.Generator().manual_seed(1)
    noise = torch.rand((3, texture_size, texture_size, 3), generator=generator)
    background = torch.rand((views, size, size, 3), generator=generator)
    tangents = torch.nn.functional.normalize(across, dim=1, eps=1e-6)
    kd, ks, normal = (texture.contiguous().to(device) for texture in noise)
    return Scene(
        positions=positions.to(device),
        normals=normals.to(device),
        tangents=tangents.to(device),
        triangles=indices.to(device),
        texcoords=texcoords.to(device),
        texcoord_triangles=texcoord_indices.to(device),
        clip=clip.contiguous().to(device),
        textures=(kd, ks, normal),
        background=background.to(device),
        resolution=(size, size),
    )
