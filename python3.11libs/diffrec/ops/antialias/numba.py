"""Silhouette antialiasing on the CPU. Method and formulas: `reference`.

The search for silhouettes uses all cores; they are few, so blending them is sequential and thereby
deterministic.
"""

from __future__ import annotations

import numba
import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

from diffrec.ops.antialias.reference import MAX_STEPS


def find(
    triangle: Tensor, depth: Tensor, clip: Tensor, triangles: Tensor, neighbor: Tensor
) -> Tensor:
    """Silhouettes [S, 3] int32: near pixel, far pixel (flat indices), 3 * triangle + edge."""
    views, height, width = triangle.shape
    parts = 4 * numba.get_num_threads()
    # Room for every pair of pixels; the system provides only the pages that are written.
    room = 2 * width * -(-views * height // parts)
    found = torch.empty((parts, room, 3), dtype=torch.int32)
    counts = np.zeros(parts, np.int64)
    _find(
        triangle.contiguous().numpy(),
        depth.contiguous().numpy(),
        clip.contiguous().numpy(),
        triangles.to(torch.int32).contiguous().numpy(),
        neighbor.contiguous().numpy(),
        MAX_STEPS,  # an argument, since compiled code is cached for this file's own text
        found.numpy(),
        counts,
    )
    return torch.cat([found[part, : counts[part]] for part in range(parts)])


def blend(image: Tensor, silhouettes: Tensor, clip: Tensor, triangles: Tensor) -> Tensor:
    """Blended image [B, H, W, C]."""
    result = image.detach().clone(memory_format=torch.contiguous_format)
    _blend(
        image.detach().contiguous().numpy(),
        silhouettes.numpy(),
        clip.detach().contiguous().numpy(),
        triangles.to(torch.int32).contiguous().numpy(),
        result.numpy(),
    )
    return result


def blend_backward(
    image: Tensor, silhouettes: Tensor, clip: Tensor, triangles: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients for `image` [B, H, W, C] and `clip` [B, V, 4]."""
    grad = grad.contiguous()
    grad_image = grad.clone()
    grad_clip = torch.zeros(tuple(clip.shape), dtype=torch.float32)
    _blend_backward(
        image.detach().contiguous().numpy(),
        silhouettes.numpy(),
        clip.detach().contiguous().numpy(),
        triangles.to(torch.int32).contiguous().numpy(),
        grad.numpy(),
        grad_image.numpy(),
        grad_clip.numpy(),
    )
    return grad_image, grad_clip


@njit(cache=True)
def _centre(pixel, height, width):  # type: ignore[no-untyped-def]
    inside = pixel % (height * width)
    row, column = inside // width, inside % width
    return (2 * column + 1) / width - 1.0, 1.0 - (2 * row + 1) / height


@njit(cache=True)
def _line(clip, view, start, end, px, py):  # type: ignore[no-untyped-def]
    """E = u_a x u_b, and u_a, u_b."""
    wa, wb = np.float64(clip[view, start, 3]), np.float64(clip[view, end, 3])
    ax = np.float64(clip[view, start, 0]) - px * wa
    ay = np.float64(clip[view, start, 1]) - py * wa
    bx = np.float64(clip[view, end, 0]) - px * wb
    by = np.float64(clip[view, end, 1]) - py * wb
    return ax * by - ay * bx, ax, ay, bx, by


@njit(cache=True)
def _search(  # type: ignore[no-untyped-def]
    axis, view, near, far, face, goal, clip, triangles, neighbor, steps, height, width
):
    """3 * triangle + edge of the silhouette between two pixel centres, or -1."""
    nx, ny = _centre(near, height, width)
    fx, fy = _centre(far, height, width)
    entry = -1
    for _ in range(steps):
        facing = 0.0
        for i in range(3):
            j, k = triangles[face, (i + 1) % 3], triangles[face, (i + 2) % 3]
            q, _, _, _, _ = _line(clip, view, j, k, nx, ny)
            facing += q * clip[view, triangles[face, i], 3]
        edge, first = -1, np.inf
        for i in range(3):
            if i != entry:
                j, k = triangles[face, (i + 1) % 3], triangles[face, (i + 2) % 3]
                q_near, _, _, _, _ = _line(clip, view, j, k, nx, ny)
                q_far, _, _, _, _ = _line(clip, view, j, k, fx, fy)
                inside_near, inside_far = q_near * facing, q_far * facing
                if inside_near >= 0.0 and inside_far <= 0.0 and inside_near > inside_far:
                    crossing = q_near / (q_near - q_far)
                    if crossing < first:
                        edge, first = i, crossing
        if edge < 0:
            return -1
        start, end = triangles[face, (edge + 1) % 3], triangles[face, (edge + 2) % 3]
        ax, ay = np.float64(clip[view, start, 0]), np.float64(clip[view, start, 1])
        bx, by = np.float64(clip[view, end, 0]), np.float64(clip[view, end, 1])
        aw, bw = np.float64(clip[view, start, 3]), np.float64(clip[view, end, 3])
        normal_x, normal_y = ay * bw - aw * by, aw * bx - ax * bw
        twin = neighbor[face, edge]
        if twin >= 0:
            beyond = triangles[twin // 3, twin % 3]
            side = clip[view, beyond, 0] * normal_x + clip[view, beyond, 1] * normal_y
            side += clip[view, beyond, 3] * (ax * by - ay * bx)
            if side * facing < 0.0:
                face, entry = twin // 3, twin % 3
                if face == goal:
                    return -1
                continue
        steep = abs(normal_x) / width >= abs(normal_y) / height
        return 3 * face + edge if steep == (axis == 0) else -1
    return -1


@njit(parallel=True, cache=True)
def _find(triangle, depth, clip, triangles, neighbor, steps, found, counts):  # type: ignore[no-untyped-def]
    views, height, width = triangle.shape
    parts = found.shape[0]
    for part in prange(parts):
        count = 0
        for line in range(part * views * height // parts, (part + 1) * views * height // parts):
            view, row = line // height, line % height
            for column in range(width):
                face = triangle[view, row, column]
                for axis in range(2):
                    row2, column2 = row + axis, column + 1 - axis
                    if row2 >= height or column2 >= width:
                        continue
                    face2 = triangle[view, row2, column2]
                    if face == face2:
                        continue
                    pixel = (view * height + row) * width + column
                    pixel2 = (view * height + row2) * width + column2
                    if depth[view, row, column] <= depth[view, row2, column2]:
                        near, far, own, goal = pixel, pixel2, face, face2
                    else:
                        near, far, own, goal = pixel2, pixel, face2, face
                    edge = _search(
                        axis,
                        view,
                        near,
                        far,
                        own,
                        goal,
                        clip,
                        triangles,
                        neighbor,
                        steps,
                        height,
                        width,
                    )
                    if edge >= 0:
                        found[part, count, 0] = near
                        found[part, count, 1] = far
                        found[part, count, 2] = edge
                        count += 1
        counts[part] = count


@njit(cache=True)
def _blend(image, silhouettes, clip, triangles, result):  # type: ignore[no-untyped-def]
    views, height, width, channels = image.shape
    flat = image.reshape(views * height * width, channels)
    out = result.reshape(views * height * width, channels)
    for i in range(silhouettes.shape[0]):
        near, far, code = silhouettes[i, 0], silhouettes[i, 1], silhouettes[i, 2]
        view, face, edge = near // (height * width), code // 3, code % 3
        start, end = triangles[face, (edge + 1) % 3], triangles[face, (edge + 2) % 3]
        px, py = _centre(near, height, width)
        at_near, _, _, _, _ = _line(clip, view, start, end, px, py)
        px, py = _centre(far, height, width)
        at_far, _, _, _, _ = _line(clip, view, start, end, px, py)
        reach = np.float32(at_near / (at_near - at_far) - 0.5)
        target, source = (far, near) if reach >= 0.0 else (near, far)
        for k in range(channels):
            out[target, k] += abs(reach) * (flat[source, k] - flat[target, k])


@njit(cache=True)
def _blend_backward(  # type: ignore[no-untyped-def]
    image, silhouettes, clip, triangles, grad, grad_image, grad_clip
):
    views, height, width, channels = image.shape
    flat = image.reshape(views * height * width, channels)
    flat_grad = grad.reshape(views * height * width, channels)
    out = grad_image.reshape(views * height * width, channels)
    for i in range(silhouettes.shape[0]):
        near, far, code = silhouettes[i, 0], silhouettes[i, 1], silhouettes[i, 2]
        view, face, edge = near // (height * width), code // 3, code % 3
        a, b = triangles[face, (edge + 1) % 3], triangles[face, (edge + 2) % 3]
        px, py = _centre(near, height, width)
        near_e, nax, nay, nbx, nby = _line(clip, view, a, b, px, py)
        fx, fy = _centre(far, height, width)
        far_e, fax, fay, fbx, fby = _line(clip, view, a, b, fx, fy)
        reach = np.float32(near_e / (near_e - far_e) - 0.5)
        target, source = (far, near) if reach >= 0.0 else (near, far)
        slope = 0.0
        for k in range(channels):
            g = flat_grad[target, k]
            slope += g * (flat[source, k] - flat[target, k])
            out[source, k] += abs(reach) * g
            out[target, k] -= abs(reach) * g
        if reach < 0.0:
            slope = -slope
        # t = E_near / (E_near - E_far)
        scale = slope / (near_e - far_e) ** 2
        for_near, for_far = -far_e * scale, near_e * scale
        gx, gy = for_near * nby + for_far * fby, -for_near * nbx - for_far * fbx
        gw = for_near * (py * nbx - px * nby) + for_far * (fy * fbx - fx * fby)
        grad_clip[view, a, 0] += gx
        grad_clip[view, a, 1] += gy
        grad_clip[view, a, 3] += gw
        gx, gy = -for_near * nay - for_far * fay, for_near * nax + for_far * fax
        gw = for_near * (px * nay - py * nax) + for_far * (fx * fay - fy * fax)
        grad_clip[view, b, 0] += gx
        grad_clip[view, b, 1] += gy
        grad_clip[view, b, 3] += gw
