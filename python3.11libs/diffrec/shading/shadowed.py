"""Shading with the shadows that an object casts on itself, and with light that it sends on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from diffrec.materials.surface import MaterialSample
from diffrec.shading import split_sum
from diffrec.shading.points import VisiblePoints
from diffrec.shading.split_sum.prefiltered import PrefilteredLight
from diffrec.shading.visibility import VisibilityTable, irradiance


@dataclass(frozen=True)
class Shadows:
    """One light over a mesh: its table, and irradiance vectors [T, 3, 3] of the texels."""

    table: VisibilityTable
    vectors: Tensor

    def shade(
        self,
        points: VisiblePoints,
        sample: MaterialSample,
        light: PrefilteredLight,
        camera_position: Tensor,
        *,
        wants_normal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """As the split sum's `shade`, but that the occlusion of the material has no part in it."""
        assert points.uv is not None
        places = self.table.at(points.uv, points.position)
        bare = torch.cat([torch.zeros_like(sample.ks[:, :1]), sample.ks[:, 1:]], dim=1)
        # What the split sum leaves of a light without irradiance is the reflection alone.
        mirrored, normal = split_sum.shade(
            points,
            replace(sample, ks=bare),
            replace(light, irradiance=torch.zeros_like(light.irradiance[:, :2, :2])),
            camera_position,
            wants_normal=True,
        )
        assert normal is not None
        with torch.no_grad():
            view = torch.div(points.pixels, points.pixels_per_view, rounding_mode="floor")
            to_camera = functional.normalize(camera_position[view] - points.position, dim=1)
            along = 2 * (normal * to_camera).sum(1, keepdim=True) * normal - to_camera
            open_ = self.table.open_along(places, along, sample.ks[:, 1])
        reached = irradiance(places.fetch(self.vectors.flatten(1)).reshape(-1, 3, 3), normal)
        diffuse = reached * sample.kd * (1 - sample.ks[:, 2:3])
        return diffuse + mirrored * open_[:, None], normal if wants_normal else None
