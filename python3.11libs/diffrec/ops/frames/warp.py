# Kernels are in Warp's language: int(0) declares a variable that changes in a loop, annotations are
# not types, and vectors and arrays have operations that their Python stand-ins lack.
# ruff: noqa: UP018
# mypy: disable-error-code="index, valid-type, no-untyped-def, misc, operator, arg-type"
"""Normals and tangents of vertices with NVIDIA Warp, with gradients.

Formulas: `reference`. Sums over the triangles around a vertex are atomic: on CUDA
their last bits vary from run to run.
"""

from __future__ import annotations

import torch
import warp as wp
from torch import Tensor

from diffrec.ops.warp import launch, start_warp
from diffrec.ops.warp.triangle import corners

start_warp()
wp.set_module_options({"enable_backward": False})

_TINY = wp.constant(1.0e-20)
_SHORT = wp.constant(1.0e-12)


def normals(positions: Tensor, triangles: Tensor) -> tuple[Tensor, Tensor]:
    """Unit normals [V, 3], and the sums [V, 3] of which they are the directions."""
    count, device = positions.shape[0], positions.device
    summed = torch.zeros((count, 3), dtype=torch.float32, device=device)
    result = torch.empty((count, 3), dtype=torch.float32, device=device)
    inputs = [_floats(positions), _indices(triangles), summed]
    launch(_sum_facings, triangles.shape[0], inputs, device)
    launch(_unit_normals, count, [summed, result], device)
    return result, summed


def normals_backward(positions: Tensor, triangles: Tensor, summed: Tensor, grad: Tensor) -> Tensor:
    """Gradient [V, 3] for `positions`."""
    total = torch.zeros(tuple(positions.shape), dtype=torch.float32, device=positions.device)
    inputs = [_floats(positions), _indices(triangles), summed, grad.contiguous(), total]
    launch(_normals_backward, triangles.shape[0], inputs, positions.device)
    return total


