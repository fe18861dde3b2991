"""Barycentrics, interpolation and footprints of covered pixels on the CPU, with gradients.

Formulas: `rasterize.reference`. Gradients that several pixels add to one vertex are summed per
slice of the pixel list, and the slices then in order, so results do not depend on the order of
threads.
"""

from __future__ import annotations

import numba
import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

from diffrec.ops.arrays import float32

_MOST_SLICES = 8  # bounds the memory of partial sums on machines of many cores


def _slices() -> int:
    return min(int(numba.get_num_threads()), _MOST_SLICES)


def _int32(indices: Tensor) -> np.ndarray:
    array: np.ndarray = indices.to(torch.int32).contiguous().numpy()
    return array


def barycentrics(clip: Tensor, triangles: Tensor, triangle: Tensor, pixels: Tensor) -> Tensor:
    """[P, 3]."""
    bary = torch.empty((pixels.shape[0], 3), dtype=torch.float32)
    _barycentrics(
        float32(clip),
        _int32(triangles),
        _int32(triangle),
        pixels.contiguous().numpy(),
        numba.get_num_threads(),
        bary.numpy(),
    )
    return bary


def barycentrics_backward(
    clip: Tensor, triangles: Tensor, triangle: Tensor, pixels: Tensor, grad: Tensor
) -> Tensor:
    """Gradient [B, V, 4] for `clip`."""
    slices = _slices()
    partial = torch.zeros((slices, clip.shape[0], clip.shape[1], 4), dtype=torch.float32)
    _barycentrics_backward(
        float32(clip),
        _int32(triangles),
        _int32(triangle),
        pixels.contiguous().numpy(),
        float32(grad),
        slices,
        partial.numpy(),
    )
    return partial[0] if slices == 1 else partial.sum(0)


def footprint(
    clip: Tensor,
    triangles: Tensor,
    triangle: Tensor,
    pixels: Tensor,
    texcoords: Tensor,
    texcoord_triangles: Tensor,
) -> Tensor:
    """[P, 4]."""
    result = torch.empty((pixels.shape[0], 4), dtype=torch.float32)
    _footprint(
        float32(clip),
        _int32(triangles),
        _int32(triangle),
        pixels.contiguous().numpy(),
        float32(texcoords),
        _int32(texcoord_triangles),
        numba.get_num_threads(),
        result.numpy(),
    )
    return result


def interpolate(
    attributes: Tensor, attribute_triangles: Tensor, triangle_of_pixel: Tensor, bary: Tensor
) -> Tensor:
    """[P, C]."""
    result = torch.empty((bary.shape[0], attributes.shape[1]), dtype=torch.float32)
    _interpolate(
        float32(attributes),
        _int32(attribute_triangles),
        _int32(triangle_of_pixel),
        float32(bary),
        numba.get_num_threads(),
        result.numpy(),
    )
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
    slices = _slices()
    rows = attributes.shape[0] if wants_attributes else 0
    partial = torch.zeros((slices, rows, attributes.shape[1]), dtype=torch.float32)
    grad_bary = torch.empty((bary.shape[0] if wants_bary else 0, 3), dtype=torch.float32)
    _interpolate_backward(
        float32(attributes),
        _int32(attribute_triangles),
        _int32(triangle_of_pixel),
        float32(bary),
        float32(grad),
        slices,
        partial.numpy(),
        grad_bary.numpy(),
    )
    total = partial[0] if slices == 1 else partial.sum(0)
    return (total if wants_attributes else None), (grad_bary if wants_bary else None)


@njit(cache=True)
def _corner(clip, view, vertex, px, py):  # type: ignore[no-untyped-def]
    """u (two components) and w of one vertex, in float64: u is a difference of near equals."""
    w = np.float64(clip[view, vertex, 3])
    x, y = np.float64(clip[view, vertex, 0]), np.float64(clip[view, vertex, 1])
    return x - px * w, y - py * w, w


@njit(cache=True)
def _triangle(clip, triangles, face, view, px, py):  # type: ignore[no-untyped-def]
    ax, ay, aw = _corner(clip, view, triangles[face, 0], px, py)
    bx, by, bw = _corner(clip, view, triangles[face, 1], px, py)
    cx, cy, cw = _corner(clip, view, triangles[face, 2], px, py)
    return ax, ay, aw, bx, by, bw, cx, cy, cw


@njit(cache=True)
def _place(pixel, height, width):  # type: ignore[no-untyped-def]
    """View, row, column, and the pixel centre's normalised device coordinates."""
    view, inside = pixel // (height * width), pixel % (height * width)
    row, column = inside // width, inside % width
    return view, row, column, (2 * column + 1) / width - 1.0, 1.0 - (2 * row + 1) / height


