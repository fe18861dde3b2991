# Kernels are in Warp's language: annotations are not types, and vectors and arrays have operations
# that their Python stand-ins lack.
# mypy: disable-error-code="index, valid-type, no-untyped-def, misc, call-overload, no-any-return"
"""Barycentrics, interpolation and footprints of covered pixels with NVIDIA Warp, with gradients.

Formulas: `rasterize.reference`. Gradients that several pixels add to one vertex are summed
atomically: on CUDA their last bits vary from run to run.
"""

from __future__ import annotations

import torch
import warp as wp
from torch import Tensor

from diffrec.ops.warp import launch, start_warp
from diffrec.ops.warp.lanes import add_to_vertex, put_four, run_of, run_total
from diffrec.ops.warp.triangle import (
    centre,
    corners,
    edge_functions,
    pixel_at,
    seen_from,
    vertex,
)

start_warp()
wp.set_module_options({"enable_backward": False})


def _int64(indices: Tensor) -> Tensor:
    """Indices as a mesh has them: nothing is converted."""
    return indices.to(torch.int64).contiguous()


def _float32(values: Tensor) -> Tensor:
    return values.detach().to(torch.float32).contiguous()


def barycentrics(clip: Tensor, triangles: Tensor, triangle: Tensor, pixels: Tensor) -> Tensor:
    """[P, 3]."""
    bary = torch.empty((pixels.shape[0], 3), dtype=torch.float32, device=clip.device)
    scene = [_float32(clip), _int64(triangles), triangle.contiguous(), pixels.contiguous()]
    launch(_barycentrics, pixels.shape[0], [*scene, bary], clip.device)
    return bary


def barycentrics_backward(
    clip: Tensor, triangles: Tensor, triangle: Tensor, pixels: Tensor, grad: Tensor
) -> Tensor:
    """Gradient [B, V, 4] for `clip`."""
    total = torch.zeros(tuple(clip.shape), dtype=torch.float32, device=clip.device)
    scene = [_float32(clip), _int64(triangles), triangle.contiguous(), pixels.contiguous()]
    inputs = [*scene, _float32(grad), total]
    launch(_barycentrics_backward, pixels.shape[0], inputs, clip.device)
    return total


def footprint(
    clip: Tensor,
    triangles: Tensor,
    triangle: Tensor,
    pixels: Tensor,
    texcoords: Tensor,
    texcoord_triangles: Tensor,
) -> Tensor:
    """[P, 4]."""
    result = torch.empty((pixels.shape[0], 4), dtype=torch.float32, device=clip.device)
    scene = [_float32(clip), _int64(triangles), triangle.contiguous(), pixels.contiguous()]
    inputs = [*scene, _float32(texcoords), _int64(texcoord_triangles), result]
    launch(_footprint, pixels.shape[0], inputs, clip.device)
    return result


def interpolate(
    attributes: Tensor, attribute_triangles: Tensor, triangle_of_pixel: Tensor, bary: Tensor
) -> Tensor:
    """[P, C]."""
    shape = (bary.shape[0], attributes.shape[1])
    result = torch.empty(shape, dtype=torch.float32, device=bary.device)
    inputs = [
        _float32(attributes),
        _int64(attribute_triangles),
        _int64(triangle_of_pixel),
        _float32(bary),
        result,
    ]
    launch(_interpolate, bary.shape[0], inputs, bary.device)
    return result


