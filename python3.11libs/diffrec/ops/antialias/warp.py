# Kernels are in Warp's language: int(0) declares a variable that changes in a loop, annotations are
# not types, and vectors and arrays have operations that their Python stand-ins lack.
# ruff: noqa: UP018
# mypy: disable-error-code="index, valid-type, no-untyped-def, misc, operator, arg-type"
"""Silhouette antialiasing with NVIDIA Warp. Method and formulas: `reference`.

The pixels at the silhouettes that `find` lists are blended by atomic additions, whose order, and
with it the last bits of sums, varies on CUDA from run to run.
"""

from __future__ import annotations

import torch
import warp as wp
from torch import Tensor

from diffrec.ops.antialias.warp_silhouettes import find as find
from diffrec.ops.antialias.warp_silhouettes import threads_for
from diffrec.ops.warp import launch, start_warp
from diffrec.ops.warp.lanes import add_to_vertex
from diffrec.ops.warp.triangle import centre, edge_function, pixel_at, seen_from, vertex

start_warp()
wp.set_module_options({"enable_backward": False, "fuse_fp": False})


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
    inputs = [*_scene(image, silhouettes, clip, triangles), result.view(-1, image.shape[3])]
    launch(_blend, threads_for(silhouettes), inputs, clip.device)
    return result


def blend_backward(
    image: Tensor, silhouettes: Tensor, clip: Tensor, triangles: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients for `image` [B, H, W, C] and `clip` [B, V, 4]."""
    grad = grad.contiguous()
    grad_image = grad.clone()
    grad_clip = torch.zeros(tuple(clip.shape), dtype=torch.float32, device=clip.device)
    channels = image.shape[3]
    inputs = [
        *_scene(image.detach().contiguous(), silhouettes, clip, triangles),
        grad.view(-1, channels),
        grad_image.view(-1, channels),
        grad_clip,
    ]
    launch(_blend_backward, threads_for(silhouettes), inputs, clip.device)
    return grad_image, grad_clip


def _scene(
    image: Tensor, silhouettes: Tensor, clip: Tensor, triangles: Tensor
) -> list[Tensor | int]:
    _, height, width, channels = image.shape
    return [
        silhouettes,
        threads_for(silhouettes),
        height,
        width,
        clip.detach().contiguous(),
        triangles.to(torch.int64).contiguous(),
        image.view(-1, channels),
    ]


@wp.struct
class _Pair:
    """Two pixels to blend, and the edge between them.

    `near`, `far`: their centres; `start`, `end`: the edge's vertices, of `view`; `near_pixel`,
    `far_pixel`: flat indices.
    """

    view: int
    near: wp.vec2d
    far: wp.vec2d
    near_pixel: int
    far_pixel: int
    start: int
    end: int


@wp.func
def _pair(
    place: int, code: int, height: int, width: int, triangles: wp.array2d(dtype=wp.int64)
) -> _Pair:
    axis = place % 2
    pixel = place // 2
    at = pixel_at(pixel, height, width)
    pair = _Pair()
    pair.view = at[0]
    here = centre(at[1], at[2], height, width)
    there = centre(at[1] + axis, at[2] + 1 - axis, height, width)
    pair.near = here
    pair.far = there
    pair.near_pixel = pixel
    pair.far_pixel = pixel + wp.where(axis == 0, 1, width)
    if code % 2 == 1:
        pair.near = there
        pair.far = here
        pair.near_pixel = pair.far_pixel
        pair.far_pixel = pixel
    face = code // 6
    edge = (code // 2) % 3
    pair.start = int(triangles[face, (edge + 1) % 3])
    pair.end = int(triangles[face, (edge + 2) % 3])
    return pair


@wp.kernel
def _blend(
    silhouettes: wp.array2d(dtype=wp.int32),
    threads: int,
    height: int,
    width: int,
    clip: wp.array3d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    image: wp.array2d(dtype=wp.float32),
    result: wp.array2d(dtype=wp.float32),
):
    for i in range(wp.tid(), silhouettes[0, 0], threads):
        code = silhouettes[i + 1, 1]
        if code < 0:
            continue
        pair = _pair(silhouettes[i + 1, 0], code, height, width, triangles)
        start = vertex(clip, pair.view, pair.start)
        end = vertex(clip, pair.view, pair.end)
        at_near = edge_function(seen_from(start, pair.near), seen_from(end, pair.near))
        at_far = edge_function(seen_from(start, pair.far), seen_from(end, pair.far))
        reach = float(at_near / (at_near - at_far) - wp.float64(0.5))
        target = pair.far_pixel
        source = pair.near_pixel
        if reach < 0.0:
            target = pair.near_pixel
            source = pair.far_pixel
        for k in range(image.shape[1]):
            change = image[source, k] - image[target, k]
            wp.atomic_add(result, target, k, wp.abs(reach) * change)


@wp.func
def _add(
    grad_clip: wp.array3d(dtype=wp.float32),
    view: int,
    row: int,
    near_x: wp.float64,
    near_y: wp.float64,
    far_x: wp.float64,
    far_y: wp.float64,
    near: wp.vec2d,
    far: wp.vec2d,
):
    """Add the gradients for u of one vertex, seen from both pixels, to those for x, y and w."""
    for_w = near_x * near[0] + near_y * near[1] + far_x * far[0] + far_y * far[1]
    value = wp.vec3(float(near_x + far_x), float(near_y + far_y), float(-for_w))
    add_to_vertex(grad_clip, view, row, value)


@wp.kernel
def _blend_backward(
    silhouettes: wp.array2d(dtype=wp.int32),
    threads: int,
    height: int,
    width: int,
    clip: wp.array3d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    image: wp.array2d(dtype=wp.float32),
    grad: wp.array2d(dtype=wp.float32),
    grad_image: wp.array2d(dtype=wp.float32),
    grad_clip: wp.array3d(dtype=wp.float32),
):
    for i in range(wp.tid(), silhouettes[0, 0], threads):
        code = silhouettes[i + 1, 1]
        if code < 0:
            continue
        pair = _pair(silhouettes[i + 1, 0], code, height, width, triangles)
        start = vertex(clip, pair.view, pair.start)
        end = vertex(clip, pair.view, pair.end)
        near_a = seen_from(start, pair.near)
        near_b = seen_from(end, pair.near)
        far_a = seen_from(start, pair.far)
        far_b = seen_from(end, pair.far)
        at_near = edge_function(near_a, near_b)
        at_far = edge_function(far_a, far_b)
        reach = float(at_near / (at_near - at_far) - wp.float64(0.5))
        target = pair.far_pixel
        source = pair.near_pixel
        if reach < 0.0:
            target = pair.near_pixel
            source = pair.far_pixel
        slope = float(0.0)
        for k in range(image.shape[1]):
            g = grad[target, k]
            slope += g * (image[source, k] - image[target, k])
            wp.atomic_add(grad_image, source, k, wp.abs(reach) * g)
            wp.atomic_add(grad_image, target, k, -wp.abs(reach) * g)
        if reach < 0.0:
            slope = -slope
        # t = E_near / (E_near - E_far)
        scale = wp.float64(slope) / ((at_near - at_far) * (at_near - at_far))
        n = -at_far * scale
        f = at_near * scale
        _add(
            grad_clip, pair.view, pair.start,
            n * near_b[1], -n * near_b[0], f * far_b[1], -f * far_b[0], pair.near, pair.far,
        )  # fmt: skip
        _add(
            grad_clip, pair.view, pair.end,
            -n * near_a[1], n * near_a[0], -f * far_a[1], f * far_a[0], pair.near, pair.far,
        )  # fmt: skip