def tangents(
    positions: Tensor,
    triangles: Tensor,
    normals: Tensor,
    normal_triangles: Tensor,
    texcoords: Tensor,
    texcoord_triangles: Tensor,
    tangent_triangles: Tensor,
    count: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Unit tangents [M, 3], the sums [M, 3] before they became unit, and the normals' rows [M]."""
    device = positions.device
    summed = torch.zeros((count, 3), dtype=torch.float32, device=device)
    result = torch.empty((count, 3), dtype=torch.float32, device=device)
    normal_of = torch.empty(count, dtype=torch.int32, device=device)
    shape = [
        _floats(positions),
        _indices(triangles),
        _floats(texcoords),
        _indices(texcoord_triangles),
    ]
    sums = [_indices(normal_triangles), _indices(tangent_triangles), summed, normal_of]
    launch(_sum_directions, triangles.shape[0], [*shape, *sums], device)
    launch(_unit_tangents, count, [summed, normal_of, _floats(normals), result], device)
    return result, summed, normal_of


def tangents_backward(
    positions: Tensor,
    triangles: Tensor,
    normals: Tensor,
    normal_triangles: Tensor,
    texcoords: Tensor,
    texcoord_triangles: Tensor,
    tangent_triangles: Tensor,
    summed: Tensor,
    normal_of: Tensor,
    grad: Tensor,
) -> tuple[Tensor, Tensor]:
    """Gradients for `positions` [V, 3] and `normals` [N, 3]."""
    sizes = [positions.shape[0], normals.shape[0]]
    memory = torch.zeros((sum(sizes), 3), dtype=torch.float32, device=positions.device)
    for_positions, for_normals = torch.split(memory, sizes)
    inputs = [
        _floats(positions),
        _indices(triangles),
        _floats(texcoords),
        _indices(texcoord_triangles),
        _indices(tangent_triangles),
        _floats(normals),
        summed,
        normal_of,
        grad.contiguous(),
        for_positions,
        for_normals,
    ]
    threads = max(triangles.shape[0], summed.shape[0])
    launch(_tangents_backward, threads, inputs, positions.device)
    return for_positions, for_normals


def _floats(values: Tensor) -> Tensor:
    return values.detach().contiguous()


def _indices(indices: Tensor) -> Tensor:
    return indices.to(torch.int64).contiguous()


@wp.func
def _row(values: wp.array2d(dtype=wp.float32), row: int) -> wp.vec3:
    return wp.vec3(values[row, 0], values[row, 1], values[row, 2])


@wp.func
def _set(values: wp.array2d(dtype=wp.float32), row: int, value: wp.vec3):
    for k in range(3):
        values[row, k] = value[k]


@wp.func
def _add(values: wp.array2d(dtype=wp.float32), row: int, value: wp.vec3):
    for k in range(3):
        wp.atomic_add(values, row, k, value[k])


@wp.kernel
def _sum_facings(
    positions: wp.array2d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    summed: wp.array2d(dtype=wp.float32),
):
    v = corners(triangles, wp.tid())
    if v[0] == v[1]:
        return  # a row that is not needed: thousands would wait for each other to add nothing
    a = _row(positions, v[0])
    facing = wp.cross(_row(positions, v[1]) - a, _row(positions, v[2]) - a)
    for j in range(3):
        _add(summed, v[j], facing)


@wp.kernel
def _unit_normals(
    summed: wp.array2d(dtype=wp.float32),
    result: wp.array2d(dtype=wp.float32),
):
    i = wp.tid()
    s = _row(summed, i)
    squared = wp.dot(s, s)
    if squared <= _TINY:
        _set(result, i, wp.vec3(0.0, 0.0, 1.0))
    else:
        _set(result, i, s / wp.sqrt(squared))


@wp.func
def _through_unit(s: wp.vec3, grad: wp.vec3) -> wp.vec3:
    """Gradient for s where `grad` is that for s / |s|; none where s is too short."""
    result = wp.vec3(0.0, 0.0, 0.0)
    squared = wp.dot(s, s)
    if squared > _TINY:
        length = wp.sqrt(squared)
        unit = s / length
        result = (grad - unit * wp.dot(unit, grad)) / length
    return result


@wp.kernel
def _normals_backward(
    positions: wp.array2d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    summed: wp.array2d(dtype=wp.float32),
    grad: wp.array2d(dtype=wp.float32),
    total: wp.array2d(dtype=wp.float32),
):
    v = corners(triangles, wp.tid())
    if v[0] == v[1]:
        return
    a = _row(positions, v[0])
    one = _row(positions, v[1]) - a
    two = _row(positions, v[2]) - a
    g = wp.vec3(0.0, 0.0, 0.0)
    for j in range(3):
        g += _through_unit(_row(summed, v[j]), _row(grad, v[j]))
    of_one = wp.cross(two, g)
    of_two = wp.cross(g, one)
    _add(total, v[0], -(of_one + of_two))
    _add(total, v[1], of_one)
    _add(total, v[2], of_two)


@wp.struct
class _Direction:
    """How a triangle leads along u: dP/du up to its length, and what that is made of."""

    along: wp.vec3  # not of unit length, 0 where the mapping has no area
    first: float  # along = first * one + second * two
    second: float
    one: wp.vec3  # the edges from the first corner
    two: wp.vec3
    facing: wp.vec3
    squared: float  # of twice the area
    area: float  # twice it, never 0


@wp.func
def _direction(
    positions: wp.array2d(dtype=wp.float32),
    v: wp.vec3i,
    texcoords: wp.array2d(dtype=wp.float32),
    t: wp.vec3i,
) -> _Direction:
    d = _Direction()
    a = _row(positions, v[0])
    d.one = _row(positions, v[1]) - a
    d.two = _row(positions, v[2]) - a
    u1 = texcoords[t[1], 0] - texcoords[t[0], 0]
    v1 = texcoords[t[1], 1] - texcoords[t[0], 1]
    u2 = texcoords[t[2], 0] - texcoords[t[0], 0]
    v2 = texcoords[t[2], 1] - texcoords[t[0], 1]
    determinant = u1 * v2 - u2 * v1
    side = float(0.0)
    if determinant > 0.0:
        side = 1.0
    if determinant < 0.0:
        side = -1.0
    d.first = v2 * side
    d.second = -v1 * side
    d.along = d.first * d.one + d.second * d.two
    d.facing = wp.cross(d.one, d.two)
    d.squared = wp.dot(d.facing, d.facing)
    d.area = wp.sqrt(wp.max(d.squared, _TINY))
    return d


@wp.kernel
def _sum_directions(
    positions: wp.array2d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    texcoords: wp.array2d(dtype=wp.float32),
    texcoord_triangles: wp.array2d(dtype=wp.int64),
    normal_triangles: wp.array2d(dtype=wp.int64),
    tangent_triangles: wp.array2d(dtype=wp.int64),
    summed: wp.array2d(dtype=wp.float32),
    normal_of: wp.array(dtype=wp.int32),
):
    face = wp.tid()
    v = corners(triangles, face)
    d = _direction(positions, v, texcoords, corners(texcoord_triangles, face))
    weighed = d.along * (d.area / wp.max(wp.length(d.along), _SHORT))
    t = corners(tangent_triangles, face)
    n = corners(normal_triangles, face)
    for j in range(3):
        _add(summed, t[j], weighed)
        # All corners that share a tangent have the same normal.
        normal_of[t[j]] = n[j]


@wp.kernel
def _unit_tangents(
    summed: wp.array2d(dtype=wp.float32),
    normal_of: wp.array(dtype=wp.int32),
    normals: wp.array2d(dtype=wp.float32),
    result: wp.array2d(dtype=wp.float32),
):
    i = wp.tid()
    n = _row(normals, normal_of[i])
    s = _row(summed, i)
    flat = s - n * wp.dot(n, s)
    squared = wp.dot(flat, flat)
    if squared <= _TINY:
        size = wp.vec3(wp.abs(n[0]), wp.abs(n[1]), wp.abs(n[2]))
        axis = wp.vec3(0.0, 0.0, 1.0)
        if size[0] <= size[1] and size[0] <= size[2]:
            axis = wp.vec3(1.0, 0.0, 0.0)
        elif size[1] <= size[2]:
            axis = wp.vec3(0.0, 1.0, 0.0)
        across = wp.cross(n, axis)
        _set(result, i, across / wp.max(wp.length(across), _SHORT))
    else:
        _set(result, i, flat / wp.sqrt(squared))


@wp.kernel
def _tangents_backward(
    positions: wp.array2d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    texcoords: wp.array2d(dtype=wp.float32),
    texcoord_triangles: wp.array2d(dtype=wp.int64),
    tangent_triangles: wp.array2d(dtype=wp.int64),
    normals: wp.array2d(dtype=wp.float32),
    summed: wp.array2d(dtype=wp.float32),
    normal_of: wp.array(dtype=wp.int32),
    grad: wp.array2d(dtype=wp.float32),
    for_positions: wp.array2d(dtype=wp.float32),
    for_normals: wp.array2d(dtype=wp.float32),
):
    """Two tasks that need nothing of each other: a tangent's normal, a triangle's corners."""
    i = wp.tid()
    if i < summed.shape[0]:
        n = _row(normals, normal_of[i])
        s = _row(summed, i)
        g = _through_unit(s - n * wp.dot(n, s), _row(grad, i))
        _add(for_normals, normal_of[i], -(g * wp.dot(n, s) + s * wp.dot(n, g)))
    if i < triangles.shape[0]:
        v = corners(triangles, i)
        t = corners(tangent_triangles, i)
        d = _direction(positions, v, texcoords, corners(texcoord_triangles, i))
        total = wp.vec3(0.0, 0.0, 0.0)
        for j in range(3):
            n = _row(normals, normal_of[t[j]])
            s = _row(summed, t[j])
            g = _through_unit(s - n * wp.dot(n, s), _row(grad, t[j]))
            total += g - n * wp.dot(n, g)
        length = wp.length(d.along)
        unit = d.along / wp.max(length, _SHORT)
        for_along = total * (d.area / wp.max(length, _SHORT))
        if length >= _SHORT:
            for_along = for_along - unit * wp.dot(unit, for_along)
        of_one = d.first * for_along
        of_two = d.second * for_along
        if d.squared >= _TINY:
            for_facing = d.facing * (wp.dot(unit, total) / d.area)
            of_one += wp.cross(d.two, for_facing)
            of_two += wp.cross(for_facing, d.one)
        _add(for_positions, v[0], -(of_one + of_two))
        _add(for_positions, v[1], of_one)
        _add(for_positions, v[2], of_two)
