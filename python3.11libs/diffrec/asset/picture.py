"""Pictures of an asset by the renderer that it was trained with: a thumbnail and a turntable."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from diffrec import cameras, imagefiles
from diffrec.asset.source import Source
from diffrec.colour import linear_to_srgb
from diffrec.geometry.mesh import Mesh, bounding_box
from diffrec.materials import TextureMaterial
from diffrec.render import RenderOptions, render
from diffrec.shading.light import EnvironmentLight
from diffrec.shading.models import Lighting

THUMBNAIL = "thumbnail.png"
TURNTABLE = "turntable"
SIZE = 256
SAMPLES = 2
"""Edge of the square of samples in a pixel of the thumbnail."""
LIGHT_RESOLUTION = 64
LARGEST_TEXTURE = 1024
FOVY = math.radians(30.0)
TILT = 0.3
MARGIN = 1.08
SIDE = math.radians(-30.0)


@torch.no_grad()
def pictures(source: Source, folder: Path, name: str, turntable: int) -> list[str]:
    """Write the thumbnail, and `turntable` pictures of one turn; their paths, it first.

    [SIZE, SIZE] sRGB with alpha, under the result's own light, or a white sky without one.
    """
    device = source.kd.device
    sky = torch.ones(2, 4, 3, device=device) if source.light is None else source.light
    light = EnvironmentLight.from_latlong(sky, LIGHT_RESOLUTION)
    lighting = Lighting.of(light)
    material = TextureMaterial.from_images(*map(_reduced, (source.kd, source.ks, source.normal)))
    mesh = _centred(source.mesh)
    shown = {THUMBNAIL: SIDE}
    for number in range(turntable):
        path = f"{TURNTABLE}/{name}.{number + 1:04d}.png"
        shown[path] = SIDE + 2 * math.pi * number / turntable
    if turntable:
        (folder / TURNTABLE).mkdir()
    clip_from_camera = cameras.perspective(FOVY, 1.0, 0.1, 100.0).to(device)
    distance = MARGIN / math.sin(FOVY / 2)
    # The mesh is moved, not the light: both keep their directions.
    for path, turn in shown.items():
        camera = (
            cameras.translation(0, 0, -distance)
            @ cameras.rotation_x(TILT)
            @ cameras.rotation_y(turn)
        )[None].to(device)
        found = render(
            mesh,
            material,
            lighting,
            clip_from_camera @ camera,
            camera,
            cameras.camera_position(camera),
            (SIZE, SIZE),
            options=RenderOptions(spp=SAMPLES if path == THUMBNAIL else 1),
        )
        image, alpha = found.image[0, ..., :3], found.image[0, ..., 3:]
        colour = linear_to_srgb(image / alpha.clamp_min(1e-4)).clamp(0, 1) * (alpha > 0)
        (folder / path).write_bytes(imagefiles.png(torch.cat([colour, alpha.clamp(0, 1)], dim=2)))
    return list(shown)


def _reduced(texture: Tensor) -> Tensor:
    """A texture [H, W, C] with at most twice as many texels as a picture can show."""
    factor = max(texture.shape[:2]) // LARGEST_TEXTURE
    if factor < 2 or min(texture.shape[:2]) < factor:
        return texture
    return functional.avg_pool2d(texture.permute(2, 0, 1)[None], factor)[0].permute(1, 2, 0)


def _centred(mesh: Mesh) -> Mesh:
    """The mesh in the unit ball; its normals and tangents stay what they were."""
    low, high = bounding_box(mesh.positions)
    moved = mesh.positions - (low + high) / 2
    return replace(mesh, positions=moved / moved.norm(dim=1).max().clamp_min(1e-12))
