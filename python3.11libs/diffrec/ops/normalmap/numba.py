"""Normal maps between frames on the CPU, all cores, a texel after the other."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

from diffrec.ops.arrays import float32


def to_world(
    values: Tensor,
    at: Tensor,
    nearest: Tensor,
    faces: Tensor,
    bary: Tensor,
    normals: Tensor,
    normal_triangles: Tensor,
    tangents: Tensor,
    tangent_triangles: Tensor,
) -> Tensor:
    """[N, 3]."""
    result = values.detach().to(torch.float32).clone(memory_format=torch.contiguous_format)
    places = _places(at, nearest, faces, bary)
    frames = (*_table(normals, normal_triangles), *_table(tangents, tangent_triangles))
    _to_world(*places, *frames, numba.get_num_threads(), result.numpy())
    return result


def to_mikktspace(
    world: Tensor,
    at: Tensor,
    nearest: Tensor,
    faces: Tensor,
    bary: Tensor,
    normals: Tensor,
    normal_triangles: Tensor,
    corners: Tensor,
) -> Tensor:
    """[N, 3]."""
    result = world.detach().to(torch.float32).clone(memory_format=torch.contiguous_format)
    places = _places(at, nearest, faces, bary)
    frames = (*_table(normals, normal_triangles), float32(corners))
    _to_mikktspace(*places, *frames, numba.get_num_threads(), result.numpy())
    return result


def _places(*given: Tensor) -> tuple[Any, ...]:
    *whole, bary = given
    return (*(one.to(torch.int64).contiguous().numpy() for one in whole), float32(bary))


def _table(rows: Tensor, triangles: Tensor) -> tuple[Any, Any]:
    return float32(rows), triangles.to(torch.int64).contiguous().numpy()


@njit(cache=True)
def _between(rows, a, b, c, s, t, u):  # type: ignore[no-untyped-def]
    """The first three columns of three rows, interpolated."""
    return (
        s * rows[a, 0] + t * rows[b, 0] + u * rows[c, 0],
        s * rows[a, 1] + t * rows[b, 1] + u * rows[c, 1],
        s * rows[a, 2] + t * rows[b, 2] + u * rows[c, 2],
    )


@njit(cache=True)
def _unit(x, y, z):  # type: ignore[no-untyped-def]
    length = max(np.sqrt(x * x + y * y + z * z), np.float32(1e-12))
    return x / length, y / length, z / length


@njit(cache=True)
def _cross(x, y, z, p, q, r):  # type: ignore[no-untyped-def]
    return y * r - z * q, z * p - x * r, x * q - y * p


@njit(parallel=True, cache=True)
def _to_world(  # type: ignore[no-untyped-def]
    at,
    nearest,
    faces,
    bary,
    normals,
    normal_triangles,
    tangents,
    tangent_triangles,
    threads,
    result,
):
    count = len(at)
    for part in prange(threads):
        for i in range(part * count // threads, (part + 1) * count // threads):
            row, place = at[i], nearest[i]
            face = faces[place]
            s, t, u = bary[place, 0], bary[place, 1], bary[place, 2]
            a, b, c = normal_triangles[face]
            nx, ny, nz = _between(normals, a, b, c, s, t, u)
            a, b, c = tangent_triangles[face]
            tx, ty, tz = _between(tangents, a, b, c, s, t, u)
            nx, ny, nz = _unit(nx, ny, nz)
            share = tx * nx + ty * ny + tz * nz
            tx, ty, tz = _unit(tx - nx * share, ty - ny * share, tz - nz * share)
            bx, by, bz = _cross(nx, ny, nz, tx, ty, tz)
            x, y, z = result[row, 0], result[row, 1], result[row, 2]
            result[row, 0] = x * tx + y * bx + z * nx
            result[row, 1] = x * ty + y * by + z * ny
            result[row, 2] = x * tz + y * bz + z * nz


@njit(parallel=True, cache=True)
def _to_mikktspace(  # type: ignore[no-untyped-def]
    at, nearest, faces, bary, normals, normal_triangles, corners, threads, result
):
    count = len(at)
    for part in prange(threads):
        for i in range(part * count // threads, (part + 1) * count // threads):
            row, place = at[i], nearest[i]
            face = faces[place]
            s, t, u = bary[place, 0], bary[place, 1], bary[place, 2]
            a, b, c = normal_triangles[face]
            nx, ny, nz = _between(normals, a, b, c, s, t, u)
            a, b, c = 3 * face, 3 * face + 1, 3 * face + 2
            tx, ty, tz = _between(corners, a, b, c, s, t, u)
            side = np.sign(s * corners[a, 3] + t * corners[b, 3] + u * corners[c, 3])
            bx, by, bz = _cross(nx, ny, nz, tx, ty, tz)
            bx, by, bz = side * bx, side * by, side * bz
            # Of axes of any angles: what is perpendicular to the other two.
            px, py, pz = _cross(bx, by, bz, nx, ny, nz)
            qx, qy, qz = _cross(nx, ny, nz, tx, ty, tz)
            rx, ry, rz = _cross(tx, ty, tz, bx, by, bz)
            way = np.sign(tx * px + ty * py + tz * pz)
            x, y, z = way * result[row, 0], way * result[row, 1], way * result[row, 2]
            result[row, 0] = x * px + y * py + z * pz
            result[row, 1] = x * qx + y * qy + z * qz
            result[row, 2] = x * rx + y * ry + z * rz
    count = len(result)
    for part in prange(threads):
        for i in range(part * count // threads, (part + 1) * count // threads):
            result[i, 0], result[i, 1], result[i, 2] = _unit(
                result[i, 0], result[i, 1], result[i, 2]
            )
