# Kernels are in Warp's language: int(0) declares a variable that changes in a loop, annotations are
# not types, and vectors and arrays have operations that their Python stand-ins lack.
# ruff: noqa: UP018
# mypy: disable-error-code="index, valid-type, no-untyped-def, misc"
"""All attributes of a mesh at covered pixels in one kernel, and their gradients in another.

What a mesh lacks, and gradients that nobody wants, are arrays without rows. Formulas:
`rasterize.reference`; the arithmetic is that of `interpolate.warp`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
import warp as wp
from torch import Tensor

from diffrec.ops.interpolate.warp import (
    add_to_clip,
    corner,
    edges_across,
    edges_down,
    place_of,
)
from diffrec.ops.warp import launch, start_warp
from diffrec.ops.warp.lanes import run_of, run_total
from diffrec.ops.warp.triangle import corners, edge_functions

start_warp()
wp.set_module_options({"enable_backward": False})


def surface(
    clip: Tensor,
    triangle: Tensor,
    pixels: Tensor,
    positions: Tensor,
    triangles: Tensor,
    normals: Tensor,
    normal_triangles: Tensor,
    texcoords: Tensor | None,
    texcoord_triangles: Tensor | None,
    tangents: Tensor | None,
    tangent_triangles: Tensor | None,
) -> tuple[Tensor | None, ...]:
    """(position, normal, tangent, uv, lod) of P pixels, None for what the mesh lacks.

    Rows without a pixel (-1) are zero.
    """
    count, device = pixels.shape[0], clip.device
    has_uv = texcoords is not None and texcoord_triangles is not None
    has_tangents = tangents is not None and tangent_triangles is not None

    def room(*shape: int) -> Tensor:
        return torch.empty(shape, dtype=torch.float32, device=device)

    position, normal = room(count, 3), room(count, 3)
    tangent = room(count if has_tangents else 0, 3)
    uv, lod = room(count if has_uv else 0, 2), room(count if has_uv else 0)
    mesh = (
        *(positions, triangles, normals, normal_triangles),
        *(texcoords, texcoord_triangles, tangents, tangent_triangles),
    )
    scene = _scene(clip, triangle, pixels, *mesh)
    launch(_surface, count, [*scene, position, normal, tangent, uv, lod], device)
    return (
        position,
        normal,
        tangent if has_tangents else None,
        uv if has_uv else None,
        lod if has_uv else None,
    )


def surface_backward(
    inputs: Sequence[Tensor | None], grads: Sequence[Tensor | None], wanted: Sequence[bool]
) -> list[Tensor | None]:
    """Gradients for (clip, positions, normals, texcoords, tangents), None where not `wanted`.

    `inputs`: those of `surface`; `grads`: for position, normal, tangent and uv, None for zero.
    """
    clip, _, pixels = inputs[:3]
    assert clip is not None and pixels is not None
    shapes = []
    for values, want in zip([clip, *(inputs[k] for k in (3, 5, 7, 9))], wanted, strict=True):
        rank = 3 if values is clip else 2
        shapes.append(tuple(values.shape) if values is not None and want else (0,) * rank)
    sizes = [prod(shape) for shape in shapes]
    memory = torch.zeros(sum(sizes), dtype=torch.float32, device=clip.device)
    totals = [
        part.view(shape) for part, shape in zip(torch.split(memory, sizes), shapes, strict=True)
    ]
    given = [
        clip.new_empty((0, 2 if i == 3 else 3)) if grad is None else grad.contiguous()
        for i, grad in enumerate(grads)
    ]
    scene = _scene(*inputs)
    count = pixels.shape[0] if scene[4].shape[0] else 0  # without triangles no pixel sees one
    launch(_surface_backward, count, [*scene, *given, *totals], clip.device)
    return [total if want else None for total, want in zip(totals, wanted, strict=True)]


def _scene(clip: Tensor | None, triangle: Tensor | None, *inputs: Tensor | None) -> list[Tensor]:
    assert clip is not None and triangle is not None
    pixels, *mesh = inputs
    assert pixels is not None
    result = [clip.detach().contiguous(), triangle.contiguous(), pixels.contiguous()]
    for k in range(0, len(mesh), 2):
        values, indices = mesh[k], mesh[k + 1]
        if values is None or indices is None:
            width = 2 if k == 4 else 3
            result += [clip.new_empty((0, width)), pixels.new_empty((0, 3))]
        else:
            result += [values.detach().contiguous(), indices.to(torch.int64).contiguous()]
    return result


@wp.func
def _write(
    attributes: wp.array2d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    face: int,
    bary: wp.vec3,
    pixel: int,
    channels: int,
    result: wp.array2d(dtype=wp.float32),
):
    v = corners(triangles, face)
    for k in range(channels):
        result[pixel, k] = (
            bary[0] * attributes[v[0], k]
            + bary[1] * attributes[v[1], k]
            + bary[2] * attributes[v[2], k]
        )


@wp.func
def _clear(pixel: int, channels: int, result: wp.array2d(dtype=wp.float32)):
    for k in range(channels):
        result[pixel, k] = 0.0


@wp.kernel
def _surface(
    clip: wp.array3d(dtype=wp.float32),
    triangle: wp.array3d(dtype=wp.int32),
    pixels: wp.array(dtype=wp.int64),
    positions: wp.array2d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    normals: wp.array2d(dtype=wp.float32),
    normal_triangles: wp.array2d(dtype=wp.int64),
    texcoords: wp.array2d(dtype=wp.float32),
    texcoord_triangles: wp.array2d(dtype=wp.int64),
    tangents: wp.array2d(dtype=wp.float32),
    tangent_triangles: wp.array2d(dtype=wp.int64),
    position: wp.array2d(dtype=wp.float32),
    normal: wp.array2d(dtype=wp.float32),
    tangent: wp.array2d(dtype=wp.float32),
    uv: wp.array2d(dtype=wp.float32),
    lod: wp.array(dtype=wp.float32),
):
    i = wp.tid()
    if pixels[i] < wp.int64(0):
        _clear(i, 3, position)
        _clear(i, 3, normal)
        if tangent.shape[0] > 0:
            _clear(i, 3, tangent)
        if uv.shape[0] > 0:
            _clear(i, 2, uv)
            lod[i] = 0.0
        return
    place = place_of(pixels[i], triangle)
    v = corners(triangles, place.face)
    a = corner(clip, place.view, v[0], place.p)
    b = corner(clip, place.view, v[1], place.p)
    c = corner(clip, place.view, v[2], place.p)
    q = edge_functions(a, b, c)
    scale = wp.float64(1.0) / (q[0] + q[1] + q[2])
    bary = wp.vec3(float(q[0] * scale), float(q[1] * scale), float(q[2] * scale))
    _write(positions, triangles, place.face, bary, i, 3, position)
    _write(normals, normal_triangles, place.face, bary, i, 3, normal)
    if tangent.shape[0] > 0:
        _write(tangents, tangent_triangles, place.face, bary, i, 3, tangent)
    if uv.shape[0] > 0:
        _write(texcoords, texcoord_triangles, place.face, bary, i, 2, uv)
        across = edges_across(a, b, c, q, scale, triangle.shape[2])
        down = edges_down(a, b, c, q, scale, triangle.shape[1])
        t = corners(texcoord_triangles, place.face)
        along_x = float(0.0)
        along_y = float(0.0)
        for k in range(2):
            own = wp.vec3d(
                wp.float64(texcoords[t[0], k]),
                wp.float64(texcoords[t[1], k]),
                wp.float64(texcoords[t[2], k]),
            )
            step_x = float(across[0] * own[0] + across[1] * own[1] + across[2] * own[2])
            step_y = float(down[0] * own[0] + down[1] * own[1] + down[2] * own[2])
            along_x += step_x * step_x
            along_y += step_y * step_y
        lod[i] = 0.5 * wp.log2(wp.max(wp.max(along_x, along_y), 1.0e-20))


@wp.func
def _add(
    attributes: wp.array2d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    face: int,
    bary: wp.vec3,
    pixel: int,
    channels: int,
    run: wp.vec4i,
    adds: bool,
    grad: wp.array2d(dtype=wp.float32),
    total: wp.array2d(dtype=wp.float32),
) -> wp.vec3:
    """Add one attribute's gradient to its vertices; returns that for the barycentrics."""
    for_bary = wp.vec3(0.0, 0.0, 0.0)
    if grad.shape[0] > 0:
        v = corners(triangles, face)
        for k in range(channels):
            g = grad[pixel, k]
            for_bary += wp.vec3(
                g * attributes[v[0], k], g * attributes[v[1], k], g * attributes[v[2], k]
            )
            if total.shape[0] > 0:
                given = run_total(bary * g, run)
                if adds:
                    for j in range(3):
                        wp.atomic_add(total, v[j], k, given[j])
    return for_bary


