"""An asset that stands upright, though its training's world says nothing of up.

The rotation is recorded in the output folder, so that a later export turns the asset likewise and
anyone can turn it back: ``{"format": ..., "asset_from_training": [[...], [...], [...]]}``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffrec.asset.source import AssetError, Source
from diffrec.data.upright import turn_of
from diffrec.shading.light import latlong_directions, sample_latlong
from nvdiffrec_contract import jsonfiles, layout

FORMAT = "tops-nvdiffrec-upright"
ROTATION = "asset_from_training"


def write(folder: Path, up: Sequence[float]) -> Tensor:
    """Record in an output folder how its asset is turned; the rotation [3, 3].

    Args:
        folder: the output folder.
        up: the direction [3] in the training's world that becomes +y, of length 1.

    Raises:
        OSError: the folder cannot be written.
    """
    turn = turn_of(np.asarray(up, dtype=np.float64))
    jsonfiles.write(folder / layout.UPRIGHT, {"format": FORMAT, ROTATION: turn.tolist()})
    return torch.from_numpy(turn).float()


def read(folder: Path) -> Tensor | None:
    """The rotation [3, 3] that an output folder records; None where it records none.

    Raises:
        AssetError: the record is damaged.
    """
    path = folder / layout.UPRIGHT
    if not path.is_file():
        return None
    try:
        document = jsonfiles.read_object(path)
        turn = np.array(document[ROTATION], dtype=np.float64)
        if document["format"] != FORMAT or turn.shape != (3, 3):
            raise ValueError("no rotation")
        if not np.allclose(turn @ turn.T, np.eye(3), atol=1e-6) or np.linalg.det(turn) < 0:
            raise ValueError("no rotation")
    except (jsonfiles.JsonError, OSError, KeyError, ValueError, TypeError) as error:
        raise AssetError(
            f"{path} does not say how the asset is turned ({error}); without the file it keeps "
            "the training's axes"
        ) from None
    return torch.from_numpy(turn).float()


@torch.no_grad()
def turned(source: Source, turn: Tensor, *, lit_from_camera: bool = False) -> Source:
    """The mesh and its light turned by a rotation [3, 3]; textures do not change.

    `lit_from_camera`: the light moves with the camera, and stays.
    """
    mesh, sky = source.mesh, source.light
    turn = turn.to(mesh.positions)
    assert mesh.normals is not None and mesh.tangents is not None
    mesh = replace(
        mesh,
        positions=mesh.positions @ turn.T,
        normals=mesh.normals @ turn.T,
        tangents=mesh.tangents @ turn.T,
    )
    if sky is not None and not lit_from_camera:
        height, width = sky.shape[:2]
        towards = latlong_directions(height, width).to(sky).reshape(-1, 3)
        sky = sample_latlong(sky, towards @ turn.to(sky)).reshape(height, width, -1)
    return replace(source, mesh=mesh, light=sky)