@njit(parallel=True, cache=True)
def _barycentrics(clip, triangles, triangle, pixels, threads, bary):  # type: ignore[no-untyped-def]
    _, height, width = triangle.shape
    count = pixels.shape[0]
    for part in prange(threads):
        for i in range(part * count // threads, (part + 1) * count // threads):
            view, row, column, px, py = _place(pixels[i], height, width)
            face = triangle[view, row, column]
            ax, ay, _, bx, by, _, cx, cy, _ = _triangle(clip, triangles, face, view, px, py)
            q0, q1, q2 = bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx
            scale = 1.0 / (q0 + q1 + q2)
            bary[i, 0], bary[i, 1], bary[i, 2] = q0 * scale, q1 * scale, q2 * scale


@njit(parallel=True, cache=True)
def _barycentrics_backward(  # type: ignore[no-untyped-def]
    clip, triangles, triangle, pixels, grad, slices, partial
):
    _, height, width = triangle.shape
    count = pixels.shape[0]
    for part in prange(slices):
        for i in range(part * count // slices, (part + 1) * count // slices):
            view, row, column, px, py = _place(pixels[i], height, width)
            face = triangle[view, row, column]
            ax, ay, _, bx, by, _, cx, cy, _ = _triangle(clip, triangles, face, view, px, py)
            q0, q1, q2 = bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx
            scale = 1.0 / (q0 + q1 + q2)
            g0 = np.float64(grad[i, 0])
            g1, g2 = np.float64(grad[i, 1]), np.float64(grad[i, 2])
            mean = (g0 * q0 + g1 * q1 + g2 * q2) * scale
            # Gradient for q, then for u by the product rule on the cross products.
            h0, h1, h2 = (g0 - mean) * scale, (g1 - mean) * scale, (g2 - mean) * scale
            for corner in range(3):
                if corner == 0:
                    gx, gy = h2 * by - h1 * cy, h1 * cx - h2 * bx
                elif corner == 1:
                    gx, gy = h0 * cy - h2 * ay, h2 * ax - h0 * cx
                else:
                    gx, gy = h1 * ay - h0 * by, h0 * bx - h1 * ax
                vertex = triangles[face, corner]
                partial[part, view, vertex, 0] += gx
                partial[part, view, vertex, 1] += gy
                partial[part, view, vertex, 3] -= gx * px + gy * py


@njit(parallel=True, cache=True)
def _footprint(  # type: ignore[no-untyped-def]
    clip, triangles, triangle, pixels, texcoords, texcoord_triangles, threads, result
):
    _, height, width = triangle.shape
    count = pixels.shape[0]
    for part in prange(threads):
        for i in range(part * count // threads, (part + 1) * count // threads):
            view, row, column, px, py = _place(pixels[i], height, width)
            face = triangle[view, row, column]
            ax, ay, aw, bx, by, bw, cx, cy, cw = _triangle(clip, triangles, face, view, px, py)
            q0, q1, q2 = bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx
            scale = 1.0 / (q0 + q1 + q2)
            q0, q1, q2 = q0 * scale, q1 * scale, q2 * scale
            for axis in range(2):
                if axis == 0:
                    step = scale * 2.0 / width
                    d0, d1, d2 = by * cw - bw * cy, cy * aw - cw * ay, ay * bw - aw * by
                else:
                    step = scale * -2.0 / height
                    d0, d1, d2 = bw * cx - bx * cw, cw * ax - cx * aw, aw * bx - ax * bw
                total = d0 + d1 + d2
                d0, d1, d2 = d0 - q0 * total, d1 - q1 * total, d2 - q2 * total
                for k in range(2):
                    change = d0 * texcoords[texcoord_triangles[face, 0], k]
                    change += d1 * texcoords[texcoord_triangles[face, 1], k]
                    change += d2 * texcoords[texcoord_triangles[face, 2], k]
                    result[i, 2 * k + axis] = change * step


@njit(parallel=True, cache=True)
def _interpolate(attributes, triangles, faces, bary, threads, result):  # type: ignore[no-untyped-def]
    count, channels = result.shape
    for part in prange(threads):
        for i in range(part * count // threads, (part + 1) * count // threads):
            face = faces[i]
            a, b, c = triangles[face, 0], triangles[face, 1], triangles[face, 2]
            s, t, u = bary[i, 0], bary[i, 1], bary[i, 2]
            for k in range(channels):
                result[i, k] = s * attributes[a, k] + t * attributes[b, k] + u * attributes[c, k]


@njit(parallel=True, cache=True)
def _interpolate_backward(  # type: ignore[no-untyped-def]
    attributes, triangles, faces, bary, grad, slices, partial, grad_bary
):
    count, channels = grad.shape
    for part in prange(slices):
        for i in range(part * count // slices, (part + 1) * count // slices):
            face = faces[i]
            a, b, c = triangles[face, 0], triangles[face, 1], triangles[face, 2]
            if grad_bary.shape[0] > 0:
                g0, g1, g2 = np.float32(0.0), np.float32(0.0), np.float32(0.0)
                for k in range(channels):
                    g = grad[i, k]
                    g0 += g * attributes[a, k]
                    g1 += g * attributes[b, k]
                    g2 += g * attributes[c, k]
                grad_bary[i, 0], grad_bary[i, 1], grad_bary[i, 2] = g0, g1, g2
            if partial.shape[1] > 0:
                s, t, u = bary[i, 0], bary[i, 1], bary[i, 2]
                for k in range(channels):
                    g = grad[i, k]
                    partial[part, a, k] += s * g
                    partial[part, b, k] += t * g
                    partial[part, c, k] += u * g
