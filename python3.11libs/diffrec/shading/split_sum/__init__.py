"""Split-sum shading of the points that a batch of views sees (Karis 2013)."""

from __future__ import annotations

import torch
from torch import Tensor

from diffrec.materials.surface import MaterialSample
from diffrec.ops.backends import Operation
from diffrec.shading.points import VisiblePoints
from diffrec.shading.split_sum import reference
from diffrec.shading.split_sum.prefiltered import PrefilteredLight, prepare

__all__ = ["prepare", "shade"]

_operation = Operation(__name__)


def shade(
    points: VisiblePoints,
    sample: MaterialSample,
    light: PrefilteredLight,
    camera_position: Tensor,
    camera_from_world: Tensor | None = None,
    *,
    wants_normal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Outgoing radiance [P, 3], linear RGB, and the shading normal [P, 3], world, if wanted.

    `camera_position`: [B, 3], world. `camera_from_world`: [B, 4, 4] where the light turns with the
    camera, None where it stands in the world. Gradients to points, material and light; the plain
    formulas of `reference` have them to the cameras too.
    """
    cameras = (
        [camera_position] if camera_from_world is None else [camera_position, camera_from_world]
    )
    exact = any(camera.requires_grad for camera in cameras)
    if not exact:
        kernels = _operation.kernels(points.position)
        if kernels is not None and (camera_from_world is None or kernels.TURNS):
            color, normal = kernels.shade(
                points, sample, light, camera_position, camera_from_world, wants_normal
            )
            return color, normal
    view = torch.div(points.pixels, points.pixels_per_view, rounding_mode="floor")
    to_camera = camera_position[view] - points.position
    normal = reference.perturbed_normal(sample.normal, points.normal, points.tangent, to_camera)
    shading_normal, shading_view = normal, to_camera
    if camera_from_world is not None:
        # The split sum is invariant under rotation: turn the frame, not the light.
        rotation = camera_from_world[:, :3, :3][view]
        shading_normal = (rotation @ normal[:, :, None])[:, :, 0]
        shading_view = (rotation @ to_camera[:, :, None])[:, :, 0]
    color = reference.shade(shading_normal, shading_view, sample.kd, sample.ks, light)
    return color, normal if wants_normal else None
