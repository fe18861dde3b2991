"""FLIP, the difference that the eye sees when it flips between two pictures.

Andersson et al., *FLIP: A Difference Evaluator for Alternating Images*, HPG 2020; constants from
there. Made here, on the pictures' own device, because the field's package holds Python's lock for
half a second a picture; the tests hold it to that package.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffrec.colour import srgb_to_linear

PIXELS_PER_DEGREE = 67.0  # a 0.7 m wide display of 3840 pixels, seen from 0.7 m

# Linear sRGB to XYZ (IEC 61966-2-1), as exact fractions give it; white is what (1, 1, 1) gives.
_TO_XYZ = (
    (10135552 / 24577794, 8788810 / 24577794, 4435075 / 24577794),
    (2613072 / 12288897, 8788810 / 12288897, 887015 / 12288897),
    (1425312 / 73733382, 8788810 / 73733382, 70074185 / 73733382),
)
# Contrast sensitivity of each opponent channel: two Gaussians (a, b), frequency in cycles a degree.
_SENSITIVITY = (
    ((1.0, 0.0047),),
    ((1.0, 0.0053),),
    ((34.1, 0.04), (13.5, 0.025)),
)
_WIDEST = 0.04
_COLOUR_EXPONENT, _FEATURE_EXPONENT = 0.7, 0.5
_KNEE, _AT_KNEE = 0.4, 0.95
_FEATURE_WIDTH = 0.082  # degrees


def flip(image: Tensor, reference: Tensor, pixels_per_degree: float = PIXELS_PER_DEGREE) -> Tensor:
    """Mean FLIP of two pictures [H, W, 3], sRGB, clipped to [0, 1]; a scalar from 0 (equal) to 1.

    Raises ValueError for other shapes.
    """
    if image.shape != reference.shape or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            f"flip compares two pictures [H, W, 3], not {list(image.shape)} and "
            f"{list(reference.shape)}"
        )
    pair = torch.stack([image, reference]).float().clamp(0, 1)
    opponent = _opponent(srgb_to_linear(pair))
    colour = _colour_difference(_seen(opponent, pixels_per_degree))
    feature = _feature_difference(opponent[..., 0], pixels_per_degree)
    return colour.pow(1 - feature).mean()


def _to_xyz() -> Tensor:
    """The matrix to XYZ over that of white, float64."""
    matrix = torch.tensor(_TO_XYZ, dtype=torch.float64)
    return matrix / matrix.sum(1, keepdim=True)


def _by(matrix: Tensor, color: Tensor) -> Tensor:
    """Colours [..., 3] times a matrix; as sums, since a GPU may round products of matrices."""
    return (color[..., None, :] * matrix.to(color)).sum(-1)


def _xyz(linear: Tensor) -> Tensor:
    """XYZ over that of white."""
    return _by(_to_xyz(), linear)


def _opponent(linear: Tensor) -> Tensor:
    """Y Cx Cz: CIELAB's opponent channels without its cube root."""
    x, y, z = _xyz(linear).unbind(-1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-1)


def _seen(opponent: Tensor, ppd: float) -> Tensor:
    """Linear sRGB [2, H, W, 3] after the eye's contrast sensitivity, within [0, 1]."""
    radius = math.ceil(3 * math.sqrt(_WIDEST / (2 * math.pi**2)) * ppd)
    distance = torch.arange(-radius, radius + 1, dtype=torch.float64) / ppd
    channels = []
    for number, gaussians in enumerate(_SENSITIVITY):
        total: Tensor | None = None
        weight = 0.0
        for a, b in gaussians:
            kernel = (-(math.pi**2) * distance.square() / b).exp()
            height = a * math.sqrt(math.pi / b)
            part = _along(_along(opponent[..., number], kernel, 1), kernel, 2) * height
            total = part if total is None else total + part
            weight += height * float(kernel.sum()) ** 2
        assert total is not None
        channels.append(total / weight)
    luminance, cx, cz = channels
    y = (luminance + 16) / 116
    scaled = torch.stack([cx / 500 + y, y, y - cz / 200], dim=-1)
    return _by(torch.linalg.inv(_to_xyz()), scaled).clamp(0, 1)


def _colour_difference(linear: Tensor) -> Tensor:
    """[H, W] in [0, 1] of two pictures [2, H, W, 3], linear."""
    first, second = _hunt(linear).unbind(0)
    ends = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], device=linear.device)
    green, blue = _hunt(ends).unbind(0)
    largest = _hyab(green, blue).pow(_COLOUR_EXPONENT)
    difference = _hyab(first, second).pow(_COLOUR_EXPONENT)
    knee = _KNEE * largest
    above = _AT_KNEE + (difference - knee) / (largest - knee) * (1 - _AT_KNEE)
    return torch.where(difference < knee, difference * (_AT_KNEE / knee), above)


def _hunt(linear: Tensor) -> Tensor:
    """CIELAB with chroma that falls with lightness, as Hunt observed."""
    scaled = _xyz(linear)
    delta = 6 / 29
    root = torch.where(
        scaled > delta**3,
        scaled.clamp_min(delta**3).pow(1 / 3),
        scaled / (3 * delta**2) + 4 / 29,
    )
    x, y, z = root.unbind(-1)
    lightness = 116 * y - 16
    share = 0.01 * lightness
    return torch.stack([lightness, share * 500 * (x - y), share * 200 * (y - z)], dim=-1)


def _hyab(one: Tensor, other: Tensor) -> Tensor:
    """City block between lightness and the rest, Euclidean within the rest."""
    apart = one - other
    distance: Tensor = apart[..., 0].abs() + apart[..., 1:].norm(dim=-1)
    return distance


def _feature_difference(luminance: Tensor, ppd: float) -> Tensor:
    """[H, W] in [0, 1]: edges and points of two pictures [2, H, W] that differ."""
    y = (luminance + 16) / 116
    deviation = 0.5 * _FEATURE_WIDTH * ppd
    radius = math.ceil(3 * deviation)
    distance = torch.arange(-radius, radius + 1, dtype=torch.float64)
    gaussian = (-distance.square() / (2 * deviation**2)).exp()
    smooth = gaussian / gaussian.sum()
    found = []
    for slope in (-distance * gaussian, (distance.square() / deviation**2 - 1) * gaussian):
        # Positive and negative weights add up to one each.
        up, down = slope.clamp_min(0), slope.clamp_max(0)
        kernel = up / up.sum() - down / down.sum()
        across = _along(_along(y, kernel, 2), smooth, 1)
        upright = _along(_along(y, kernel, 1), smooth, 2)
        strength = (across.square() + upright.square()).sqrt()
        found.append((strength[1] - strength[0]).abs())
    return (torch.maximum(*found) / math.sqrt(2)).pow(_FEATURE_EXPONENT).clamp(0, 1)


def _along(pictures: Tensor, kernel: Tensor, axis: int) -> Tensor:
    """Pictures [N, H, W] correlated with a kernel along an axis; their borders go on."""
    radius = len(kernel) // 2
    size = pictures.shape[axis]
    place = torch.arange(-radius, size + radius, device=pictures.device).clamp(0, size - 1)
    wide = pictures.index_select(axis, place)
    total = torch.zeros_like(pictures)
    for step, weight in enumerate(kernel.tolist()):
        total.add_(wide.narrow(axis, step, size), alpha=weight)
    return total
