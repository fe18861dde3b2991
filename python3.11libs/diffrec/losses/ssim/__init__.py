"""Structural similarity of pictures: a figure of quality, and a part of the image loss.

Wang, Bovik, Sheikh, Simoncelli, *Image Quality Assessment: From Error Visibility to Structural
Similarity*, 2004: Gaussian window of 11 x 11 with deviation 1.5, K = (0.01, 0.03) for values in
[0, 1], population covariance, mean over the channels and the windows that lie fully inside.

The fast kernels make the gradient of a mean with its value.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from diffrec.losses import PhotographLoss
from diffrec.losses.tonemapping import BRIGHTEST, tonemap
from diffrec.ops.backends import Operation

_operation = Operation(__name__)

WINDOW = 11
SIGMA = 1.5
K1 = 0.01
K2 = 0.03
C1, C2 = K1**2, K2**2


@functools.cache
def taps() -> tuple[float, ...]:
    """The window along one axis; its numbers add up to 1."""
    values = [math.exp(-((i - WINDOW // 2) ** 2) / (2 * SIGMA**2)) for i in range(WINDOW)]
    return tuple(value / sum(values) for value in values)


def similarity(image: Tensor, reference: Tensor) -> Tensor:
    """Mean structural similarity of pictures [..., H, W, C], a scalar; 1 for equal ones.

    Gradients flow to the first. Raises ValueError for pictures smaller than the window or of
    different shapes.
    """
    if image.shape != reference.shape or image.ndim < 3:
        raise ValueError("ssim compares pictures [..., H, W, C] of one shape")
    if min(image.shape[-3:-1]) < WINDOW:
        raise ValueError(f"ssim needs pictures of at least {WINDOW} pixels a side")
    kernels = _operation.kernels(image)
    if kernels is None:
        return similarity_reference(image, reference)
    result: Tensor = _Similarity.apply(image, reference, kernels)  # type: ignore[no-untyped-call]
    return result


def similarity_reference(x: Tensor, y: Tensor) -> Tensor:
    """`similarity` in plain PyTorch, any device and dtype, gradients to both.

    Sums of shifted pictures in place of a convolution, which on CUDA would round to ten bits: more
    than the variances of smooth pictures have.
    """
    mean_x, mean_y = _averaged(x), _averaged(y)
    mean_xx, mean_yy, mean_xy = _averaged(x * x), _averaged(y * y), _averaged(x * y)
    variances = mean_xx - mean_x * mean_x + mean_yy - mean_y * mean_y
    covariance = mean_xy - mean_x * mean_y
    alike = ((2 * mean_x * mean_y + C1) * (2 * covariance + C2)) / (
        (mean_x * mean_x + mean_y * mean_y + C1) * (variances + C2)
    )
    return alike.mean()


def with_dissimilarity(loss: PhotographLoss, weight: float) -> PhotographLoss:
    """(1 - `weight`) `loss` + `weight` (1 - SSIM) / 2, of tone-mapped pictures.

    The form is that of Kerbl et al., *3D Gaussian Splatting*, 2023. The photograph is compared over
    the background of the rendered image; tone mapping is that of the logarithmic losses.

    Pictures smaller than the window are compared by `loss` alone.
    """
    if weight == 0:
        return loss

    def mixed(image: Tensor, photograph: Tensor, background: Tensor) -> Tensor:
        height, width = image.shape[-3:-1]
        if min(height, width) < WINDOW:
            return loss(image, photograph, background)
        apart = (1 - photograph_similarity(image, photograph, background)) / 2
        return (1 - weight) * loss(image, photograph, background) + weight * apart

    return mixed


def photograph_similarity(image: Tensor, photograph: Tensor, background: Tensor) -> Tensor:
    """`similarity` of images [..., H, W, 4] and photographs over their backgrounds, tone-mapped.

    Gradients flow to the image.
    """
    kernels = _operation.kernels(image)
    if hasattr(kernels, "photograph_similarity"):
        result: Tensor = _PhotographSimilarity.apply(  # type: ignore[no-untyped-call]
            image, photograph, background, kernels
        )
        return result
    with torch.no_grad():
        color = tonemap(photograph[..., :3] + (1 - photograph[..., 3:]) * background)
    return similarity(tonemap(image[..., :3]), color)


def _averaged(value: Tensor) -> Tensor:
    """[..., H, W, C] averaged by the window, without padding: ten rows and columns fewer."""
    for axis in (-3, -2):
        length = value.shape[axis] - WINDOW + 1
        parts = [value.narrow(axis, i, length) for i in range(WINDOW)]
        total = parts[0] * taps()[0]
        for part, weight in zip(parts[1:], taps()[1:], strict=True):
            total.add_(part, alpha=weight)
        value = total
    return value


class _Similarity(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, reference: Tensor, kernels: Any) -> Tensor:
        height, width, channels = image.shape[-3:]
        x, y = (p.reshape(-1, height, width * channels).contiguous() for p in (image, reference))
        value, gradient = kernels.similarity(
            x, y, channels, taps(), (C1, C2), ctx.needs_input_grad[0]
        )
        if gradient is not None:
            ctx.save_for_backward(gradient.view(image.shape))
        result: Tensor = value
        return result

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad, None, None


class _PhotographSimilarity(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, image: Tensor, photograph: Tensor, background: Tensor, kernels: Any
    ) -> Tensor:
        views = [one.reshape(-1, *one.shape[-3:]) for one in (image, photograph, background)]
        value, gradient = kernels.photograph_similarity(
            views, BRIGHTEST, taps(), (C1, C2), ctx.needs_input_grad[0]
        )
        if gradient is not None:
            ctx.save_for_backward(gradient.view(image.shape))
        result: Tensor = value
        return result

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad, None, None, None
