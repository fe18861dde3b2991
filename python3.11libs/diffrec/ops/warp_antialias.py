# Kernels are in Warp's language: int(0) declares a variable that changes in a loop, annotations are
# not types, and vectors and arrays have operations that their Python stand-ins lack.
# ruff: noqa: UP018, RUF046
# mypy: disable-error-code="index, valid-type, no-untyped-def, misc, operator, arg-type"
"""Silhouette antialiasing with NVIDIA Warp. Method and formulas: `reference_antialias`.

The silhouettes stay in a dense array, one entry per pair of pixels, so that nothing waits for their
number.
"""

from __future__ import annotations

import torch
import warp as wp
from torch import Tensor

from diffrec.ops.backends import launch
from diffrec.ops.backends import warp as start_warp
from diffrec.ops.reference_antialias import MAX_STEPS
from diffrec.ops.warp_interpolate import corner
from diffrec.ops.warp_raster import centre

start_warp()
wp.set_module_options({"enable_backward": False, "fuse_fp": False})

_MAX_STEPS = wp.constant(MAX_STEPS)


def find(
    triangle: Tensor, depth: Tensor, clip: Tensor, triangles: Tensor, neighbor: Tensor
) -> Tensor:
    """Silhouettes [2, B, H, W] int32 between each pixel and the next one right (0) or below (1).

    -1 for none, else 2 * (3 * triangle + edge), + 1 where the second pixel is the near one.
    """
    found = torch.empty((2, *triangle.shape), dtype=torch.int32, device=clip.device)
    inputs = [
        triangle.contiguous(),
        depth.contiguous(),
        clip.contiguous(),
        triangles.to(torch.int64).contiguous(),
        neighbor.contiguous(),
        found,
    ]
    launch(_find, tuple(found.shape), inputs, clip.device)
    return found


