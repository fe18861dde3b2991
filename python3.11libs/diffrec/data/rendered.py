"""Views of a reference mesh, rendered on demand under a known environment."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from diffrec import cameras, imagefiles
from diffrec.data import Log
from diffrec.data.featureless import complaint
from diffrec.data.views import ViewBatch, Views, sent
from diffrec.geometry.mesh import Mesh, triangle_normals
from diffrec.materials import Material
from diffrec.ops.topology import EdgeTopology, edge_topology
from diffrec.render import RenderOptions, render
from diffrec.shading.light import EnvironmentLight
from diffrec.shading.models import Lighting
from diffrec.textured_mesh import load_reference_mesh
from nvdiffrec_contract.configuration import Config
from nvdiffrec_contract.errors import ConfigError

MOST_AHEAD = 8
"""Batches of training views that are rendered at once on a GPU, at most."""
PIXELS_AHEAD = 1 << 23
LOOKS, LOOK_SIZE = 6, (64, 64)
"""Views by which a reference is looked at before it is trained from, and their size."""


@dataclass(frozen=True)
class _Ahead:
    """A batch that is waiting, and the generator's states that it was drawn from and left.

    `ready`: what has to have happened on a GPU before its pictures are looked at.
    """

    before: Tensor
    after: Tensor
    batch: ViewBatch
    ready: torch.cuda.Event | None = None

    def taken(self) -> ViewBatch:
        """The batch, for PyTorch's current stream."""
        if self.ready is not None:
            stream = torch.cuda.current_stream(self.batch.camera_position.device)
            stream.wait_event(self.ready)
            for field in fields(self.batch):
                value = getattr(self.batch, field.name)
                if value is not None:
                    value.record_stream(stream)
        return self.batch


@dataclass(frozen=True)
class ReferenceScene:
    """What is photographed: a mesh with normals (and tangents), its material and its light."""

    mesh: Mesh
    material: Material
    light: Lighting


