"""A mesh with its maps, as a training leaves them, and how diffrec itself shows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffrec import cameras
from diffrec.colour import srgb_to_linear
from diffrec.export.obj import write_obj
from diffrec.geometry.mesh import Mesh
from diffrec.imagefiles import read_linear, write_png
from diffrec.materials import TextureMaterial
from diffrec.render import RenderOptions, render
from diffrec.shading.light import EnvironmentLight
from diffrec.shading.models import Lighting
from diffrec.textured_mesh import load_obj
from relight.scenes import Painted

Floats = NDArray[np.float32]
MESH, KD, KS, NORMAL = "mesh.obj", "texture_kd.png", "texture_ks.png", "texture_n.png"
LIGHT_RESOLUTION = 128


@dataclass(frozen=True)
class Asset:
    """What lies in a folder; kd linear, ks (occlusion, roughness, metalness), normal in [-1, 1]."""

    folder: Path
    mesh: Mesh
    kd: Tensor
    ks: Tensor
    normal: Tensor


@dataclass(frozen=True)
class Looks:
    """Pictures [N, H, W, C] of an asset: linear RGB over black, coverage, and its maps.

    normal: with the normal map; smooth: without.
    """

    colour: Floats
    coverage: Floats
    kd: Floats
    ks: Floats
    normal: Floats
    smooth: Floats


def write_asset(folder: Path, made: Painted) -> None:
    """Write a painted object as a training writes its result."""
    folder.mkdir(parents=True, exist_ok=True)
    mesh = Mesh(
        positions=torch.from_numpy(made.positions).float(),
        triangles=torch.from_numpy(made.triangles),
        texcoords=torch.from_numpy(made.texcoords).float(),
        texcoord_triangles=torch.from_numpy(made.texcoord_triangles),
    ).with_normals()
    if mesh.normal_triangles is None:
        mesh = replace(mesh, normal_triangles=mesh.triangles)
    write_obj(folder / MESH, mesh)
    write_png(folder / KD, torch.from_numpy(made.kd))
    write_png(folder / KS, torch.from_numpy(made.ks))
    write_png(folder / NORMAL, torch.tensor([0.5, 0.5, 1.0]).expand(4, 4, 3))


def read_asset(folder: Path) -> Asset:
    """Read what `write_asset` or a training wrote. Raises UserError for files that are none."""
    mesh = load_obj(folder / MESH).mesh
    if mesh.normals is None:
        mesh = mesh.with_normals()
    maps = [read_linear(folder / name)[..., :3] for name in (KD, KS, NORMAL)]
    return Asset(folder, mesh.with_tangents(), srgb_to_linear(maps[0]), maps[1], maps[2] * 2 - 1)


def look(
    asset: Asset, light: Floats, poses: Floats, size: int, scale: Floats | None = None
) -> Looks:
    """Show an asset by the split sum, without shadows or bounces.

    light: panorama, linear; poses: camera_from_world [N, 4, 4]; scale: factors of the albedo.
    """
    kd = asset.kd if scale is None else (asset.kd * torch.from_numpy(scale)).clamp(0, 1)
    material = TextureMaterial.from_images(kd, asset.ks, asset.normal)
    flat = TextureMaterial.from_images(kd, asset.ks, torch.tensor([[[0.0, 0.0, 1.0]]]))
    environment = EnvironmentLight.from_latlong(torch.from_numpy(light), LIGHT_RESOLUTION)
    projection = cameras.perspective(cameras.ORBIT_FOVY, 1.0, 0.1, 100.0)
    found: dict[str, list[Floats]] = {}
    with torch.no_grad():
        lighting = Lighting.of(environment)
        for pose in torch.from_numpy(poses):

            def shown(what: TextureMaterial, channels: tuple[str, ...], pose: Tensor = pose) -> Any:
                return render(
                    asset.mesh,
                    what,
                    lighting,
                    (projection @ pose)[None],
                    pose[None],
                    cameras.camera_position(pose[None]),
                    (size, size),
                    options=RenderOptions(spp=2),
                    channels=channels,
                )

            made = shown(material, ("kd", "ks", "normal"))
            pictures = {"colour": made.image[0, ..., :3], "coverage": made.image[0, ..., 3:]}
            pictures |= {name: made.channels[name][0, ..., :3] for name in ("kd", "ks", "normal")}
            pictures["smooth"] = shown(flat, ("normal",)).channels["normal"][0, ..., :3]
            for name, picture in pictures.items():
                found.setdefault(name, []).append(picture.numpy())
    return Looks(**{name: np.stack(pictures) for name, pictures in found.items()})
