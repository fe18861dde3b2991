"""Chooses the reader of the data set that a configuration names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from diffrec import cameras, imagefiles
from diffrec.data.llff import load_llff
from diffrec.data.nerf_synthetic import load_nerf_synthetic
from diffrec.data.reference_mesh import ReferenceMeshViews, ReferenceScene
from diffrec.data.views import Views
from diffrec.shading.light import EnvironmentLight
from diffrec.shading.models import Lighting
from diffrec.textured_mesh import load_reference_mesh
from nvdiffrec_contract.configuration import Config
from nvdiffrec_contract.errors import ConfigError

Log = Callable[[str], None]


def load_views(config: Config, device: torch.device, log: Log) -> tuple[Views, Views | None]:
    """Training views, and the views to validate on (None where the data has none).

    `ref_mesh` decides: an .obj is rendered, a folder with poses_bounds.npy holds photographs
    (LLFF, NeRD), a folder with transforms_train.json a NeRF-synthetic set.
    Raises `ConfigError` when it is none of these; the readers raise their own errors.
    """
    if config.ref_mesh is None:
        raise ConfigError(
            "ref_mesh is missing: name an .obj file, or a folder of photographs with "
            "poses_bounds.npy or transforms_train.json"
        )
    source = Path(config.ref_mesh)
    if source.is_file() and source.suffix.lower() == ".obj":
        return _reference_views(config, source, device, log)
    if (source / "poses_bounds.npy").is_file():
        return load_llff(source, config, device)
    if (source / "transforms_train.json").is_file():
        return load_nerf_synthetic(source, config, device)
    if not source.exists():
        raise ConfigError(f"ref_mesh: there is no {source.absolute()}")
    raise ConfigError(
        f"ref_mesh: {source.absolute()} is neither an .obj file nor a folder with "
        "poses_bounds.npy (LLFF, NeRD) or transforms_train.json (NeRF synthetic)"
    )


def _reference_views(
    config: Config, source: Path, device: torch.device, log: Log
) -> tuple[Views, Views]:
    override = None if config.mtl_override is None else Path(config.mtl_override)
    reference = load_reference_mesh(source, override, device)
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


def known_light(config: Config, envmap: Path, device: torch.device) -> EnvironmentLight:
    """The light of a panorama, as the configuration wants it, on the device. Raises ImageError."""
    panorama = imagefiles.read_hdr(envmap).to(device) * config.env_scale
    return EnvironmentLight.from_latlong(
        panorama, config.diffrec.light_res, least_roughness=config.min_roughness
    )
