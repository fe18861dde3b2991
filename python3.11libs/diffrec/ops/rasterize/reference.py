"""Rasterisation in plain PyTorch: clear, slow, any dtype.

The conventions below are those of the fast kernels too, which agree bit by bit on coverage.

For a pixel centre p = (px, py) in normalised device coordinates and clip-space vertices
(x_i, y_i, z_i, w_i), let u_i = (x_i - px w_i, y_i - py w_i) and q_i = u_j x u_k (i, j, k cyclic).
These are the homogeneous edge functions of Olano and Greer 1997 ("Triangle scan conversion using 2D
homogeneous coordinates"): q_i / sum(q) are the perspective-correct barycentrics, sum(q w) / sum(q)
is w and sum(q z) / sum(q w) is z / w at the pixel. Nothing is divided by a vertex's w, so triangles
that reach behind the camera need no clipping: a pixel is covered if all q_i have one sign and its
own w is positive, and the near and far planes are tests on its own z / w.

A pixel centre on an edge belongs to the triangle that contains the centre moved by (e, e^2) with
e -> 0+; so exactly one of the triangles around a shared edge or vertex owns it.

Coverage is what these formulas say in float64. Of a float32 triangle in front of the camera most
pixels need no more than float32: from the pixel that sees vertex 0 a small triangle is small, so
that its edge functions keep their digits, and they are linear along rows and columns. Where all
three are larger than their rounding can be, `edge_planes`, they decide, and z / w is computed from
them; elsewhere it is computed in float64.
"""

from __future__ import annotations

import torch
from torch import Tensor

from diffrec.ops.raster import DOUBT, LARGE

_CHUNK_ELEMENTS = 1 << 21


