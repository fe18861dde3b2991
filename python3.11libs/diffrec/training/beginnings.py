"""What a run begins with: light, the first pass's grid and material, or a mesh that is given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from diffrec.data.rendered import known_light
from diffrec.data.views import ImageViews, Views
from diffrec.geometry.dmtet import DMTetGeometry
from diffrec.geometry.flexicubes import FlexiCubesGeometry
from diffrec.geometry.mesh import Mesh
from diffrec.materials import Material, NeuralMaterial, TextureMaterial
from diffrec.materials.bake import bake_again
from diffrec.materials.several import SeveralMaterials
from diffrec.materials.tinycudann_field import TinyCudaNNMaterial
from diffrec.ops.hashgrid import HashGridLayout
from diffrec.runtime.ranks import Ranks
from diffrec.shading.light import EnvironmentLight
from diffrec.stereo.hollows import MOST_CELLS, hollows, lattice
from diffrec.textured_mesh import load_reference_mesh
from diffrec.training import between
from diffrec.training.visual_hull import DEPTH, hull_field
from nvdiffrec_contract.configuration import Config
from nvdiffrec_contract.errors import ConfigError

Log = Callable[[str], None]
MOST_VIEWS = 16  # whose colours are looked at


def first_light(config: Config, device: torch.device) -> EnvironmentLight:
    """The light that is learned, or the known one.

    Raises:
        ConfigError: it is not to be learned, and no panorama is named.
        ImageError: the panorama cannot be read.
    """
    if config.learn_light:
        light = EnvironmentLight(config.diffrec.light_res, least_roughness=config.min_roughness)
    elif config.envmap is not None:
        light = known_light(config, Path(config.envmap), device)
    else:
        raise ConfigError("learn_light is false, so envmap must name the light: a .hdr panorama")
    return light.to(device)


def first_geometry(
    config: Config, device: torch.device, training: Views, log: Log
) -> DMTetGeometry | FlexiCubesGeometry:
    """The grid of the first pass, with noise or the masks' visual hull in it."""
    kind = FlexiCubesGeometry if config.isosurface == "flexicubes" else DMTetGeometry
    geometry = kind(
        config.dmtet_grid,
        config.mesh_scale,
        sdf_weight=config.sdf_regularizer,
        seed=config.diffrec.seed,
        device=device,
    )
    if isinstance(geometry, DMTetGeometry):
        geometry.smoothness = config.diffrec.sdf_smoothness
    _hull(config, geometry, training, log)
    return geometry


def first_material(
    config: Config,
    geometry: DMTetGeometry | FlexiCubesGeometry,
    device: torch.device,
    training: Views,
) -> Material:
    """The material of the first pass, a field over the grid's box."""
    layout = HashGridLayout.geometric(log2_entries=config.diffrec.hashgrid_size_log2)
    own = config.diffrec.field_backend == "own"
    field = NeuralMaterial if own else TinyCudaNNMaterial
    colour = None
    if config.diffrec.kd_start == "photographs" and isinstance(training, ImageViews):
        colour = mean_colour(training)
    return field(config, geometry.box(), layout=layout, colour=colour).to(device)


def mean_colour(views: Views) -> Tensor:
    """Linear RGB [3] of what photographs show of their object, on the CPU; grey of nothing."""
    count = min(len(views), MOST_VIEWS)
    total = torch.zeros(4, dtype=torch.float64)
    for number in range(count):
        picture = views.batch([number * len(views) // count]).image
        if picture is not None:
            total += picture.double().sum(dim=(0, 1, 2)).cpu()
    colour = total[:3] / total[3].clamp_min(1e-6)
    return colour.float() if float(colour.max()) > 0 else torch.full((3,), 0.5)


def _hull(
    config: Config, geometry: DMTetGeometry | FlexiCubesGeometry, training: Views, log: Log
) -> None:
    """Begin with the visual hull, and its hollows, where that is asked for."""
    start = config.diffrec.start
    photographs = isinstance(training, ImageViews)
    if start == "random" or (start == "auto" and not photographs):
        return
    box = config.mesh_scale
    with torch.no_grad():
        vertices = geometry.vertices()
        points, middles = vertices, None
        if start != "hull" and photographs:
            middles = lattice(min(config.dmtet_grid, MOST_CELLS), box, vertices.device)
            # Pictures may be read anew for each look at them, so one look is for both.
            points = torch.cat([vertices, middles.reshape(-1, 3)])
        every = hull_field(points, training, box / config.dmtet_grid)
        field = every[: len(vertices)]
        inside = float((field < 0).float().mean())
        if not 0 < inside < 1:
            log("The masks' visual hull is empty or everything: starting with noise")
            return
        log(f"Starting with the visual hull: {100 * inside:.1f}% of the grid is inside")
        if middles is not None and isinstance(training, ImageViews):
            found = hollows(training, every[len(vertices) :].reshape(middles.shape[:3]), box)
            if found is not None:
                log(f"Its hollows, by the photographs: {100 * found.share:.1f}% of it is left out")
                field = torch.maximum(field, DEPTH * found.at(vertices / (0.5 * box)))
        geometry.sdf.copy_(field)


def from_base_mesh(
    config: Config, device: torch.device, ranks: Ranks, log: Log
) -> tuple[Mesh, TextureMaterial]:
    """The starting point of a run that knows the shape: base_mesh and its textures."""
    assert config.base_mesh is not None
    base = load_reference_mesh(Path(config.base_mesh), None, device)
    for warning in base.warnings:
        log(f"Base mesh: {warning}")
    mesh, material = base.mesh, base.material
    if isinstance(material, SeveralMaterials) or mesh.tangents is None:
        # Several materials' texture coordinates may lie on each other; or there are none.
        known, bare = material, mesh
        mesh = ranks.of_first(lambda: between.told(between.chart(config, bare), log)).to(device)
        if isinstance(known, SeveralMaterials):
            log("Base mesh: its materials are baked into one; their normal maps start flat")
        kd, ks, normal = bake_again(known, bare, mesh, config.texture_res)
        material = TextureMaterial(kd, ks, normal, config)
    if config.random_textures:
        material = TextureMaterial.random(config, seed=config.diffrec.seed)
    return mesh, material.to(device)