class ReferenceMeshViews:
    """Pictures of a reference mesh, linear and premultiplied, rendered when they are asked for.

    Training views have random orientations (seeded by `seed`), validation views stand on a
    turntable of `length` places. The coverage of a picture is antialiased. `generator` draws the
    orientations; its state is that after the views that were handed out.
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
        ahead: int | None = None,
    ) -> None:
        """`ahead`: batches of training views rendered at once; None: as many as pay."""
        self._scene = scene
        self._training = training
        self._length = length
        self._near_far = near_far
        self.generator = torch.Generator().manual_seed(seed)
        self._options = RenderOptions(spp=spp, layers=layers)
        self.resolution = resolution
        self.names = [f"{i:06d}" for i in range(length)]
        self._batches_ahead = ahead
        self._ahead: deque[_Ahead] = deque()
        self._topology: EdgeTopology | None = None
        self._beside: torch.cuda.Stream | None = None

    def __len__(self) -> int:
        return self._length

    def batch(self, indices: Sequence[int], part: slice | None = None) -> ViewBatch:
        """Rendered views; the indices only count for the turntable.

        All of them are drawn, `part` of them is rendered; it is the same one in every call.
        """
        part = part or slice(None)
        if not self._training:
            poses = [cameras.turntable_pose(i, self._length) for i in list(indices)[part]]
            return self._rendered(poses)
        if not self._is_ahead(len(range(len(indices))[part])):
            self._look_ahead(len(indices), part)
        chosen = self._ahead.popleft()
        self.generator.set_state(chosen.after)
        return chosen.taken()

    def _is_ahead(self, views: int) -> bool:
        """Whether the next batch is ready: of that size, and drawn from the generator's state."""
        if not self._ahead:
            return False
        first = self._ahead[0]
        return len(first.batch.camera_position) == views and torch.equal(
            first.before, self.generator.get_state()
        )

    def _look_ahead(self, drawn: int, part: slice) -> None:
        """Render several batches at once: on a GPU that takes little longer than one.

        Rendering waits for the GPU to count pixels. On a stream of its own it does not wait for the
        iterations that are queued, which go on meanwhile.
        """
        device = self._scene.mesh.positions.device
        height, width = self.resolution
        views = len(range(drawn)[part])
        pixels = views * height * width * self._options.spp**2
        paying = max(1, min(MOST_AHEAD, PIXELS_AHEAD // pixels)) if device.type == "cuda" else 1
        count = self._batches_ahead or paying
        states, poses = [self.generator.get_state()], []
        for _ in range(count):
            poses += [cameras.random_pose(self.generator) for _ in range(drawn)][part]
            states.append(self.generator.get_state())
        ready = None
        if device.type == "cuda":
            if self._beside is None:
                self._beside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
                # The scene was made on the current stream, and does not change.
                self._beside.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(self._beside):
                rendered = self._rendered(poses)
            ready = self._beside.record_event()
        else:
            rendered = self._rendered(poses)
        self._ahead.clear()
        for number in range(count):
            part = slice(number * views, (number + 1) * views)
            assert rendered.image is not None
            batch = ViewBatch(
                rendered.clip_from_world[part],
                rendered.camera_from_world[part],
                rendered.camera_position[part],
                rendered.image[part],
            )
            self._ahead.append(_Ahead(states[number], states[number + 1], batch, ready))

    def _rendered(self, poses: Sequence[Tensor]) -> ViewBatch:
        device = self._scene.mesh.positions.device
        camera_from_world = torch.stack(list(poses))
        height, width = self.resolution
        projection = cameras.perspective(cameras.ORBIT_FOVY, width / height, *self._near_far)
        clip_from_world = sent(projection @ camera_from_world, device)
        camera_position = sent(cameras.camera_position(camera_from_world), device)
        camera_from_world = sent(camera_from_world, device)
        if self._topology is None:
            self._topology = edge_topology(self._scene.mesh.triangles)
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
                topology=self._topology,
            )
        image: Tensor = rendered.image
        return ViewBatch(clip_from_world, camera_from_world, camera_position, image)


def reference_views(
    config: Config, source: Path, device: torch.device, log: Log
) -> tuple[Views, Views]:
    """Training and validation views of an .obj file.

    Raises:
        ConfigError: the configuration names no light.
        DiffrecError: the mesh, its material or the light cannot be read, or nothing can be
            learned from what they look like together.
    """
    override = None if config.mtl_override is None else Path(config.mtl_override)
    reference = load_reference_mesh(source, override, device)
    for warning in reference.warnings:
        log(f"Reference mesh: {warning}")
    if config.envmap is None:
        raise ConfigError("envmap is missing: a reference mesh needs a .hdr panorama to be lit by")
    with torch.no_grad():
        light = known_light(config, Path(config.envmap), device)
        lit = Lighting.of(light, config.diffrec.shading)
    log(
        f"DatasetMesh: ref mesh has {reference.mesh.triangles.shape[0]} triangles and "
        f"{reference.mesh.positions.shape[0]} vertices"
    )
    scene = ReferenceScene(reference.mesh, reference.material, lit)
    near_far = (config.cam_near_far[0], config.cam_near_far[1])
    refuse_featureless(scene, near_far, log)
    training = ReferenceMeshViews(
        scene,
        (config.train_res[0], config.train_res[1]),
        near_far=near_far,
        training=True,
        length=(config.iter + 1) * config.batch,
        seed=config.diffrec.seed,
        spp=config.spp,
        layers=config.layers,
    )
    validation = ReferenceMeshViews(
        scene,
        (config.display_res[0], config.display_res[1]),
        near_far=near_far,
        training=False,
        length=config.diffrec.validation_views or cameras.TURNTABLE_VIEWS,
        seed=config.diffrec.seed,
        spp=config.spp,
        layers=config.layers,
    )
    return training, validation


def refuse_featureless(scene: ReferenceScene, near_far: tuple[float, float], log: Log) -> None:
    """Look at the reference from a few sides, in small pictures, before anything is trained.

    Raises:
        FeaturelessError: it renders black, flat or not at all.
    """
    views = ReferenceMeshViews(
        scene, LOOK_SIZE, near_far=near_far, training=False, length=LOOKS, seed=0
    )
    image = views.batch(range(LOOKS)).image
    assert image is not None
    mesh = scene.mesh
    warning = complaint(image, triangle_normals(mesh.positions, mesh.triangles))
    if warning:
        log(f"Reference mesh: {warning}")


def known_light(config: Config, envmap: Path, device: torch.device) -> EnvironmentLight:
    """The light of a panorama, as the configuration wants it, on the device. Raises ImageError."""
    panorama = imagefiles.read_hdr(envmap).to(device) * config.env_scale
    return EnvironmentLight.from_latlong(
        panorama, config.diffrec.light_res, least_roughness=config.min_roughness
    )
