"""Views of a reference mesh, rendered on demand under a known environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from diffrec import cameras
from diffrec.data.views import ViewBatch
from diffrec.geometry.mesh import Mesh
from diffrec.materials import Material
from diffrec.render import RenderOptions, render
from diffrec.shading.light import PrefilteredLight


@dataclass(frozen=True)
class ReferenceScene:
    """What is photographed: a mesh with normals (and tangents), its material and its light."""

    mesh: Mesh
    material: Material
    light: PrefilteredLight


class ReferenceMeshViews:
    """Pictures of a reference mesh, linear and premultiplied, rendered when they are asked for.

    Training views have random orientations (seeded by `seed`), validation views stand on a
    turntable of `validation_views` places. The coverage of a picture is antialiased. `generator`
    draws the orientations.
    """

    def __init__(
        self,
        scene: ReferenceScene,
        resolution: tuple[int, int],
        *,
        near_far: tuple[float, float],
        training: bool,
        length: int,
        seed: int,
        spp: int = 1,
        layers: int = 1,
    ) -> None:
        self._scene = scene
        self._training = training
        self._length = length
        self._near_far = near_far
        self.generator = torch.Generator().manual_seed(seed)
        self._options = RenderOptions(spp=spp, layers=layers)
        self.resolution = resolution
        self.names = [f"{i:06d}" for i in range(length)]

    def __len__(self) -> int:
        return self._length

    def batch(self, indices: Sequence[int]) -> ViewBatch:
        """Rendered views; the indices only count for the turntable."""
        device = self._scene.mesh.positions.device
        poses = [
            cameras.random_pose(self.generator)
            if self._training
            else cameras.turntable_pose(i, self._length)
            for i in indices
        ]
        camera_from_world = torch.stack(poses)
        height, width = self.resolution
        projection = cameras.perspective(cameras.ORBIT_FOVY, width / height, *self._near_far)
        clip_from_world = (projection @ camera_from_world).to(device)
        camera_position = cameras.camera_position(camera_from_world).to(device)
        camera_from_world = camera_from_world.to(device)
        with torch.no_grad():
            rendered = render(
                self._scene.mesh,
                self._scene.material,
                self._scene.light,
                clip_from_world,
                camera_from_world,
                camera_position,
                self.resolution,
                options=self._options,
            )
        image: Tensor = rendered.image
        return ViewBatch(clip_from_world, camera_from_world, camera_position, image)
