"""An asset that stands upright and in metres, though its training's world says nothing of either.

How it was placed is recorded in the output folder, so that a later export places the asset likewise
and anyone can take it back: ``{"format": ..., "asset_from_training": [[...], [...], [...]],
"metres_per_unit": ...}``. A point of the training's world is turned by the first, then multiplied
by the second, which is null where no length is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffrec.asset.source import AssetError, Source
from diffrec.data import metres as lengths
from diffrec.data.upright import turn_of
from diffrec.shading.light import latlong_directions, sample_latlong
from nvdiffrec_contract import jsonfiles, layout

FORMAT = "tops-nvdiffrec-upright"
ROTATION = "asset_from_training"


@dataclass(frozen=True)
class Standing:
    """How an asset stands in its training's world.

    Attributes:
        turn: rotation [3, 3] of the asset's axes from the training's; None for none.
        metres: in a unit of the training; None where no length is known, and a unit is kept.
    """

    turn: Tensor | None = None
    metres: float | None = None

    def matrix(self) -> Tensor:
        """Asset from training, [4, 4] float64 on the processor."""
        found = torch.eye(4, dtype=torch.float64)
        if self.turn is not None:
            found[:3, :3] = self.turn.double().cpu()
        found[:3, :3] *= 1.0 if self.metres is None else self.metres
        return found


def write(folder: Path, up: Sequence[float] | None, metres: float | None) -> Standing:
    """Record in an output folder how its asset is placed; nothing is recorded of one that stays.

    Args:
        folder: the output folder.
        up: the direction [3] in the training's world that becomes +y, of length 1; None for +y.
        metres: in a unit of the training; None where that is not known.

    Raises:
        OSError: the folder cannot be written.
    """
    path = folder / layout.UPRIGHT
    if up is None and metres is None:
        path.unlink(missing_ok=True)
        return Standing()
    turn = np.eye(3) if up is None else turn_of(np.asarray(up, dtype=np.float64))
    document = {"format": FORMAT, ROTATION: turn.tolist(), lengths.METRES: metres}
    jsonfiles.write(path, document)
    return Standing(None if up is None else torch.from_numpy(turn).float(), metres)


def read(folder: Path) -> Standing:
    """How the asset of an output folder is placed, by its record.

    Raises:
        AssetError: the record is damaged.
    """
    path = folder / layout.UPRIGHT
    if not path.is_file():
        return Standing()
    try:
        document = jsonfiles.read_object(path)
        turn = np.array(document[ROTATION], dtype=np.float64)
        if document["format"] != FORMAT or turn.shape != (3, 3):
            raise ValueError("no rotation")
        if not np.allclose(turn @ turn.T, np.eye(3), atol=1e-6) or np.linalg.det(turn) < 0:
            raise ValueError("no rotation")
        said = document.get(lengths.METRES)
        metres = None if said is None else lengths.checked(said)
    except (jsonfiles.JsonError, OSError, KeyError, ValueError, TypeError) as error:
        raise AssetError(
            f"{path} does not say how the asset is placed ({error}); without the file it keeps "
            "the training's axes and units"
        ) from None
    stays = np.array_equal(turn, np.eye(3))
    return Standing(None if stays else torch.from_numpy(turn).float(), metres)


def placed(source: Source, standing: Standing, *, lit_from_camera: bool = False) -> Source:
    """The source as it stands; `lit_from_camera` as for :func:`turned`."""
    if standing.turn is not None:
        source = turned(source, standing.turn, lit_from_camera=lit_from_camera)
    return replace(source, metres=standing.metres)


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
