# Kernels are in Warp's language: int(0) declares a variable that changes in a loop, annotations are
# not types, and vectors and arrays have operations that their Python stand-ins lack.
# ruff: noqa: UP018, RUF046
# mypy: disable-error-code="index, valid-type, no-untyped-def, misc, operator, arg-type"
"""Silhouettes between neighbouring pixels with NVIDIA Warp. Method: `reference`.

The pairs of pixels that see different triangles are listed first, so that no thread idles beside
those that search between them. The list has room for every pair, and a fixed number of threads
works on those that are there, so that nothing waits for their number. On CUDA their order varies
from run to run.
"""

from __future__ import annotations

import torch
import warp as wp
from torch import Tensor

from diffrec.ops.antialias.reference import MAX_STEPS
from diffrec.ops.warp import bounds, launch, start_warp
from diffrec.ops.warp.lanes import next_slots
from diffrec.ops.warp.triangle import (
    centre,
    corners,
    edge_function,
    edge_functions,
    pixel_at,
    seen_from,
    vertex,
)

start_warp()

_BLOCK = 128  # threads that search together: each needs many registers
wp.set_module_options({"enable_backward": False, "fuse_fp": False, "block_dim": _BLOCK})

_MAX_STEPS = wp.constant(MAX_STEPS)
_THREADS = 1 << 17  # that share the pairs
_STRETCH = wp.constant(8)  # pixels of a row in which one thread looks for pairs


def find(
    triangle: Tensor, depth: Tensor, clip: Tensor, triangles: Tensor, neighbor: Tensor
) -> Tensor:
    """Silhouettes between a pixel and the next one right (axis 0) or below (1), [S + 1, 2] int32.

    The first row is the number of rows after it that hold something: (2 * flat pixel + axis,
    2 * (3 * triangle + edge) + 1 where the second pixel is the near one, negative for none).
    """
    pixels = triangle.numel()
    found = torch.empty((2 * pixels + 1, 2), dtype=torch.int32, device=clip.device)
    found[0].zero_()
    _, height, width = triangle.shape
    flat = triangle.contiguous().view(-1)
    threads = flat.shape[0] // width * -(-width // _STRETCH)
    launch(_differing, threads, [flat, height, width, found.view(-1)], clip.device)
    inputs = [
        found,
        threads_for(found),
        flat,
        depth.contiguous().view(-1),
        height,
        width,
        clip.contiguous(),
        triangles.to(torch.int64).contiguous(),
        neighbor.contiguous(),
    ]
    launch(_find, threads_for(found), inputs, clip.device)
    return found


def threads_for(silhouettes: Tensor) -> int:
    """How many threads share the rows of such a list."""
    return min(_THREADS, silhouettes.shape[0] - 1)


@wp.func
def _exact(v: wp.vec4) -> wp.vec3d:
    """x, y and w of a vertex."""
    return wp.vec3d(wp.float64(v[0]), wp.float64(v[1]), wp.float64(v[3]))


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
        v = corners(triangles, face)
        at0 = vertex(clip, view, v[0])
        at1 = vertex(clip, view, v[1])
        at2 = vertex(clip, view, v[2])
        q_near = edge_functions(seen_from(at0, near), seen_from(at1, near), seen_from(at2, near))
        q_far = edge_functions(seen_from(at0, far), seen_from(at1, far), seen_from(at2, far))
        facing = q_near[0] * wp.float64(at0[3])
        facing += q_near[1] * wp.float64(at1[3])
        facing += q_near[2] * wp.float64(at2[3])
        edge = int(-1)
        first = wp.float64(2.0)
        for i in range(3):
            if i != entry:
                inside_near = q_near[i] * facing
                inside_far = q_far[i] * facing
                if inside_near >= zero and inside_far <= zero and inside_near > inside_far:
                    crossing = q_near[i] / (q_near[i] - q_far[i])
                    if crossing < first:
                        edge = i
                        first = crossing
        if edge < 0:
            step = _MAX_STEPS
        else:
            a = _exact(wp.where(edge == 0, at1, wp.where(edge == 1, at2, at0)))
            b = _exact(wp.where(edge == 0, at2, wp.where(edge == 1, at0, at1)))
            normal_x = a[1] * b[2] - a[2] * b[1]
            normal_y = a[2] * b[0] - a[0] * b[2]
            twin = neighbor[face, edge]
            goes_on = bool(False)
            if twin >= 0:
                o = _exact(vertex(clip, view, int(triangles[twin // 3, twin % 3])))
                side = o[0] * normal_x + o[1] * normal_y + o[2] * edge_function(a, b)
                goes_on = side * facing < zero
            if goes_on:
                face = twin // 3
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
def _differing(
    triangle: wp.array(dtype=wp.int32), height: int, width: int, found: wp.array(dtype=wp.int32)
):
    """List the pairs of neighbouring pixels that see different triangles."""
    thread = wp.tid()
    stretches = (width + _STRETCH - 1) // _STRETCH
    line = thread // stretches
    first = (thread - line * stretches) * _STRETCH
    start = line * width + first
    last_line = (line + 1) % height == 0
    pairs = int(0)  # bit 2 k + axis: pixel k of the stretch
    count = int(0)
    face = triangle[start]
    for k in range(_STRETCH):
        if first + k < width:
            if not last_line:  # noqa: SIM102, both sides of an `and` would be read
                if face != triangle[start + k + width]:
                    pairs = pairs | (2 << (2 * k))
                    count += 1
            if first + k + 1 < width:
                following = triangle[start + k + 1]
                if face != following:
                    pairs = pairs | (1 << (2 * k))
                    count += 1
                face = following
    slot = next_slots(found, 0, count)
    for bit in range(2 * _STRETCH):
        if (pairs >> bit) & 1 == 1:
            found[2 * slot + 2] = 2 * start + bit
            slot += 1


@wp.kernel(**bounds(_BLOCK, 4))
def _find(
    found: wp.array2d(dtype=wp.int32),
    threads: int,
    triangle: wp.array(dtype=wp.int32),
    depth: wp.array(dtype=wp.float32),
    height: int,
    width: int,
    clip: wp.array3d(dtype=wp.float32),
    triangles: wp.array2d(dtype=wp.int64),
    neighbor: wp.array2d(dtype=wp.int32),
):
    for i in range(wp.tid(), found[0, 0], threads):
        place = found[i + 1, 0]
        axis = place % 2
        pixel = place // 2
        at = pixel_at(pixel, height, width)
        near = pixel
        far = pixel + wp.where(axis == 0, 1, width)
        at_near = centre(at[1], at[2], height, width)
        at_far = centre(at[1] + axis, at[2] + 1 - axis, height, width)
        flip = int(0)
        if not depth[near] <= depth[far]:
            flip = 1
            far = near
            near = pixel + wp.where(axis == 0, 1, width)
            between = at_near
            at_near = at_far
            at_far = between
        edge = _search(
            axis,
            at[0],
            at_near,
            at_far,
            triangle[near],
            triangle[far],
            clip,
            triangles,
            neighbor,
            height,
            width,
        )
        found[i + 1, 1] = 2 * edge + flip
