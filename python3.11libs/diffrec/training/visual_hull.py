"""The visual hull of an object: what no view has seen past (Laurentini 1994).

A surface that begins there has the object's openings already. Trained from noise it often closes a
hole that few views look through, and no gradient opens it again: behind the skin there is nothing
that the pictures could be compared with.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from diffrec.data.views import Views

MARGIN = 0.006
"""Masks grow by this share of the picture's width: poses and masks are not exact."""
DEPTH = 0.2
"""The field's value far inside and outside."""
_AT_ONCE = 4


@torch.no_grad()
def hull_field(points: Tensor, views: Views, spacing: float) -> Tensor:
    """A field [V] over points [V, 3], world: negative inside the hull, zero about on its surface.

    `spacing`: world distance of neighbouring points, over which the field changes its sign. Views
    that do not show a point say nothing about it; points that no view shows are outside.
    """
    least = points.new_ones(len(points))
    seen = torch.zeros(len(points), dtype=torch.bool, device=points.device)
    for begin in range(0, len(views), _AT_ONCE):
        batch = views.batch(range(begin, min(begin + _AT_ONCE, len(views))))
        if batch.image is None:
            raise ValueError("a visual hull needs views with pictures")
        coverage = _softened(batch.image[..., 3], spacing, batch.clip_from_world)
        rotation, translation = batch.clip_from_world[:, :, :3], batch.clip_from_world[:, :, 3]
        clip = points[None] @ rotation.transpose(1, 2) + translation[:, None]
        place = clip[..., :2] / clip[..., 3:].clamp_min(1e-6)
        shown = (clip[..., 3] > 1e-6) & (place.abs() < 1).all(-1)
        # Row 0 is the top of the picture, where clip space has its largest y.
        grid = torch.stack([place[..., 0], -place[..., 1]], dim=-1)
        value = functional.grid_sample(
            coverage[:, None], grid[:, None], padding_mode="border", align_corners=False
        )[:, 0, 0]
        least = torch.minimum(least, torch.where(shown, value, 1.0).amin(0))
        seen |= shown.any(0)
    return torch.where(seen, 0.5 - least, 0.5) * (2 * DEPTH)


def _softened(coverage: Tensor, spacing: float, clip_from_world: Tensor) -> Tensor:
    """Coverage [B, H, W], grown by the margin and blurred over about one spacing."""
    width = coverage.shape[2]
    grown = 2 * max(1, round(MARGIN * width)) + 1
    image = functional.max_pool2d(coverage[:, None], grown, stride=1, padding=grown // 2)
    # What a spacing in the middle of the scene measures in pixels.
    scale = clip_from_world[:, 0, :3].norm(dim=1) / clip_from_world[:, 3, 3].abs().clamp_min(1e-6)
    blur = 2 * max(1, round(0.25 * spacing * float(scale.mean()) * width)) + 1
    blur = min(blur, 2 * (min(coverage.shape[1:]) // 8) + 1)
    return functional.avg_pool2d(image, blur, stride=1, padding=blur // 2, count_include_pad=False)[
        :, 0
    ]
