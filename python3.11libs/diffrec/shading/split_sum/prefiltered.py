"""What the split sum reads of the environment light."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from diffrec.ops.cubefilter import CubeFilter
from diffrec.shading.light import EnvironmentLight


@dataclass(frozen=True)
class PrefilteredLight:
    """One iteration's light, ready for the split sum; linear RGB, world frame.

    `specular`: levels [6, R, R, 3], GGX-filtered for growing roughness (see
    `diffrec.ops.cubefilter`); `irradiance`: [6, 16, 16, 3], divided by pi, so that it times the
    albedo is radiance; `least_roughness`: reflections of smaller ones are read as of this one;
    `packed`: the same levels in one array [texels of all, 3], where they were made so.
    """

    specular: list[Tensor]
    irradiance: Tensor
    least_roughness: float = 0.08
    packed: Tensor | None = None


def prepare(light: EnvironmentLight) -> PrefilteredLight:
    """The light, filtered for every roughness; differentiable. Made once per iteration."""
    packed, specular, irradiance = CubeFilter.of(light.base).packed(light.base)
    return PrefilteredLight(specular, irradiance, light.least_roughness, packed)
