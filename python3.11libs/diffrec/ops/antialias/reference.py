"""Analytic silhouette antialiasing in plain PyTorch: clear, slow, any dtype.

Laine et al. 2020 ("Modular Primitives for High-Performance Differentiable Rendering"), the section
on antialiasing, with one addition: where the triangle of the nearer pixel ends at an edge across
which the surface goes on, the search follows the surface from triangle to triangle, so silhouettes
of triangles smaller than a pixel are found as well.

An edge is a silhouette if no second triangle (or more than one) shares it, or if both its triangles
lie on the same side of it in the image. A line that is rather vertical blends horizontal pairs of
pixels, one that is rather horizontal blends vertical pairs; never both, so the summed change of the
image is the change of the covered area.

For clip-space vertices a, b of an edge let E(p) = u_a x u_b as in `rasterize.reference`. E is
linear in p, so the edge crosses the way from the centre of the near pixel A to that of the far
pixel B at t = E(A) / (E(A) - E(B)). With t > 1/2 the near surface reaches into B, which then takes
t - 1/2 of A's colour; with t < 1/2, A takes 1/2 - t of B's.
"""

from __future__ import annotations

import torch
from torch import Tensor

from diffrec.ops.rasterize.reference import edge_functions, pixel_centres

MAX_STEPS = 64  # triangles followed between two pixel centres


def find_silhouettes(
    triangle: Tensor, depth: Tensor, clip: Tensor, triangles: Tensor, neighbor: Tensor
) -> Tensor:
    """Pairs of pixels to blend, [S, 4] int64: near pixel, far pixel, vertices a, b of the edge.

    Pixels are flat indices into B * H * W, vertices into B * V. `triangle`, `depth`: [B, H, W];
    `clip`: [B, V, 4].
    """
    pixel = torch.arange(triangle.numel(), device=triangle.device).view(triangle.shape)
    found = []
    for axis in (0, 1):
        if axis == 0:
            one, two = pixel[:, :, :-1].reshape(-1), pixel[:, :, 1:].reshape(-1)
        else:
            one, two = pixel[:, :-1].reshape(-1), pixel[:, 1:].reshape(-1)
        differ = triangle.view(-1)[one] != triangle.view(-1)[two]
        one, two = one[differ], two[differ]
        ordered = depth.view(-1)[one] <= depth.view(-1)[two]
        near, far = torch.where(ordered, one, two), torch.where(ordered, two, one)
        found.append(_search(axis, near, far, triangle, clip, triangles.long(), neighbor.long()))
    return torch.cat(found)


def _search(
    axis: int,
    near: Tensor,
    far: Tensor,
    triangle: Tensor,
    clip: Tensor,
    triangles: Tensor,
    neighbor: Tensor,
) -> Tensor:
    _, height, width = triangle.shape
    centres = pixel_centres((height, width), torch.float64, clip.device)
    vertex_count = clip.shape[1]
    flat_clip = clip.double().view(-1, 4)
    current = triangle.view(-1)[near].long()
    target = triangle.view(-1)[far].long()
    entry = torch.full_like(current, -1)
    found = []
    for _ in range(MAX_STEPS):
        base = torch.div(near, height * width, rounding_mode="floor") * vertex_count
        corners = flat_clip[triangles[current] + base[:, None]]  # [S, 3, 4]
        q_near, _ = edge_functions(corners, centres[near % (height * width)])
        q_far, _ = edge_functions(corners, centres[far % (height * width)])
        facing = (q_near * corners[..., 3]).sum(-1, keepdim=True)
        inside_near, inside_far = q_near * facing, q_far * facing
        # The far centre may lie on the edge, but then not the near one too.
        leaves = (inside_near >= 0) & (inside_far <= 0) & (inside_near > inside_far)
        leaves &= torch.arange(3, device=near.device) != entry[:, None]
        crossing = torch.where(leaves, q_near / (q_near - q_far), torch.inf)
        # The first of equal crossings, as the kernels take it.
        edge = torch.where(crossing == crossing.amin(1, keepdim=True), 0, 9)
        edge = (edge + torch.arange(3, device=near.device)).argmin(1)
        leaving = leaves.any(1)

        rows = torch.arange(near.shape[0], device=near.device)
        twin = neighbor[current, edge]
        after, after_edge = torch.div(twin.clamp_min(0), 3, rounding_mode="floor"), twin % 3
        a = corners[rows, (edge + 1) % 3]
        b = corners[rows, (edge + 2) % 3]
        beyond = flat_clip[triangles[after, after_edge] + base]
        goes_on = (twin >= 0) & (_determinant(beyond, a, b) * facing[:, 0] < 0)

        ends = leaving & ~goes_on
        # The change of E from one pixel to the next, along x and along y: the line's direction.
        normal_x = (a[:, 1] * b[:, 3] - a[:, 3] * b[:, 1]) / width
        normal_y = (a[:, 3] * b[:, 0] - a[:, 0] * b[:, 3]) / height
        if axis == 0:
            ends &= normal_x.abs() >= normal_y.abs()
        else:
            ends &= normal_y.abs() > normal_x.abs()
        start = triangles[current, (edge + 1) % 3] + base
        stop = triangles[current, (edge + 2) % 3] + base
        found.append(torch.stack([near, far, start, stop], 1)[ends])

        keep = leaving & goes_on & (after != target)
        near, far, target = near[keep], far[keep], target[keep]
        current, entry = after[keep], after_edge[keep]
        if near.shape[0] == 0:
            break
    return torch.cat(found)


def _determinant(o: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """det of the (x, y, w) of three clip-space points [S, 4]."""
    return (
        o[:, 0] * (a[:, 1] * b[:, 3] - a[:, 3] * b[:, 1])
        + o[:, 1] * (a[:, 3] * b[:, 0] - a[:, 0] * b[:, 3])
        + o[:, 3] * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    )


def antialias(
    image: Tensor,
    triangle: Tensor,
    depth: Tensor,
    clip: Tensor,
    triangles: Tensor,
    neighbor: Tensor,
) -> Tensor:
    """Blended image [B, H, W, C]; differentiable in `image` and `clip` by autograd."""
    with torch.no_grad():
        near, far, start, stop = find_silhouettes(
            triangle, depth, clip, triangles, neighbor
        ).unbind(1)
    _, height, width, channels = image.shape
    centres = pixel_centres((height, width), torch.float64, clip.device)
    ends = clip.double().reshape(-1, 4)
    a, b = ends.index_select(0, start), ends.index_select(0, stop)

    def line(pixels: Tensor) -> Tensor:
        p = centres[pixels % (height * width)]
        u_a, u_b = a[:, :2] - p * a[:, 3:], b[:, :2] - p * b[:, 3:]
        return u_a[:, 0] * u_b[:, 1] - u_a[:, 1] * u_b[:, 0]

    at_near, at_far = line(near), line(far)
    reach = (at_near / (at_near - at_far) - 0.5).to(image.dtype)
    target = torch.where(reach >= 0, far, near)
    source = torch.where(reach >= 0, near, far)
    flat = image.reshape(-1, channels)
    change = flat.index_select(0, source) - flat.index_select(0, target)
    weight = torch.where(reach >= 0, reach, -reach)
    return flat.index_add(0, target, weight[:, None] * change).view(image.shape)