def interpolate_backward(
    attributes: Tensor,
    attribute_triangles: Tensor,
    triangle_of_pixel: Tensor,
    bary: Tensor,
    grad: Tensor,
    wants_attributes: bool,
    wants_bary: bool,
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients [V, C] for `attributes` and [P, 3] for `bary`, each where wanted."""
    for_attributes = torch.zeros(
        tuple(attributes.shape) if wants_attributes else (1, 1),
        dtype=torch.float32,
        device=bary.device,
    )
    for_bary = torch.empty(
        tuple(bary.shape) if wants_bary else (1, 3), dtype=torch.float32, device=bary.device
    )
    inputs = [
        _float32(attributes),
        _int64(attribute_triangles),
        _int64(triangle_of_pixel),
        _float32(bary),
        _float32(grad),
        int(wants_attributes),
        int(wants_bary),
        for_attributes,
        for_bary,
    ]
    launch(_interpolate_backward, bary.shape[0], inputs, bary.device)
    return (for_attributes if wants_attributes else None), (for_bary if wants_bary else None)


@wp.struct
class Place:
    """Where a pixel is: its view, triangle and centre."""

    view: int
    face: int
    p: wp.vec2d


@wp.func
def place_of(pixel: wp.int64, triangle: wp.array3d(dtype=wp.int32)) -> Place:
    height = triangle.shape[1]
    width = triangle.shape[2]
    place = Place()
    at = pixel_at(int(pixel), height, width)
    place.view = at[0]
    place.face = triangle[at[0], at[1], at[2]]
    place.p = centre(at[1], at[2], height, width)
    return place


@wp.func
def corner(clip: wp.array3d(dtype=wp.float32), view: int, row: int, p: wp.vec2d) -> wp.vec3d:
    """The same, of one vertex of a contiguous `clip`."""
    return seen_from(vertex(clip, view, row), p)


@wp.kernel
def _barycentrics(
    clip: wp.array3d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    triangle: wp.array3d(dtype=wp.int32),
    pixels: wp.array(dtype=wp.int64),
    bary: wp.array2d(dtype=wp.float32),
):
    i = wp.tid()
    place = place_of(pixels[i], triangle)
    v = corners(triangles, place.face)
    a = corner(clip, place.view, v[0], place.p)
    b = corner(clip, place.view, v[1], place.p)
    c = corner(clip, place.view, v[2], place.p)
    q = edge_functions(a, b, c)
    scale = wp.float64(1.0) / (q[0] + q[1] + q[2])
    for k in range(3):
        bary[i, k] = float(q[k] * scale)


@wp.func
def _add(
    total: wp.array3d(dtype=wp.float32),
    view: int,
    row: int,
    gx: wp.float64,
    gy: wp.float64,
    p: wp.vec2d,
    run: wp.vec4i,
    adds: bool,
):
    """Add the gradient for u of one vertex to those for its x, y and w."""
    value = wp.vec3(float(gx), float(gy), float(-(gx * p[0] + gy * p[1])))
    value = run_total(value, run)
    if adds:
        add_to_vertex(total, view, row, value)


@wp.func
def add_to_clip(
    total: wp.array3d(dtype=wp.float32),
    view: int,
    vertices: wp.vec3i,
    a: wp.vec3d,
    b: wp.vec3d,
    c: wp.vec3d,
    q: wp.vec3d,
    scale: wp.float64,
    g: wp.vec3d,
    p: wp.vec2d,
    run: wp.vec4i,
    adds: bool,
):
    """Add the gradient g for the barycentrics q * scale to that for the corners a, b, c.

    `run`: the pixels beside this one in the same triangle of the same view; `adds`: whether this
    thread adds what they have together.
    """
    mean = wp.dot(g, q) * scale
    # Gradient for q, then for u by the product rule on the cross products.
    h = wp.vec3d((g[0] - mean) * scale, (g[1] - mean) * scale, (g[2] - mean) * scale)
    _add(
        total, view, vertices[0],
        h[2] * b[1] - h[1] * c[1], h[1] * c[0] - h[2] * b[0], p, run, adds,
    )  # fmt: skip
    _add(
        total, view, vertices[1],
        h[0] * c[1] - h[2] * a[1], h[2] * a[0] - h[0] * c[0], p, run, adds,
    )  # fmt: skip
    _add(
        total, view, vertices[2],
        h[1] * a[1] - h[0] * b[1], h[0] * b[0] - h[1] * a[0], p, run, adds,
    )  # fmt: skip


@wp.kernel
def _barycentrics_backward(
    clip: wp.array3d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    triangle: wp.array3d(dtype=wp.int32),
    pixels: wp.array(dtype=wp.int64),
    grad: wp.array2d(dtype=wp.float32),
    total: wp.array3d(dtype=wp.float32),
):
    i = wp.tid()
    place = place_of(pixels[i], triangle)
    run = run_of(place.view * triangles.shape[0] + place.face)
    p = place.p
    v = corners(triangles, place.face)
    a = corner(clip, place.view, v[0], p)
    b = corner(clip, place.view, v[1], p)
    c = corner(clip, place.view, v[2], p)
    q = edge_functions(a, b, c)
    scale = wp.float64(1.0) / (q[0] + q[1] + q[2])
    g = wp.vec3d(wp.float64(grad[i, 0]), wp.float64(grad[i, 1]), wp.float64(grad[i, 2]))
    add_to_clip(total, place.view, v, a, b, c, q, scale, g, p, run, run[3] == 1)


@wp.func
def edges_across(
    a: wp.vec3d, b: wp.vec3d, c: wp.vec3d, q: wp.vec3d, scale: wp.float64, width: int
) -> wp.vec3d:
    """Change of the barycentrics q * scale from one pixel to the next on the right."""
    step = wp.vec3d(b[1] * c[2] - b[2] * c[1], c[1] * a[2] - c[2] * a[1], a[1] * b[2] - a[2] * b[1])
    pixel = scale * wp.float64(2.0) / wp.float64(width)
    return wp.vec3d((step - q * (scale * (step[0] + step[1] + step[2]))) * pixel)


@wp.func
def edges_down(
    a: wp.vec3d, b: wp.vec3d, c: wp.vec3d, q: wp.vec3d, scale: wp.float64, height: int
) -> wp.vec3d:
    """Change of the barycentrics q * scale from one pixel to the next below."""
    step = wp.vec3d(b[0] * c[2] - b[2] * c[0], c[0] * a[2] - c[2] * a[0], a[0] * b[2] - a[2] * b[0])
    pixel = scale * wp.float64(2.0) / wp.float64(height)
    return wp.vec3d((step - q * (scale * (step[0] + step[1] + step[2]))) * pixel)


@wp.func
def _texcoord(texcoords: wp.array2d(dtype=wp.float32), row: int) -> wp.vec2d:
    return wp.vec2d(wp.float64(texcoords[row, 0]), wp.float64(texcoords[row, 1]))


@wp.kernel
def _footprint(
    clip: wp.array3d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    triangle: wp.array3d(dtype=wp.int32),
    pixels: wp.array(dtype=wp.int64),
    texcoords: wp.array2d(dtype=wp.float32),
    texcoord_triangles: wp.array2d(dtype=wp.int64),
    result: wp.array2d(dtype=wp.float32),
):
    i = wp.tid()
    place = place_of(pixels[i], triangle)
    v = corners(triangles, place.face)
    a = corner(clip, place.view, v[0], place.p)
    b = corner(clip, place.view, v[1], place.p)
    c = corner(clip, place.view, v[2], place.p)
    q = edge_functions(a, b, c)
    scale = wp.float64(1.0) / (q[0] + q[1] + q[2])
    across = edges_across(a, b, c, q, scale, triangle.shape[2])
    down = edges_down(a, b, c, q, scale, triangle.shape[1])
    t = corners(texcoord_triangles, place.face)
    at0 = _texcoord(texcoords, t[0])
    at1 = _texcoord(texcoords, t[1])
    at2 = _texcoord(texcoords, t[2])
    by_column = across[0] * at0 + across[1] * at1 + across[2] * at2
    by_row = down[0] * at0 + down[1] * at1 + down[2] * at2
    slopes = wp.vec4(float(by_column[0]), float(by_row[0]), float(by_column[1]), float(by_row[1]))
    put_four(result, i, slopes)


@wp.func
def _three(values: wp.array2d(dtype=wp.float32), row: int, first: int) -> wp.vec3:
    """Three channels from the first on, read at once; 0 for those beyond the last."""
    x = values[row, first]
    y = wp.float32(0.0)
    z = wp.float32(0.0)
    if first + 1 < values.shape[1]:
        y = values[row, first + 1]
    if first + 2 < values.shape[1]:
        z = values[row, first + 2]
    return wp.vec3(x, y, z)


@wp.kernel
def _interpolate(
    attributes: wp.array2d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    faces: wp.array(dtype=wp.int64),
    bary: wp.array2d(dtype=wp.float32),
    result: wp.array2d(dtype=wp.float32),
):
    i = wp.tid()
    v = corners(triangles, int(faces[i]))
    weight = wp.vec3(bary[i, 0], bary[i, 1], bary[i, 2])
    channels = result.shape[1]
    for k in range(0, channels, 3):
        value = weight[0] * _three(attributes, v[0], k)
        value += weight[1] * _three(attributes, v[1], k)
        value += weight[2] * _three(attributes, v[2], k)
        for c in range(3):
            if k + c < channels:
                result[i, k + c] = value[c]


@wp.kernel
def _interpolate_backward(
    attributes: wp.array2d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    faces: wp.array(dtype=wp.int64),
    bary: wp.array2d(dtype=wp.float32),
    grad: wp.array2d(dtype=wp.float32),
    wants_attributes: int,
    wants_bary: int,
    for_attributes: wp.array2d(dtype=wp.float32),
    for_bary: wp.array2d(dtype=wp.float32),
):
    i = wp.tid()
    face = int(faces[i])
    run = run_of(face)
    v = corners(triangles, face)
    weight = wp.vec3(bary[i, 0], bary[i, 1], bary[i, 2])
    channels = grad.shape[1]
    total = wp.vec3(0.0, 0.0, 0.0)
    for k in range(0, channels, 3):
        g = _three(grad, i, k)
        if wants_bary != 0:
            total += wp.vec3(
                wp.dot(g, _three(attributes, v[0], k)),
                wp.dot(g, _three(attributes, v[1], k)),
                wp.dot(g, _three(attributes, v[2], k)),
            )
        if wants_attributes != 0:
            for j in range(3):
                given = run_total(weight[j] * g, run)
                if run[3] == 1:
                    for c in range(3):
                        if k + c < channels:
                            wp.atomic_add(for_attributes, v[j], k + c, given[c])
    if wants_bary != 0:
        for j in range(3):
            for_bary[i, j] = total[j]
