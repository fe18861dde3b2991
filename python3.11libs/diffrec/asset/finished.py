"""The asset that a training leaves at its end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from diffrec.asset import photographs, upright
from diffrec.asset.names import asset_name
from diffrec.asset.source import source_of
from diffrec.asset.write import write_asset
from diffrec.data.views import ImageViews
from diffrec.export.probe import PROBE_RESOLUTION
from diffrec.geometry.mesh import Mesh
from diffrec.materials import TextureMaterial
from diffrec.shading.light import EnvironmentLight
from nvdiffrec_contract import layout
from nvdiffrec_contract.configuration import Config


@torch.no_grad()
def write_finished(
    config: Config,
    folder: Path,
    mesh: Mesh,
    material: TextureMaterial,
    light: EnvironmentLight,
    log: Callable[[str], None],
    views: ImageViews | None = None,
    held_out: ImageViews | None = None,
    ambient: Tensor | None = None,
) -> None:
    """Write what the configuration asks for below the output folder `folder`.

    `views`: what was trained on, where that was photographs; they say which way is up, and
    how long a unit is. `held_out`: those that it was judged by. `ambient`: the mesh's own
    occlusion, see `Source`. A finished training is never lost for it: whatever goes wrong is a
    warning.
    """
    own = config.diffrec
    up = views.up if views is not None and own.asset_upright else None
    standing = upright.Standing()
    with contextlib.suppress(OSError):
        standing = upright.write(folder, up, None if views is None else views.metres)
    if not own.asset:
        return
    name = asset_name(own.asset_name or folder.absolute().name)
    place = folder / layout.ASSET
    log(f"Writing asset:  {place / name}")
    try:
        sky = light.to_latlong(PROBE_RESOLUTION)
        source = source_of(mesh, material.kd, material.ks, material.normal, sky, ambient)
        if standing.turn is not None:
            log("The asset stands upright, by the cameras; mesh/ stays as it was trained")
        if standing.metres is not None:
            log("The asset is in metres, by the data set; mesh/ stays as it was trained")
        source = upright.placed(source, standing, lit_from_camera=config.camera_space_light)
        write_asset(
            source,
            place,
            name,
            own.asset,
            log,
            turntable=own.asset_turntable,
            lods=own.asset_lods,
            bits=own.asset_texture_bits,
            size=own.asset_texture_size,
            textures=own.asset_texture_format,
            udim=own.asset_udim,
        )
        if own.asset_cameras and views is not None:
            photographs.write(views, held_out, place, name, standing, log)
        else:
            photographs.remove(place, name)
    except Exception as error:
        log(
            f"Warning: the asset is not complete: {error}; the result itself is, and "
            "nvdiffrec-tops export makes the asset of it"
        )
