"""A reference mesh's materials as pixels: reads the pictures and judges what they are.

Needs NumPy and a decoder of pictures, which are imported when something is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffrec.pictures import decoding
from diffrec.reference.errors import MtlError
from diffrec.reference.materials import Material, Picture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.float32]

LOOKED = 1 << 20
"""Pixels of a picture that are looked at to judge it."""
_GREY = 4 / 255
_CHANNELS = {"r": 0, "g": 1, "b": 2}


@dataclass
class Maps:
    """A material's textures, [H, W, 3] each; sizes may differ.

    Attributes:
        kd: albedo, sRGB where ``srgb``, else linear.
        ks: occlusion (0, open), roughness, metalness.
        normal: tangent-space normals in [-1, 1].
        warnings: what was not used, and why.
    """

    kd: Pixels
    srgb: bool
    ks: Pixels
    normal: Pixels
    warnings: list[str] = field(default_factory=list)


def read_maps(material: Material, plain: bool = False) -> Maps:
    """The textures of a material.

    plain: for faces without texture coordinates, which get constants.

    Raises:
        MtlError: a picture is missing or cannot be used.
        ImportError: NumPy or a decoder is missing.
    """
    import numpy as np

    warnings: list[str] = []
    kd = np.array(material.kd, np.float32).reshape(1, 1, 3)
    srgb = False
    if material.map_kd is not None and not (plain and material.has_colour):
        kd, srgb = _colours(material.map_kd, material), True
        if plain:
            kd = kd.mean(axis=(0, 1), keepdims=True)
    ks = np.array(material.ks, np.float32).reshape(1, 1, 3)
    normal = np.array((0, 0, 1), np.float32).reshape(1, 1, 3)
    if not plain:
        ks = _shine(material, ks, warnings)
        normal = _normals(material, normal, warnings)
    return Maps(kd, srgb, ks, normal, warnings)


def to_have(picture: Path) -> str:
    """What to do about a picture that a material uses and that is not there."""
    if re.search(r"<\w+>|%\(\w+\)d|%\d*d|\$F", picture.name):
        return (
            "several pictures under one name, such as UDIM tiles, cannot be used: bake them to one "
            "and name that"
        )
    return f"put {picture.name} beside the mesh's material file, then cook again"


def _colours(picture: Picture, material: Material) -> Any:
    """RGB (and alpha) in [0, 1] as stored."""
    import numpy as np

    if not picture.found:
        raise MtlError(
            f"the material {material.name!r} uses the picture {picture.path}, which is not there",
            to_have(picture.path),
            file=str(picture.path),
        )
    try:
        pixels = decoding.read(picture.path)
    except decoding.UndecodedError as error:
        raise MtlError(str(error), error.cure, file=str(picture.path)) from None
    if pixels.dtype not in (np.uint8, np.uint16):
        raise MtlError(
            f"{picture.path} holds {pixels.dtype} values; a texture must have 8 or 16 bits",
            "save it as PNG, then cook again",
            file=str(picture.path),
        )
    return pixels[..., :4].astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def _shine(material: Material, constant: Any, warnings: list[str]) -> Any:
    """Occlusion (always open), roughness, metalness."""
    import numpy as np

    if material.map_ks is not None:
        path = material.map_ks.path
        pixels = _colours(material.map_ks, material)[..., :3]
        if not material.classic or not _is_grey(pixels):
            if material.classic:
                warnings.append(
                    f"{path} (map_Ks of {material.name!r}) is read as roughness (green) and "
                    "metalness (blue); say bsdf pbr in the material where that is meant"
                )
            if pixels[..., 0].max() > 0:
                warnings.append(
                    f"the occlusion in the red channel of {path} is not used, as nvdiffrec does"
                )
            pixels[..., 0] = 0
            return pixels
        warnings.append(
            f"{path} (map_Ks of {material.name!r}) is a specular map, which is not used; "
            "say bsdf pbr in the material if it is occlusion, roughness, metalness"
        )
    rough, metal = material.map_roughness, material.map_metalness
    if rough is None and metal is None:
        return constant
    packed = rough is not None and metal is not None and rough.path == metal.path
    parts = [
        None if one is None else _one_value(one, material, usual if packed else "", warnings)
        for one, usual in ((rough, "g"), (metal, "b"))
    ]
    height = max(one.shape[0] for one in parts if one is not None)
    width = max(one.shape[1] for one in parts if one is not None)
    found = np.zeros((height, width, 3), np.float32)
    for channel, part in enumerate(parts, 1):
        found[..., channel] = (
            constant[0, 0, channel] if part is None else _resized(part, height, width)
        )
    return found


def _one_value(picture: Picture, material: Material, usual: str, warnings: list[str]) -> Any:
    """A map of one value, [H, W]; ``usual``: the channel where the library names none."""
    pixels = _colours(picture, material)
    wanted = picture.channel or usual
    if wanted == "m" and pixels.shape[2] == 4:
        return pixels[..., 3]
    if wanted in _CHANNELS:
        return pixels[..., _CHANNELS[wanted]]
    if wanted != "l" and not _is_grey(pixels[..., :3]):
        warnings.append(
            f"{picture.path} (of {material.name!r}) is a colour picture where one value is meant; "
            "its brightness is used"
        )
    return pixels[..., :3].mean(axis=2)


def _resized(values: Any, height: int, width: int) -> Any:
    """[H, W] at another size, by the nearest pixels."""
    import numpy as np

    rows = np.arange(height) * values.shape[0] // height
    columns = np.arange(width) * values.shape[1] // width
    return values[rows[:, None], columns]


def _normals(material: Material, flat: Any, warnings: list[str]) -> Any:
    picture = material.normal or material.bump
    if picture is None:
        return flat
    pixels = _colours(picture, material)[..., :3]
    if _is_grey(pixels):
        warnings.append(
            f"{picture.path} (bump of {material.name!r}) is a grey height map, which is not used; "
            "bake it to a tangent-space normal map and name that as norm"
        )
        return flat
    normal = pixels * 2 - 1
    if not _are_normals(normal):
        warnings.append(
            f"{picture.path} (of {material.name!r}) is no tangent-space normal map and is not used"
        )
        return flat
    if picture.strength != 1:
        normal[..., :2] *= picture.strength
    return normal


def _some(pixels: Any) -> Any:
    step = max(1, int((pixels.shape[0] * pixels.shape[1] / LOOKED) ** 0.5))
    return pixels[::step, ::step]


def _is_grey(pixels: Any) -> bool:
    seen = _some(pixels)
    spread = seen.max(axis=2) - seen.min(axis=2)
    return bool((spread <= _GREY).mean() > 0.995)


def _are_normals(normal: Any) -> bool:
    """Of length 1 as far as its steps allow, and outward nearly everywhere."""
    import numpy as np

    seen = _some(normal)
    length = np.sqrt((seen**2).sum(axis=2))
    return bool(((abs(length - 1) < 0.3) & (seen[..., 2] > -0.05)).mean() > 0.9)


def warnings_of(materials: list[tuple[Material, bool]]) -> list[str]:
    """What would be told of some materials' pictures, each with whether it is plain.

    Raises:
        MtlError: a picture is missing or cannot be used.
        ImportError: NumPy or a decoder is missing.
    """
    return [told for one, plain in materials for told in read_maps(one, plain).warnings]


def missing(material: Material) -> list[Path]:
    """The pictures that are not there."""
    return [one.path for one in material.pictures if not one.found]
