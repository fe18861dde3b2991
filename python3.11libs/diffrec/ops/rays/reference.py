"""Every ray against every triangle, in plain PyTorch (Möller and Trumbore 1997)."""

from __future__ import annotations

import torch
from torch import Tensor

_CHUNK = 1 << 22  # pairs of a ray and a triangle that are looked at together


def scene(positions: Tensor, triangles: Tensor) -> Tensor:
    """Corners [F, 3, 3]."""
    return positions[triangles]


def free(
    corners: Tensor, origins: Tensor, normals: Tensor, directions: Tensor, result: Tensor
) -> None:
    """As `Rays.free`."""
    count, rays = directions.shape[:2]
    flat = directions.reshape(-1, 3)
    for t in range(len(origins)):
        distance, _, _ = _nearest(corners, origins[t].expand_as(flat), flat)
        open_ = distance.isinf() & (flat @ normals[t] > 0)
        result[t] = open_.reshape(count, rays).float().mean(1)


def first(corners: Tensor, origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """As `Rays.first`."""
    distance, triangle, bary = _nearest(corners, origins, directions)
    missed = distance.isinf()
    return torch.where(missed, -1, triangle), torch.where(missed[:, None], 0.0, bary)


def _nearest(corners: Tensor, origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Distances [R], infinite for nothing, triangles [R] and barycentrics [R, 3]."""
    distances, triangles, barys = [], [], []
    step = max(1, _CHUNK // max(1, len(corners)))
    for begin in range(0, len(origins), step):
        o, d = origins[begin : begin + step, None], directions[begin : begin + step, None]
        a, along, up = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        across = torch.linalg.cross(d.expand(-1, len(up), 3), up.expand(len(d), -1, 3))
        scale = (along * across).sum(-1)
        scale = torch.where(scale == 0, torch.inf, scale)
        away = o - a
        u = (away * across).sum(-1) / scale
        turned = torch.linalg.cross(away, along.expand_as(away))
        v = (d * turned).sum(-1) / scale
        distance = (up * turned).sum(-1) / scale
        hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (distance > 0) & scale.isfinite()
        nearest, place = torch.where(hit, distance, torch.inf).min(1)
        second, third = (one.gather(1, place[:, None])[:, 0] for one in (u, v))
        distances.append(nearest)
        triangles.append(place)
        barys.append(torch.stack([1 - second - third, second, third], 1))
    return torch.cat(distances), torch.cat(triangles), torch.cat(barys)
