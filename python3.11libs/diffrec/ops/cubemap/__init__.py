"""Where the texels of a cube map lie, and which of them surround a direction.

Faces +x -x +y -y +z -z, each with OpenGL's axes s (right) and t (down): a cube map is
[6, R, R, C], texel (face, row, column) centred at s = (2 column + 1) / R - 1, t likewise.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

# direction = axis + s * right + t * down, per face (OpenGL 4.6, table 8.19).
_AXIS = ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))
_RIGHT = ((0, 0, -1), (0, 0, 1), (1, 0, 0), (1, 0, 0), (1, 0, 0), (-1, 0, 0))
_DOWN = ((0, -1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1), (0, -1, 0), (0, -1, 0))


def face_vectors(face: Tensor, s: Tensor, t: Tensor) -> Tensor:
    """Unnormalised directions [..., 3] of the points (s, t) on the planes of the faces."""
    axis, right, down = _faces(s.dtype, str(s.device))
    return axis[face] + s[..., None] * right[face] + t[..., None] * down[face]


# Kept, since nothing may come from the host's memory while a CUDA graph is recorded.
@functools.lru_cache(maxsize=8)
def _faces(dtype: torch.dtype, device: str) -> tuple[Tensor, ...]:
    """Axis, right and down [6, 3] of the faces."""
    return tuple(torch.tensor(v, dtype=dtype, device=device) for v in (_AXIS, _RIGHT, _DOWN))


@functools.lru_cache(maxsize=16)
def _sizes(sizes: tuple[int, ...], device: str) -> Tensor:
    return torch.tensor(sizes, device=device)


def texel_directions(
    size: int, dtype: torch.dtype = torch.float32, device: torch.device | None = None
) -> Tensor:
    """Unit directions [6, R, R, 3] of the texel centres."""
    centre = (torch.arange(size, dtype=dtype, device=device) * 2 + 1) / size - 1
    face = torch.arange(6, device=device)[:, None, None].expand(6, size, size)
    t, s = torch.meshgrid(centre, centre, indexing="ij")
    vectors = face_vectors(face, s.expand(6, size, size), t.expand(6, size, size))
    return torch.nn.functional.normalize(vectors, dim=-1)


def solid_angles(
    size: int, dtype: torch.dtype = torch.float32, device: torch.device | None = None
) -> Tensor:
    """Solid angles [R, R] in steradian of a face's texels; six faces add up to 4 pi."""
    edge = torch.arange(size + 1, dtype=torch.float64, device=device) * 2 / size - 1
    y, x = torch.meshgrid(edge, edge, indexing="ij")
    corner = torch.atan2(x * y, torch.sqrt(x * x + y * y + 1))
    area = corner[1:, 1:] - corner[1:, :-1] - corner[:-1, 1:] + corner[:-1, :-1]
    return area.to(dtype)


def project(directions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Face [P] int64 and s, t [P] in [-1, 1] of directions [P, 3]; s and t are differentiable."""
    largest = directions.detach().abs().argmax(dim=1)
    major = directions.gather(1, largest[:, None])[:, 0]
    face = largest * 2 + (major.detach() < 0).long()
    right, down = (one[face] for one in _faces(directions.dtype, str(directions.device))[1:])
    scale = 1.0 / major.abs().clamp_min(1e-20)
    return face, (directions * right).sum(1) * scale, (directions * down).sum(1) * scale


def bilinear(directions: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Flat texel indices [P, 4] and weights [P, 4] around directions [P, 3], across edges too."""
    level = torch.zeros(len(directions), dtype=torch.int64, device=directions.device)
    return bilinear_levels(directions, [size], level)


def bilinear_levels(
    directions: Tensor, sizes: Sequence[int], level: Tensor
) -> tuple[Tensor, Tensor]:
    """As `bilinear`, each point in its own level [P] of cube maps that stand one after another."""
    device = directions.device
    face, s, t = project(directions)
    size = _sizes(tuple(sizes), str(device))[level]
    # The tables have a border of one texel, so column -1 is entry 0.
    x, y = (s + 1) * 0.5 * size + 0.5, (t + 1) * 0.5 * size + 0.5
    left, top = x.detach().floor(), y.detach().floor()
    fx, fy = x - left, y - top
    padded = size + 2
    column, row = left.long().clamp(min=0), top.long().clamp(min=0)
    column, row = torch.minimum(column, size), torch.minimum(row, size)
    table, starts = bordered_tables(tuple(sizes), str(device))
    corner = starts[level] + (face * padded + row) * padded + column
    offsets = (corner, corner + 1, corner + padded, corner + padded + 1)
    index = table[torch.stack(offsets, dim=1)]
    weight = torch.stack([v * u for v in (1 - fy, fy) for u in (1 - fx, fx)], dim=1)
    return index, weight


@functools.lru_cache(maxsize=16)
def bordered_tables(sizes: tuple[int, ...], device: str) -> tuple[Tensor, Tensor]:
    """Flat indices of the texels of all levels, each face with a border of one from its
    neighbours, and where each level begins in that list."""
    tables, starts, begun, first = [], [], 0, 0
    for size in sizes:
        tables.append(neighbour_table(size, 1, torch.device(device)).reshape(-1) + first)
        starts.append(begun)
        begun += tables[-1].numel()
        first += 6 * size * size
    return torch.cat(tables), torch.tensor(starts, device=device)


def neighbour_table(size: int, border: int, device: torch.device | None = None) -> Tensor:
    """Flat texel index [6, R + 2 b, R + 2 b] int64 of a face and of what surrounds it.

    A place beyond the edge names the texel of the neighbouring face that the plane of this face,
    carried on, points into.
    """
    place = torch.arange(-border, size + border, device=device)
    centre = (place.double() * 2 + 1) / size - 1
    t, s = torch.meshgrid(centre, centre, indexing="ij")
    face = torch.arange(6, device=device)[:, None, None].expand(6, len(place), len(place))
    vectors = face_vectors(face, s.expand_as(face), t.expand_as(face)).reshape(-1, 3)
    return nearest_texel(vectors, size).reshape(6, len(place), len(place))


def edge_texels(size: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Flat indices [6, 4, R] of the texels along the left, right, upper and lower edge of each
    face, and of those beyond it."""
    table = neighbour_table(size, 1, device)
    turned = table.transpose(1, 2)

    def along(lines: tuple[int, int]) -> Tensor:
        sides = [one[:, line, 1:-1] for one in (turned, table) for line in lines]
        return torch.stack(sides, dim=1)

    return along((1, -2)), along((0, -1))


def nearest_texel(directions: Tensor, size: int) -> Tensor:
    """Flat index [P] int64 of the texel that contains each direction [P, 3]."""
    face, s, t = project(directions)
    column = ((s + 1) * 0.5 * size).long().clamp(0, size - 1)
    row = ((t + 1) * 0.5 * size).long().clamp(0, size - 1)
    return (face * size + row) * size + column