@wp.kernel
def _surface_backward(
    clip: wp.array3d(dtype=wp.float32),
    triangle: wp.array3d(dtype=wp.int32),
    pixels: wp.array(dtype=wp.int64),
    positions: wp.array2d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    normals: wp.array2d(dtype=wp.float32),
    normal_triangles: wp.array2d(dtype=wp.int64),
    texcoords: wp.array2d(dtype=wp.float32),
    texcoord_triangles: wp.array2d(dtype=wp.int64),
    tangents: wp.array2d(dtype=wp.float32),
    tangent_triangles: wp.array2d(dtype=wp.int64),
    for_position: wp.array2d(dtype=wp.float32),
    for_normal: wp.array2d(dtype=wp.float32),
    for_tangent: wp.array2d(dtype=wp.float32),
    for_uv: wp.array2d(dtype=wp.float32),
    for_clip: wp.array3d(dtype=wp.float32),
    for_positions: wp.array2d(dtype=wp.float32),
    for_normals: wp.array2d(dtype=wp.float32),
    for_texcoords: wp.array2d(dtype=wp.float32),
    for_tangents: wp.array2d(dtype=wp.float32),
):
    i = wp.tid()
    # Rows without a pixel go along, as a run of their own that adds nothing.
    seen = pixels[i] >= wp.int64(0)
    place = place_of(wp.max(pixels[i], wp.int64(0)), triangle)
    face = wp.max(place.face, 0)
    run = run_of(wp.where(seen, place.view * triangles.shape[0] + face, -1))
    adds = seen and run[3] == 1
    v = corners(triangles, face)
    a = corner(clip, place.view, v[0], place.p)
    b = corner(clip, place.view, v[1], place.p)
    c = corner(clip, place.view, v[2], place.p)
    q = edge_functions(a, b, c)
    scale = wp.float64(1.0) / (q[0] + q[1] + q[2])
    bary = wp.vec3(float(q[0] * scale), float(q[1] * scale), float(q[2] * scale))
    g = _add(positions, triangles, face, bary, i, 3, run, adds, for_position, for_positions)
    g += _add(normals, normal_triangles, face, bary, i, 3, run, adds, for_normal, for_normals)
    g += _add(tangents, tangent_triangles, face, bary, i, 3, run, adds, for_tangent, for_tangents)
    g += _add(texcoords, texcoord_triangles, face, bary, i, 2, run, adds, for_uv, for_texcoords)
    if for_clip.shape[0] > 0:
        exact = wp.vec3d(wp.float64(g[0]), wp.float64(g[1]), wp.float64(g[2]))
        add_to_clip(for_clip, place.view, v, a, b, c, q, scale, exact, place.p, run, adds)
