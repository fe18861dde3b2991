"""What training minimises, apart from the terms of the shape.

Image losses compare linear RGB with coverage. The regularisers return one value per pixel, or a
scalar, already times their weight. Source of the terms and weights: Munkberg et al., *Extracting
Triangular 3D Models, Materials, and Lighting From Images*, CVPR 2022.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from diffrec.colour import linear_to_srgb

ImageLoss = Callable[[Tensor, Tensor], Tensor]

ALBEDO_WEIGHT = 0.03
OCCLUSION_WEIGHT = 0.001
RAMP_ITERATIONS = 500
LIGHT_WEIGHT = 0.005
# Largest radiance that the tone mapping knows: that of half precision, about.
BRIGHTEST = 65535.0
_SMAPE_EPSILON = 0.01
_RELMSE_EPSILON = 0.1


def tonemap(linear: Tensor) -> Tensor:
    """srgb(log(1 + x)) with x clamped to [0, 65535]: linear radiance to what the log losses see."""
    return linear_to_srgb(torch.log1p(linear.clamp(0.0, BRIGHTEST)))


def logl1(color: Tensor, reference: Tensor) -> Tensor:
    """mean |tonemap(x) - tonemap(y)|."""
    return (tonemap(color) - tonemap(reference)).abs().mean()


def logl2(color: Tensor, reference: Tensor) -> Tensor:
    """mean (tonemap(x) - tonemap(y))^2."""
    return (tonemap(color) - tonemap(reference)).square().mean()


def mse(color: Tensor, reference: Tensor) -> Tensor:
    """mean (x - y)^2."""
    return (color - reference).square().mean()


def smape(color: Tensor, reference: Tensor) -> Tensor:
    """Symmetric mean absolute percentage error: mean |x - y| / (|x| + |y| + 0.01).

    As used for denoising by Vogels et al., SIGGRAPH 2018.
    """
    scale = color.abs() + reference.abs() + _SMAPE_EPSILON
    return ((color - reference).abs() / scale).mean()


def relmse(color: Tensor, reference: Tensor) -> Tensor:
    """Relative squared error, symmetric in both: mean (x - y)^2 / (x^2 + y^2 + 0.1).

    After Rousselle et al., SIGGRAPH Asia 2011.
    """
    scale = color.square() + reference.square() + _RELMSE_EPSILON
    return ((color - reference).square() / scale).mean()


COLOR_LOSSES: dict[str, ImageLoss] = {
    "logl1": logl1,
    "logl2": logl2,
    "mse": mse,
    "smape": smape,
    "relmse": relmse,
}


def image_loss(name: str) -> ImageLoss:
    """The loss of a rendered image against its photograph, by the name of its colour part.

    The result takes two images [..., 4], linear RGB and coverage, and returns the scalar
    mean (a - a')^2 + loss(c a', c' a'), where a' is the coverage of the reference and both
    means run over all pixels, empty ones too. Gradients flow to the first image.

    Raises ValueError for an unknown name; the choices are the keys of `COLOR_LOSSES`.
    """
    if name not in COLOR_LOSSES:
        raise ValueError(f"unknown loss '{name}': use one of {', '.join(COLOR_LOSSES)}")
    color_loss = COLOR_LOSSES[name]

    def loss(image: Tensor, reference: Tensor) -> Tensor:
        coverage = reference[..., 3:]
        of_coverage = (image[..., 3:] - coverage).square().mean()
        return of_coverage + color_loss(image[..., :3] * coverage, reference[..., :3] * coverage)

    return loss


def ramp(iteration: int) -> float:
    """min(1, iteration / 500)."""
    return min(1.0, iteration / RAMP_ITERATIONS)


def albedo_smoothness(kd: Tensor, kd_jittered: Tensor, iteration: int) -> Tensor:
    """0.03 ramp(i) mean over channels of |kd(x + noise) - kd(x)|: [P, 3] twice to [P].

    `kd_jittered` is the albedo at `Surface.jittered` points. The caller takes the mean over the
    pixels of its frames.
    """
    return (kd_jittered - kd).abs().mean(dim=-1) * (ALBEDO_WEIGHT * ramp(iteration))


def occlusion(ks: Tensor, iteration: int) -> Tensor:
    """0.001 ramp(i) times the occlusion: [P, 3] to [P]. Holds shadows from sinking into it."""
    return ks[:, 0] * (OCCLUSION_WEIGHT * ramp(iteration))


def light_white_balance(base: Tensor) -> Tensor:
    """0.005 times the mean |c - grey| of a light [..., 3], grey the mean of its own channels.

    Keeps the light's hue from taking the albedo's place.
    """
    grey = base.mean(dim=-1, keepdim=True)
    return (base - grey).abs().mean() * LIGHT_WEIGHT
