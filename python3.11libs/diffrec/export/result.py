"""The folder that a run leaves: mesh, material, textures, light probe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from diffrec import imagefiles
from diffrec.colour import linear_to_srgb
from diffrec.export.obj import write_obj
from diffrec.geometry.mesh import Mesh
from diffrec.materials import TextureMaterial
from diffrec.shading.light import EnvironmentLight

PROBE_RESOLUTION = (512, 1024)


def write_result(
    folder: Path,
    mesh: Mesh,
    material: TextureMaterial,
    light: EnvironmentLight,
    log: Callable[[str], None],
    writer: imagefiles.PictureWriter | None = None,
) -> None:
    """Write mesh.obj, mesh.mtl, texture_kd/ks/n.png and probe.hdr into `folder`.

    kd is written sRGB; ks (occlusion, roughness, metalness) and the normal map (0.5 + 0.5 n, +Y up)
    linear; the probe is linear RGB, latitude-longitude, [512, 1024]. `writer`: where the pictures
    are written beside other work; without one all is written when this returns.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with torch.no_grad(), imagefiles.own_or(writer) as pictures:
        normal = material.normal * 0.5 + 0.5
        pictures.write_png(folder / "texture_kd.png", linear_to_srgb(material.kd).clamp(0, 1))
        pictures.write_png(folder / "texture_ks.png", material.ks.clamp(0, 1))
        pictures.write_png(folder / "texture_n.png", normal.clamp(0, 1))
        pictures.write_hdr(folder / "probe.hdr", light.to_latlong(PROBE_RESOLUTION))
        write_obj(folder / "mesh.obj", mesh, log=log)
