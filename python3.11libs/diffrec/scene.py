"""A scene that is being recovered: its shape, its material and its light."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from diffrec.geometry.mesh import Mesh
from diffrec.materials import Material
from diffrec.ops.fixedlengths import FixedLengths
from diffrec.render import RenderOptions
from diffrec.shading.light import EnvironmentLight
from diffrec.shading.models import Lighting
from diffrec.view_corrections import ViewCorrections
from nvdiffrec_contract.configuration import Config


class Geometry(Protocol):
    """What a pass optimises the shape of."""

    def mesh(self, lengths: FixedLengths | None = None) -> Mesh:
        """The present mesh, with normals (and tangents where it has UVs).

        `lengths`: see `diffrec.ops.fixedlengths`; a mesh whose lists have one length ignores it.
        """

    def parameters(self) -> Iterator[nn.Parameter]:
        """The trainable tensors."""


class SceneShadows(Protocol):
    """Shadows that a shape casts on itself.

    `positions`: [V, 3], what they were made of; a part of the state of a training.
    """

    positions: Tensor

    def over(self, light: EnvironmentLight, ready: Lighting) -> Lighting:
        """The light that is `ready` for shading, with shadows; differentiable."""


@dataclass
class Scene:
    """Everything that is being recovered."""

    geometry: Geometry
    material: Material
    light: EnvironmentLight
    shading: str = "split_sum"  # the model, as in the configuration
    fixed_light: Lighting | None = None  # of a light that does not learn
    corrections: ViewCorrections | None = None  # of the training views
    shadows: SceneShadows | None = None  # that the shape casts on itself, where they are known

    def lighting(self) -> Lighting:
        """The light ready for shading; kept when it does not learn."""
        light = self.fixed_light or Lighting.of(self.light, self.shading)
        return light if self.shadows is None else self.shadows.over(self.light, light)

    def parameters(self) -> list[nn.Parameter]:
        """Everything that may be trained."""
        corrections = [] if self.corrections is None else list(self.corrections.parameters())
        return [
            *self.geometry.parameters(),
            *self.material.parameters(),
            self.light.base,
            *corrections,
        ]


def render_options(config: Config) -> RenderOptions:
    """The rendering options that the configuration asks for."""
    return RenderOptions(
        spp=config.spp,
        layers=config.layers,
        camera_space_light=config.camera_space_light,
        raster_backend=config.diffrec.raster_backend,
    )
