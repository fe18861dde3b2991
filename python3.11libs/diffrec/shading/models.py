"""Shading models: a folder each beside this module, chosen by the configuration's `shading`.

A model's package has two functions. `prepare(light)` makes an `EnvironmentLight` ready, once per
iteration; `shade(points, sample, prepared, camera_position, camera_from_world, wants_normal=...)`
gives the points' colours, see `Lighting.shade`. A model is found by the name of its folder.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

from torch import Tensor

from diffrec.materials.surface import MaterialSample
from diffrec.shading.light import EnvironmentLight
from diffrec.shading.points import VisiblePoints
from diffrec.shading.shadowed import Shadows


class ShadingModel(Protocol):
    """What the package of a shading model has."""

    @property
    def prepare(self) -> Callable[[EnvironmentLight], Any]:
        """Makes a light ready for `shade`; differentiable."""

    @property
    def shade(self) -> Callable[..., tuple[Tensor, Tensor | None]]:
        """Colours of points, see `Lighting.shade`, under what `prepare` made."""


@functools.cache
def shading_model(name: str) -> ShadingModel:
    """The model of a name, as configurations write it; imported on first use."""
    return cast("ShadingModel", import_module(f"diffrec.shading.{name}"))


@dataclass(frozen=True)
class Lighting:
    """A light that a shading model has made ready; `shadows`: of the mesh that it lights."""

    model: ShadingModel
    prepared: Any
    shadows: Shadows | None = None

    @staticmethod
    def of(light: EnvironmentLight, shading: str = "split_sum") -> Lighting:
        """`light` for the model of a name. Differentiable; made once per iteration."""
        model = shading_model(shading)
        return Lighting(model, model.prepare(light))

    def shade(
        self,
        points: VisiblePoints,
        sample: MaterialSample,
        camera_position: Tensor,
        camera_from_world: Tensor | None = None,
        *,
        wants_normal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Outgoing radiance [P, 3], linear RGB, and the shading normal [P, 3], world, if wanted.

        `camera_position`: [B, 3], world. `camera_from_world`: [B, 4, 4] where the light turns with
        the camera, None where it stands in the world.
        """
        if self.shadows is not None:
            return self.shadows.shade(
                points, sample, self.prepared, camera_position, wants_normal=wants_normal
            )
        return self.model.shade(
            points,
            sample,
            self.prepared,
            camera_position,
            camera_from_world,
            wants_normal=wants_normal,
        )
