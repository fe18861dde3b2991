"""Shading of the points that a batch of views sees."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from diffrec.materials.surface import MaterialSample
from diffrec.ops.backends import choose_backend
from diffrec.ops.texture_cube import texture_cube
from diffrec.shading import brdf_table
from diffrec.shading.light import PrefilteredLight
from diffrec.shading.split_sum import perturbed_normal, shade


@dataclass(frozen=True)
class VisiblePoints:
    """P surface points and the pixels that see them.

    `position`, `normal`: [P, 3], interpolated, world; `tangent`: [P, 3] or None; `pixels`: [P]
    int64, flat index into B views of `pixels_per_view` each.
    """

    position: Tensor
    normal: Tensor
    tangent: Tensor | None
    pixels: Tensor
    pixels_per_view: int


def shade_points(
    points: VisiblePoints,
    sample: MaterialSample,
    light: PrefilteredLight,
    camera_position: Tensor,
    camera_from_world: Tensor | None = None,
    *,
    wants_normal: bool = False,
    backend: str | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Outgoing radiance [P, 3], linear RGB, and the shading normal [P, 3], world, if wanted.

    `camera_position`: [B, 3], world. `camera_from_world`: [B, 4, 4] where the light turns with the
    camera, None where it stands in the world. Gradients to points, material and light; the plain
    formulas, `perturbed_normal` and `shade`, have them to the cameras too.
    """
    cameras = (
        [camera_position] if camera_from_world is None else [camera_position, camera_from_world]
    )
    exact = any(camera.requires_grad for camera in cameras)
    name = choose_backend(points.position, "reference" if exact else backend)
    if name == "warp":
        return _fused(points, sample, light, camera_position, camera_from_world, wants_normal)
    view = torch.div(points.pixels, points.pixels_per_view, rounding_mode="floor")
    if name == "numba" and camera_from_world is None:
        color, normal = _on_cpu(points, sample, light, camera_position[view])
        return color, normal if wants_normal else None
    to_camera = camera_position[view] - points.position
    normal = perturbed_normal(sample.normal, points.normal, points.tangent, to_camera)
    shading_normal, shading_view = normal, to_camera
    if camera_from_world is not None:
        # The split sum is invariant under rotation: turn the frame, not the light.
        rotation = camera_from_world[:, :3, :3][view]
        shading_normal = (rotation @ normal[:, :, None])[:, :, 0]
        shading_view = (rotation @ to_camera[:, :, None])[:, :, 0]
    color = shade(shading_normal, shading_view, sample.kd, sample.ks, light)
    return color, normal if wants_normal else None


def _on_cpu(
    points: VisiblePoints, sample: MaterialSample, light: PrefilteredLight, camera: Tensor
) -> tuple[Tensor, Tensor]:
    """`camera`: of each point, [P, 3]."""
    from diffrec.ops.numba_shade import Directions, Radiance

    normal, mirror, cosine, level = Directions.apply(  # type: ignore[no-untyped-call]
        sample.normal,
        points.normal,
        points.tangent,
        points.position,
        sample.ks[:, 1],
        camera,
        len(light.specular),
        light.least_roughness,
    )
    shone = texture_cube([light.irradiance], normal, None)
    mirrored = texture_cube(light.specular, mirror, level)
    color: Tensor = Radiance.apply(  # type: ignore[no-untyped-call]
        sample.kd, sample.ks, shone, mirrored, cosine, brdf_table.table("cpu")
    )
    return color, normal


def _fused(
    points: VisiblePoints,
    sample: MaterialSample,
    light: PrefilteredLight,
    camera_position: Tensor,
    camera_from_world: Tensor | None,
    wants_normal: bool,
) -> tuple[Tensor, Tensor | None]:
    from diffrec.ops.warp_shade import Shade

    packed = light.packed
    if packed is None:
        packed = torch.cat([level.reshape(-1, 3) for level in light.specular])
    result: tuple[Tensor, Tensor | None] = Shade.apply(  # type: ignore[no-untyped-call]
        sample.normal,
        points.normal,
        points.tangent,
        points.position,
        sample.kd,
        sample.ks,
        packed,
        light.irradiance,
        points.pixels,
        points.pixels_per_view,
        camera_position,
        camera_from_world,
        tuple(level.shape[1] for level in light.specular),
        light.least_roughness,
        brdf_table.table(str(packed.device)),
        wants_normal,
    )
    return result