def compose(
    values: Tensor, pixels: Tensor, triangle: Tensor, background: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Colours and coverage [B, H, W, 4], twice: one for `blend` to change.

    `values`: [P, 3] of the covered `pixels`; `triangle`: [B, H, W]; `background`: [B, H, W, 3].
    """
    shape = (*triangle.shape, 4)
    image = torch.empty(shape, dtype=torch.float32, device=values.device)
    copy = torch.empty_like(image)
    count = triangle.numel()
    inputs = [
        values.detach().contiguous(),
        pixels.contiguous(),
        triangle.contiguous().view(-1),
        values.new_empty((0, 3))
        if background is None
        else background.detach().expand(*triangle.shape, 3).reshape(-1, 3),
        image.view(-1, 4),
        copy.view(-1, 4),
    ]
    launch(_compose, count + pixels.shape[0], inputs, values.device)
    return image, copy


def compose_backward(grad: Tensor, pixels: Tensor) -> Tensor:
    """Gradient [P, 3] for the values, of that for the image."""
    result = torch.empty((pixels.shape[0], 3), dtype=torch.float32, device=grad.device)
    launch(_compose_backward, pixels.shape[0], [grad.view(-1, 4), pixels, result], grad.device)
    return result


def blend(
    image: Tensor,
    silhouettes: Tensor,
    clip: Tensor,
    triangles: Tensor,
    result: Tensor | None = None,
) -> Tensor:
    """Blended image [B, H, W, C]; `result`: a copy of the image to work in."""
    image = image.detach().contiguous()
    result = image.clone() if result is None else result
    inputs = [
        image,
        silhouettes,
        clip.detach().contiguous(),
        triangles.to(torch.int64).contiguous(),
        result,
    ]
    launch(_blend, tuple(silhouettes.shape), inputs, clip.device)
    return result


def blend_backward(
    image: Tensor, silhouettes: Tensor, clip: Tensor, triangles: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients for `image` [B, H, W, C] and `clip` [B, V, 4]."""
    grad = grad.contiguous()
    grad_image = grad.clone()
    grad_clip = torch.zeros(tuple(clip.shape), dtype=torch.float32, device=clip.device)
    inputs = [
        image.detach().contiguous(),
        silhouettes,
        clip.detach().contiguous(),
        triangles.to(torch.int64).contiguous(),
        grad,
        grad_image,
        grad_clip,
    ]
    launch(_blend_backward, tuple(silhouettes.shape), inputs, clip.device)
    return grad_image, grad_clip


@wp.kernel
def _compose(
    values: wp.array2d(dtype=wp.float32),
    pixels: wp.array(dtype=wp.int64),
    triangle: wp.array(dtype=wp.int32),
    background: wp.array2d(dtype=wp.float32),
    image: wp.array2d(dtype=wp.float32),
    copy: wp.array2d(dtype=wp.float32),
):
    """A thread for every pixel that is empty, and one for every row of covered ones."""
    i = wp.tid()
    count = triangle.shape[0]
    if i < count:
        if triangle[i] < 0:
            for k in range(4):
                value = float(0.0)
                if k < 3 and background.shape[0] > 0:
                    value = background[i, k]
                image[i, k] = value
                copy[i, k] = value
    else:
        pixel = int(pixels[i - count])
        if pixel < 0:
            return
        for k in range(4):
            value = float(1.0)
            if k < 3:
                value = values[i - count, k]
            image[pixel, k] = value
            copy[pixel, k] = value


@wp.kernel
def _compose_backward(
    grad: wp.array2d(dtype=wp.float32),
    pixels: wp.array(dtype=wp.int64),
    result: wp.array2d(dtype=wp.float32),
):
    i = wp.tid()
    pixel = int(pixels[i])
    for k in range(3):
        value = float(0.0)
        if pixel >= 0:
            value = grad[pixel, k]
        result[i, k] = value


@wp.func
def _cross(a: wp.vec3d, b: wp.vec3d) -> wp.float64:
    return a[0] * b[1] - a[1] * b[0]


@wp.func
def _edge_value(
    clip: wp.array3d(dtype=wp.float32), view: int, start: int, end: int, p: wp.vec2d
) -> wp.float64:
    return _cross(corner(clip, view, start, p), corner(clip, view, end, p))


@wp.func
def _search(
    axis: int,
    view: int,
    near: wp.vec2d,
    far: wp.vec2d,
    own: int,
    goal: int,
    clip: wp.array3d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    neighbor: wp.array2d(dtype=wp.int32),
    height: int,
    width: int,
) -> int:
    """3 * triangle + edge of the silhouette between two pixel centres, or -1."""
    zero = wp.float64(0.0)
    face = int(own)
    entry = int(-1)
    result = int(-1)
    step = int(0)
    while step < _MAX_STEPS:
        step += 1
        facing = wp.float64(0.0)
        for i in range(3):
            j = int(triangles[face, (i + 1) % 3])
            k = int(triangles[face, (i + 2) % 3])
            facing += _edge_value(clip, view, j, k, near) * wp.float64(
                clip[view, int(triangles[face, i]), 3]
            )
        edge = int(-1)
        first = wp.float64(2.0)
        for i in range(3):
            if i != entry:
                j = int(triangles[face, (i + 1) % 3])
                k = int(triangles[face, (i + 2) % 3])
                q_near = _edge_value(clip, view, j, k, near)
                q_far = _edge_value(clip, view, j, k, far)
                inside_near = q_near * facing
                inside_far = q_far * facing
                if inside_near >= zero and inside_far <= zero and inside_near > inside_far:
                    crossing = q_near / (q_near - q_far)
                    if crossing < first:
                        edge = i
                        first = crossing
        if edge < 0:
            step = _MAX_STEPS
        else:
            origin = wp.vec2d(zero, zero)
            a = corner(clip, view, int(triangles[face, (edge + 1) % 3]), origin)
            b = corner(clip, view, int(triangles[face, (edge + 2) % 3]), origin)
            normal_x = a[1] * b[2] - a[2] * b[1]
            normal_y = a[2] * b[0] - a[0] * b[2]
            twin = neighbor[face, edge]
            goes_on = bool(False)
            if twin >= 0:
                o = corner(clip, view, int(triangles[twin / 3, twin % 3]), origin)
                side = o[0] * normal_x + o[1] * normal_y + o[2] * _cross(a, b)
                goes_on = side * facing < zero
            if goes_on:
                face = twin / 3
                entry = twin % 3
                if face == goal:
                    step = _MAX_STEPS
            else:
                across = wp.abs(normal_x) / wp.float64(width)
                down = wp.abs(normal_y) / wp.float64(height)
                if (across >= down) == (axis == 0):
                    result = 3 * face + edge
                step = _MAX_STEPS
    return result


@wp.kernel
def _find(
    triangle: wp.array3d(dtype=wp.int32),
    depth: wp.array3d(dtype=wp.float32),
    clip: wp.array3d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    neighbor: wp.array2d(dtype=wp.int32),
    found: wp.array4d(dtype=wp.int32),
):
    axis, view, row, column = wp.tid()
    height = triangle.shape[1]
    width = triangle.shape[2]
    row2 = row + axis
    column2 = column + 1 - axis
    code = int(-1)
    if row2 < height and column2 < width:
        face = triangle[view, row, column]
        face2 = triangle[view, row2, column2]
        if face != face2:
            near = centre(row, column, height, width)
            far = centre(row2, column2, height, width)
            if depth[view, row, column] <= depth[view, row2, column2]:
                code = 2 * _search(
                    axis, view, near, far, face, face2, clip, triangles, neighbor, height, width
                )
            else:
                code = 1 + 2 * _search(
                    axis, view, far, near, face2, face, clip, triangles, neighbor, height, width
                )
    found[axis, view, row, column] = wp.max(code, -1)


@wp.struct
class _Pair:
    """Two pixels to blend: rows and columns, near one and far one, and the edge between."""

    near: wp.vec2i
    far: wp.vec2i
    start: int
    end: int


@wp.func
def _pair(
    code: int, axis: int, row: int, column: int, triangles: wp.array2d(dtype=wp.int64)
) -> _Pair:
    one = wp.vec2i(row, column)
    two = wp.vec2i(row + axis, column + 1 - axis)
    pair = _Pair()
    pair.near = one
    pair.far = two
    if code % 2 == 1:
        pair.near = two
        pair.far = one
    face = code / 6
    edge = (code / 2) % 3
    pair.start = int(triangles[face, (edge + 1) % 3])
    pair.end = int(triangles[face, (edge + 2) % 3])
    return pair


@wp.kernel
def _blend(
    image: wp.array4d(dtype=wp.float32),
    silhouettes: wp.array4d(dtype=wp.int32),
    clip: wp.array3d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    result: wp.array4d(dtype=wp.float32),
):
    axis, view, row, column = wp.tid()
    code = silhouettes[axis, view, row, column]
    if code >= 0:
        pair = _pair(code, axis, row, column, triangles)
        near = centre(pair.near[0], pair.near[1], image.shape[1], image.shape[2])
        far = centre(pair.far[0], pair.far[1], image.shape[1], image.shape[2])
        at_near = _edge_value(clip, view, pair.start, pair.end, near)
        at_far = _edge_value(clip, view, pair.start, pair.end, far)
        reach = float(at_near / (at_near - at_far) - wp.float64(0.5))
        target = pair.far
        source = pair.near
        if reach < 0.0:
            target = pair.near
            source = pair.far
        for k in range(image.shape[3]):
            change = image[view, source[0], source[1], k] - image[view, target[0], target[1], k]
            wp.atomic_add(result, view, target[0], target[1], k, wp.abs(reach) * change)


@wp.func
def _add(
    grad_clip: wp.array3d(dtype=wp.float32),
    view: int,
    vertex: int,
    near_x: wp.float64,
    near_y: wp.float64,
    far_x: wp.float64,
    far_y: wp.float64,
    near: wp.vec2d,
    far: wp.vec2d,
):
    """Add the gradients for u of one vertex, seen from both pixels, to those for x, y and w."""
    wp.atomic_add(grad_clip, view, vertex, 0, float(near_x + far_x))
    wp.atomic_add(grad_clip, view, vertex, 1, float(near_y + far_y))
    for_w = near_x * near[0] + near_y * near[1] + far_x * far[0] + far_y * far[1]
    wp.atomic_add(grad_clip, view, vertex, 3, float(-for_w))


@wp.kernel
def _blend_backward(
    image: wp.array4d(dtype=wp.float32),
    silhouettes: wp.array4d(dtype=wp.int32),
    clip: wp.array3d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    grad: wp.array4d(dtype=wp.float32),
    grad_image: wp.array4d(dtype=wp.float32),
    grad_clip: wp.array3d(dtype=wp.float32),
):
    axis, view, row, column = wp.tid()
    code = silhouettes[axis, view, row, column]
    if code >= 0:
        pair = _pair(code, axis, row, column, triangles)
        near = centre(pair.near[0], pair.near[1], image.shape[1], image.shape[2])
        far = centre(pair.far[0], pair.far[1], image.shape[1], image.shape[2])
        near_a = corner(clip, view, pair.start, near)
        near_b = corner(clip, view, pair.end, near)
        far_a = corner(clip, view, pair.start, far)
        far_b = corner(clip, view, pair.end, far)
        at_near = _cross(near_a, near_b)
        at_far = _cross(far_a, far_b)
        reach = float(at_near / (at_near - at_far) - wp.float64(0.5))
        target = pair.far
        source = pair.near
        if reach < 0.0:
            target = pair.near
            source = pair.far
        slope = float(0.0)
        for k in range(image.shape[3]):
            g = grad[view, target[0], target[1], k]
            slope += g * (
                image[view, source[0], source[1], k] - image[view, target[0], target[1], k]
            )
            wp.atomic_add(grad_image, view, source[0], source[1], k, wp.abs(reach) * g)
            wp.atomic_add(grad_image, view, target[0], target[1], k, -wp.abs(reach) * g)
        if reach < 0.0:
            slope = -slope
        # t = E_near / (E_near - E_far)
        scale = wp.float64(slope) / ((at_near - at_far) * (at_near - at_far))
        n = -at_far * scale
        f = at_near * scale
        _add(
            grad_clip, view, pair.start,
            n * near_b[1], -n * near_b[0], f * far_b[1], -f * far_b[0], near, far,
        )  # fmt: skip
        _add(
            grad_clip, view, pair.end,
            -n * near_a[1], n * near_a[0], -f * far_a[1], f * far_a[0], near, far,
        )  # fmt: skip