def pixel_centres(resolution: tuple[int, int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Normalised device coordinates [H * W, 2] of all pixel centres, row 0 at y = +1."""
    height, width = resolution
    x = (2 * torch.arange(width, device=device, dtype=dtype) + 1) / width - 1
    y = 1 - (2 * torch.arange(height, device=device, dtype=dtype) + 1) / height
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)], -1).view(-1, 2)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def edge_functions(corners: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """q [..., 3] and u [..., 3, 2] for corners [..., 3, 4] and centres [..., 2] (see above)."""
    u = corners[..., :2] - centres[..., None, :] * corners[..., 3:]
    q = torch.stack([_cross(u[..., i - 2, :], u[..., i - 1, :]) for i in range(3)], -1)
    return q, u


def rasterize(
    clip: Tensor,
    triangles: Tensor,
    resolution: tuple[int, int],
    behind: tuple[Tensor, Tensor] | None,
) -> tuple[Tensor, Tensor]:
    """(triangle, depth), each [B, H, W]; `behind`: (triangle, depth) of the layer to peel off."""
    height, width = resolution
    step = max(1, _CHUNK_ELEMENTS // (height * width))
    empty = torch.iinfo(torch.int32).max
    best_triangle, best_depth = [], []
    for view in range(clip.shape[0]):
        depth = torch.full((height * width,), torch.inf, dtype=clip.dtype, device=clip.device)
        triangle = torch.full((height * width,), empty, dtype=torch.int32, device=clip.device)
        for start in range(0, triangles.shape[0], step):
            part = triangles[start : start + step].long()
            candidate = fragment_depth(clip[view][part], resolution)  # [f, P]
            number = torch.arange(start, start + part.shape[0], device=clip.device)
            number = number.int()[:, None].expand(candidate.shape)
            if behind is not None:
                seen_triangle, seen_depth = (layer[view].view(-1) for layer in behind)
                visible = (candidate > seen_depth) & (number != seen_triangle)
                candidate = torch.where(visible, candidate, torch.inf)
            nearest = candidate.amin(0)
            first = torch.where(candidate == nearest, number, empty).amin(0)
            closer = nearest < depth
            depth = torch.where(closer, nearest, depth)
            triangle = torch.where(closer, first, triangle)
        best_depth.append(depth)
        best_triangle.append(torch.where(triangle == empty, -1, triangle))
    shape = (clip.shape[0], height, width)
    if not best_depth:
        return triangles.new_empty(shape, dtype=torch.int32), clip.new_empty(shape)
    return torch.stack(best_triangle).view(shape), torch.stack(best_depth).view(shape)


def fragment_depth(corners: Tensor, resolution: tuple[int, int]) -> Tensor:
    """z / w [f, P] of every triangle [f, 3, 4] at every pixel centre, +inf where not covered."""
    centres = pixel_centres(resolution, torch.float64, corners.device)
    exact = _exact_depth(corners.double(), centres).to(corners.dtype)
    if corners.dtype != torch.float32:
        return exact
    q, doubt = edge_planes(corners, resolution)
    certain = (q.abs() > doubt[..., None]).all(-1)
    z, w = corners[:, None, :, 2], corners[:, None, :, 3]
    sum_w = q[..., 0] * w[..., 0] + q[..., 1] * w[..., 1] + q[..., 2] * w[..., 2]
    sum_z = q[..., 0] * z[..., 0] + q[..., 1] * z[..., 1] + q[..., 2] * z[..., 2]
    depth = sum_z / sum_w
    covered = ((q > 0).all(-1) | (q < 0).all(-1)) & (depth >= -1) & (depth <= 1)
    return torch.where(certain, torch.where(covered, depth, torch.inf), exact)


def edge_planes(corners: Tensor, resolution: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """q [f, P, 3] of float32 triangles [f, 3, 4] in all pixels, and how far it may be off [f, P].

    The latter is +inf for triangles whose largest w is more than twice the smallest, or that reach
    behind the camera. Let s be the largest coordinate of a vertex seen from the pixel that q is
    computed from and w the largest w of the three; then S = 2 s is more than any distance of a
    covered pixel times w. Within it rounding adds up to less than 2^-18.5 S (S + w): 2^-17 is
    taken; beyond it nothing is claimed, and the kernels do not look. They do the same operations
    in the same order, none fused.
    """
    height, width = resolution
    half_x, half_y = 1 / corners.new_tensor([width, height])  # of a pixel
    x, y, _, w = corners.unbind(-1)
    inverse = 1 / w[:, 0]
    column = ((x[:, 0] * inverse + 1) * (0.5 * width)).clamp(0, width - 1).trunc()
    row = ((1 - y[:, 0] * inverse) * (0.5 * height)).clamp(0, height - 1).trunc()
    px = (2 * column + (1 - width)) * half_x
    py = ((height - 1) - 2 * row) * half_y
    u_x, u_y = x - px[:, None] * w, y - py[:, None] * w
    j, k = [1, 2, 0], [2, 0, 1]
    there = u_x[:, j] * u_y[:, k] - u_y[:, j] * u_x[:, k]
    per_column = (u_y[:, j] * w[:, k] - w[:, j] * u_y[:, k]) * (2 * half_x)
    per_row = (u_x[:, j] * w[:, k] - w[:, j] * u_x[:, k]) * (2 * half_y)
    columns = torch.arange(width, device=corners.device).repeat(height) - column[:, None]  # [f, P]
    rows = torch.arange(height, device=corners.device).repeat_interleave(width) - row[:, None]
    q = there[:, None] + rows[..., None] * per_row[:, None]
    q = q + columns[..., None] * per_column[:, None]

    largest, smallest = w.amax(1), w.amin(1)
    extent = 2 * torch.maximum(u_x.abs().amax(1), u_y.abs().amax(1))
    doubt = extent * (extent + largest) * DOUBT
    usual = (smallest > 0) & (largest <= 2 * smallest) & (doubt < LARGE)
    doubt = torch.where(usual, doubt, torch.inf)
    distance = torch.maximum(columns.abs() * half_x, rows.abs() * half_y) * 2 * largest[:, None]
    return q, torch.where(distance <= 1.01 * extent[:, None], doubt[:, None], torch.inf)


def _exact_depth(corners: Tensor, centres: Tensor) -> Tensor:
    """As `fragment_depth`, in float64."""
    q, u = edge_functions(corners[:, None], centres)
    w = corners[:, None, :, 3]
    positive = torch.ones(q.shape[:2], dtype=torch.bool, device=q.device)
    negative = positive
    for i in range(3):
        j, k = i - 2, i - 1
        along_x = u[..., j, 1] * w[..., k] - w[..., j] * u[..., k, 1]  # dq / dpx
        along_y = w[..., j] * u[..., k, 0] - u[..., j, 0] * w[..., k]  # dq / dpy
        sign = torch.where(q[..., i] != 0, q[..., i], torch.where(along_x != 0, along_x, along_y))
        positive = positive & (sign > 0)
        negative = negative & (sign < 0)
    z = corners[:, None, :, 2]
    sum_q = q[..., 0] + q[..., 1] + q[..., 2]
    sum_w = q[..., 0] * w[..., 0] + q[..., 1] * w[..., 1] + q[..., 2] * w[..., 2]
    sum_z = q[..., 0] * z[..., 0] + q[..., 1] * z[..., 1] + q[..., 2] * z[..., 2]
    depth = sum_z / sum_w
    in_front = ((sum_q > 0) & (sum_w > 0)) | ((sum_q < 0) & (sum_w < 0))
    covered = (positive | negative) & in_front & (depth >= -1) & (depth <= 1)
    return torch.where(covered, depth, torch.inf)
