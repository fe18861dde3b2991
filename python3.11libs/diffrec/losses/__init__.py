"""What training minimises, apart from the terms of the shape.

Image losses compare linear RGB with coverage. The regularisers return one value per pixel, or a
scalar, already times their weight. Source of the terms and weights: Munkberg et al., *Extracting
Triangular 3D Models, Materials, and Lighting From Images*, CVPR 2022.

On CUDA each term is one kernel that makes its gradient as well; what has none works by PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from diffrec.losses.colour import ImageLoss, color_losses, relmse, smape
from diffrec.losses.tonemapping import BRIGHTEST
from diffrec.ops.backends import Operation

#: Rendered image, photograph, background.
PhotographLoss = Callable[[Tensor, Tensor, Tensor], Tensor]

_operation = Operation(__name__)

ALBEDO_WEIGHT = 0.03
OCCLUSION_WEIGHT = 0.001
RAMP_ITERATIONS = 500
LIGHT_WEIGHT = 0.002
GREYISH = 0.3  # of a colour nearer to grey than this the square counts
DARK = 1e-3  # radiance whose colour is of no account


def image_loss(name: str) -> ImageLoss:
    """The loss of a rendered image against its photograph, by the name of its colour part.

    The result takes two images [..., 4], linear RGB and coverage, and returns the scalar
    mean (a - a')^2 + loss(c a', c' a'), where a' is the coverage of the reference and both
    means run over all pixels, empty ones too. Gradients flow to the first image.

    Raises ValueError for an unknown name; the choices are those of `color_losses`.
    """
    color_loss = _color_loss(name)

    def loss(image: Tensor, reference: Tensor) -> Tensor:
        kernels = _operation.kernels(image)
        if kernels is not None and name in kernels.KINDS:
            return _fused_image_loss(name, image, reference, None, kernels)
        coverage = reference[..., 3:]
        of_coverage = (image[..., 3:] - coverage).square().mean()
        return of_coverage + color_loss(image[..., :3] * coverage, reference[..., :3] * coverage)

    return loss


def photograph_loss(name: str) -> PhotographLoss:
    """`image_loss` against a photograph over a background.

    The result takes the rendered image [..., 4], the photograph [..., 4], its linear RGB already
    times its coverage, and the background [..., 3] that the image was rendered over, and returns
    `image_loss(name)` of the image and of the photograph over that background.

    Raises ValueError for an unknown name.
    """
    of_images = image_loss(name)

    def loss(image: Tensor, photograph: Tensor, background: Tensor) -> Tensor:
        kernels = _operation.kernels(image)
        if kernels is not None and name in kernels.KINDS:
            return _fused_image_loss(name, image, photograph, background, kernels)
        coverage = photograph[..., 3:]
        color = photograph[..., :3] + (1 - coverage) * background
        return of_images(image, torch.cat([color, coverage], dim=-1))

    return loss


def _color_loss(name: str) -> ImageLoss:
    known = color_losses()
    if name not in known:
        raise ValueError(f"unknown loss '{name}': use one of {', '.join(known)}")
    return known[name]


def ramp(iteration: int) -> float:
    """min(1, iteration / 500)."""
    return min(1.0, iteration / RAMP_ITERATIONS)


def albedo_smoothness(kd: Tensor, kd_jittered: Tensor) -> Tensor:
    """0.03 mean over channels of |kd(x + noise) - kd(x)|: [P, 3] twice to [P].

    `kd_jittered` is the albedo at `Surface.jittered` points. The caller takes the mean over the
    pixels of its frames, times `ramp`.
    """
    return (kd_jittered - kd).abs().mean(dim=-1) * ALBEDO_WEIGHT


def occlusion(ks: Tensor) -> Tensor:
    """0.001 times the occlusion: [P, 3] to [P]. Holds shadows from sinking into it.

    The caller takes the mean over the pixels of its frames, times `ramp`.
    """
    return ks[:, 0] * OCCLUSION_WEIGHT


def material_terms(kd: Tensor, kd_jittered: Tensor, ks: Tensor, pixels: Tensor) -> Tensor:
    """The sum over P points of `albedo_smoothness` and `occlusion`: [P, 3] thrice to a scalar.

    `pixels`: [P]; points without one (-1) do not count.
    """
    kernels = _operation.kernels(kd)
    if kernels is not None:
        result: Tensor = _MaterialTerms.apply(  # type: ignore[no-untyped-call]
            kd, kd_jittered, ks, pixels, kernels
        )
        return result
    terms = albedo_smoothness(kd, kd_jittered) + occlusion(ks)
    return torch.where(pixels >= 0, terms, 0.0).sum()


def light_white_balance(base: Tensor) -> Tensor:
    """0.002 times the mean over texels of sqrt(x + 0.3^2) - 0.3 for a light [..., 3]: x is the
    squared distance of a texel from the grey of its own channels' mean, in units of that grey.

    Where the pictures leave the colour open, grey is taken: the pull is the same for a strong
    colour as for a weak one. A loss that levels off leaves strong colours alone, and the light
    becomes patches of grey and of an object's own colour.
    """
    kernels = _operation.kernels(base)
    if kernels is not None:
        result: Tensor = _WhiteBalance.apply(base, kernels)  # type: ignore[no-untyped-call]
        return result
    grey = base.mean(dim=-1, keepdim=True)
    colour = ((base - grey) / (grey + DARK)).square().sum(dim=-1)
    return ((colour + GREYISH**2).sqrt() - GREYISH).mean() * LIGHT_WEIGHT


def tilt(normal: Tensor) -> Tensor:
    """The mean of x^2 + y^2 over a normal map [H, W, 3] of unit tangent-space normals: the mean
    squared sine of their angle to the smooth normal; a scalar. Holds the light's errors and
    shadows from being told as relief."""
    return normal[..., :2].square().sum(dim=-1).mean()


def _fused_image_loss(
    name: str, image: Tensor, reference: Tensor, background: Tensor | None, kernels: Any
) -> Tensor:
    if image.shape != reference.shape or image.shape[-1] != 4:
        raise ValueError(
            f"image {list(image.shape)} and photograph {list(reference.shape)} must both be "
            "[..., 4], of one size"
        )
    result: Tensor = _ImageLoss.apply(  # type: ignore[no-untyped-call]
        image, reference, background, name, kernels
    )
    return result


class _ImageLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        image: Tensor,
        reference: Tensor,
        background: Tensor | None,
        name: str,
        kernels: Any,
    ) -> Tensor:
        value, gradient = kernels.image_loss(
            kernels.KINDS[name],
            image.reshape(-1, 4),
            reference.reshape(-1, 4),
            None if background is None else background.expand(*image.shape[:-1], 3).reshape(-1, 3),
            (BRIGHTEST, smape.EPSILON, relmse.EPSILON),
            ctx.needs_input_grad[0],
        )
        if gradient is not None:
            ctx.save_for_backward(gradient.view(image.shape))
        result: Tensor = value
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad, None, None, None, None


class _MaterialTerms(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, kd: Tensor, kd_jittered: Tensor, ks: Tensor, pixels: Tensor, kernels: Any
    ) -> Tensor:
        ctx.kernels = kernels
        value, gradients = kernels.material_terms(
            kd, kd_jittered, ks, pixels, ALBEDO_WEIGHT / 3, OCCLUSION_WEIGHT
        )
        ctx.save_for_backward(gradients, kd, kd_jittered, ks)
        result: Tensor = value
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        gradients, *inputs = ctx.saved_tensors
        scaled = gradients * grad
        place = ctx.kernels.material_gradient
        return (*(place(scaled, i, like) for i, like in enumerate(inputs)), None, None)


class _WhiteBalance(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, base: Tensor, kernels: Any) -> Tensor:
        texels = base.reshape(-1, 3)
        value, gradient = kernels.white_balance(
            texels, LIGHT_WEIGHT / max(1, len(texels)), GREYISH**2, DARK
        )
        ctx.save_for_backward(gradient.view(base.shape))
        result: Tensor = value
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad, None
