"""Whether anything can be learned from pictures of a reference mesh.

A black, white or flat picture is what a misread material or light gives. An object that is dark or
bright all over is none of them: its highlights, its edges or its light still vary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from diffrec.errors import DiffrecError
from nvdiffrec_contract.failure import EXIT_USAGE

if TYPE_CHECKING:
    from torch import Tensor

BLACK = 0.5 / 255 / 12.92
"""Linear brightness below which an sRGB picture of 8 bits is 0."""
FLAT = 0.004
"""Part of the brightness by which the middle 98 % of the pixels differ, at least."""
ONE_SIDE = 0.999
"""Length of the mean normal above which a mesh is a plane, which may well be flat."""
BRIGHT, WHITE = 1.0, 4.0
"""Linear brightness from which pictures on disk are white, and from which that is a mistake."""


class FeaturelessError(DiffrecError):
    """The reference renders black, white, flat or not at all."""

    id = "reference-featureless"
    cure = "look at the material, the textures and the panorama of the reference, then cook again"
    exit_code = EXIT_USAGE


def complaint(images: Tensor, normals: Tensor) -> str:
    """What to say of pictures that can be trained from after all; '' for nothing.

    images: [B, H, W, 4], premultiplied linear RGBA of several sides; normals: [F, 3], of the
    triangles.

    Raises:
        FeaturelessError: nothing is seen, all of it is black or far brighter than white, or one
            flat colour though its sides face different ways.
    """
    import torch

    covered = images[images[..., 3] > 0.05]
    inside = covered[:, :3] / covered[:, 3:]
    if not len(inside):
        raise FeaturelessError(
            "the reference mesh is not seen in its own pictures: the cameras are 3 units from the "
            "origin and see 1.2 units around it",
            "centre the mesh at the origin and scale it to a size of about 2, then cook again",
        )
    if not torch.isfinite(inside).all():
        raise FeaturelessError("the reference mesh renders to values that are no numbers")
    brightest = float(inside.amax(1).quantile(0.99))
    if brightest < BLACK:
        raise FeaturelessError(
            "the reference mesh renders black in every picture",
            "check that the panorama (envmap) is not black and env_scale is not 0, then the "
            "material's Kd or map_Kd, then cook again",
        )
    low, high = inside.quantile(0.01, dim=0), inside.quantile(0.99, dim=0)
    spread = float(((high - low) / brightest).max())
    facing_apart = float(normals.mean(0).norm()) < ONE_SIDE
    if spread < FLAT and facing_apart:
        shade = "white" if float(low.min()) >= BRIGHT else "one flat colour"
        raise FeaturelessError(
            f"the reference mesh renders {shade} all over, from every side",
            "use a panorama whose light varies, lower env_scale if it is too bright, and check "
            "the material's textures, then cook again",
        )
    if float(low.min()) >= WHITE:
        raise FeaturelessError(
            f"the reference mesh renders white in every picture: all of it is more than {WHITE:g} "
            "times as bright as white",
            "lower env_scale, or use a darker panorama, then cook again",
        )
    if float(low.min()) >= BRIGHT:
        return (
            "all of it is brighter than white, so pictures on disk show it white; lower env_scale "
            "if that is not meant"
        )
    return ""
