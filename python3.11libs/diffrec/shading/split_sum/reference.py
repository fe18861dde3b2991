"""Split-sum shading of surface points under an environment light (Karis 2013)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from diffrec.ops.cubefilter import level_of_roughness
from diffrec.ops.texture_cube import texture_cube
from diffrec.shading.split_sum import brdf_table
from diffrec.shading.split_sum.constants import DIELECTRIC, LEAST_COSINE
from diffrec.shading.split_sum.prefiltered import PrefilteredLight


def shade(normal: Tensor, view: Tensor, kd: Tensor, ks: Tensor, light: PrefilteredLight) -> Tensor:
    """Outgoing radiance [P, 3], linear RGB.

    `normal`, `view`: [P, 3], the light's frame, towards the camera; `kd`: albedo, linear;
    `ks`: occlusion, roughness, metalness. diffuse = irradiance(n) kd (1 - metal); specular =
    prefiltered(r, roughness) (F0 A + B), F0 = 0.04 (1 - metal) + kd metal; all times
    (1 - occlusion). Gradients to all arguments and to the light.
    """
    normal = functional.normalize(normal, dim=1)
    view = functional.normalize(view, dim=1)
    occlusion, roughness, metalness = ks[:, 0:1], ks[:, 1], ks[:, 2:3]
    cosine = (normal * view).sum(1, keepdim=True)
    reflected = 2 * cosine * normal - view
    diffuse = texture_cube([light.irradiance], normal, None) * kd * (1 - metalness)
    level = level_of_roughness(roughness, len(light.specular), light.least_roughness)
    mirrored = texture_cube(light.specular, reflected, level)
    factor = brdf_table.lookup(cosine[:, 0].clamp(LEAST_COSINE, 1.0), roughness)
    f0 = DIELECTRIC * (1 - metalness) + kd * metalness
    specular = mirrored * (f0 * factor[:, 0:1] + factor[:, 1:2])
    return (diffuse + specular) * (1 - occlusion)


def perturbed_normal(
    tangent_normal: Tensor, smooth_normal: Tensor, tangent: Tensor | None, view: Tensor
) -> Tensor:
    """The shading normal [P, 3], unit length, on the viewer's side of the surface.

    `tangent_normal`: [P, 3], +y up the texture; `smooth_normal`, `tangent`: interpolated, world;
    `view`: towards the camera, any length. Without tangents the smooth normal is used. A normal
    that leans away from the viewer, as smooth normals do near silhouettes, is bent to the horizon.
    """
    view = functional.normalize(view, dim=1)
    normal = functional.normalize(smooth_normal, dim=1)
    away = (normal * view).sum(1, keepdim=True) < 0
    if tangent is not None:
        along = functional.normalize(
            tangent - normal * (tangent * normal).sum(1, keepdim=True), dim=1
        )
        up = torch.linalg.cross(normal, along)
        x, y, z = tangent_normal[:, 0:1], tangent_normal[:, 1:2], tangent_normal[:, 2:3]
        normal = functional.normalize(along * x + up * y + normal * z, dim=1)
    return _facing(torch.where(away, -normal, normal), view)


def _facing(normal: Tensor, view: Tensor) -> Tensor:
    """Normals with n . v below the least cosine, moved towards the view until they reach it."""
    missing = (LEAST_COSINE - (normal * view).sum(1, keepdim=True)).clamp_min(0)
    return functional.normalize(normal + missing * view, dim=1)
