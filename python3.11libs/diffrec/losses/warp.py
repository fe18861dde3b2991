# Kernels are in Warp's language: int(0) declares a variable that changes in a loop, annotations are
# not types, and vectors and arrays have operations that their Python stand-ins lack.
# ruff: noqa: UP018
# mypy: disable-error-code="index, valid-type, no-untyped-def, misc, operator, arg-type"
"""The terms of `diffrec.losses` with NVIDIA Warp: value and gradient of each in one kernel.

Every term is a number times a sum over pixels, so the gradient is made with the value and the
backward pass only multiplies it. A thread adds up many pixels in float64, PyTorch the threads' sums
in a tree: the value does not vary from run to run. Formulas: `diffrec.losses`.
"""

from __future__ import annotations

import torch
import warp as wp
from torch import Tensor

from diffrec.ops.warp import launch, start_warp

start_warp()
wp.set_module_options({"enable_backward": False})

#: Number of each colour loss in the kernel.
KINDS = {"logl1": 0, "logl2": 1, "mse": 2, "smape": 3, "relmse": 4}

_THREADS = 1 << 15


def image_loss(
    kind: int,
    image: Tensor,
    reference: Tensor,
    background: Tensor | None,
    constants: tuple[float, float, float],
    wants_gradient: bool,
) -> tuple[Tensor, Tensor | None]:
    """The loss, a scalar, and its gradient [N, 4] for `image`.

    `kind`: one of `KINDS`; `image`, `reference`: [N, 4]; `background`: [N, 3], what shows behind
    the reference; `constants`: the brightest radiance and the epsilons of smape and relmse.
    """
    count, device = image.shape[0], image.device
    threads = max(1, min(_THREADS, count))
    sums = torch.empty(threads, dtype=torch.float32, device=device)
    gradient = torch.empty((count if wants_gradient else 0, 4), dtype=torch.float32, device=device)
    inputs = [
        kind,
        image.contiguous(),
        reference.contiguous(),
        reference.new_empty((0, 3)) if background is None else background.contiguous(),
        *constants,
        threads,
        sums,
        gradient,
    ]
    launch(_image_loss, threads, inputs, device)
    return sums.sum(), gradient if wants_gradient else None


def material_terms(
    kd: Tensor,
    kd_jittered: Tensor,
    ks: Tensor,
    pixels: Tensor,
    of_albedo: float,
    of_occlusion: float,
) -> tuple[Tensor, Tensor]:
    """The sum over P points of both terms, a scalar, and its gradients [3, P, 3], one per input.

    `pixels`: [P]; points without one (-1) do not count.

    `kd`, `kd_jittered`, `ks`: [P, 3], rows or columns contiguous; `of_albedo` times the summed
    |kd_jittered - kd| and `of_occlusion` times the summed first channel of `ks`. The gradients
    have the inputs' layout.
    """
    count, device = kd.shape[0], kd.device
    threads = max(1, min(_THREADS, count))
    sums = torch.empty(threads, dtype=torch.float32, device=device)
    gradients = torch.empty(9 * count, dtype=torch.float32, device=device)
    inputs = [
        *_flat(kd),
        *_flat(kd_jittered),
        *_flat(ks),
        pixels.contiguous(),
        of_albedo,
        of_occlusion,
        count,
        threads,
        sums,
        gradients,
    ]
    launch(_material_terms, threads, inputs, device)
    return sums.sum(), gradients


def material_gradient(gradients: Tensor, position: int, like: Tensor) -> Tensor:
    """One input's [P, 3] of the gradients that `material_terms` made."""
    count = like.shape[0]
    return gradients.as_strided((count, 3), _strides(like), 3 * count * position)


def white_balance(base: Tensor, weight: float, spread: float, dark: float) -> tuple[Tensor, Tensor]:
    """`weight` times the sum of sqrt(x + `spread`) - sqrt(`spread`) for `base` [N, 3], a scalar,
    and its gradient: x is the squared distance from grey in units of grey + `dark`."""
    count, device = base.shape[0], base.device
    threads = max(1, min(_THREADS, count))
    sums = torch.empty(threads, dtype=torch.float32, device=device)
    gradient = torch.empty((count, 3), dtype=torch.float32, device=device)
    inputs = [base.contiguous(), weight, spread, dark, threads, sums, gradient]
    launch(_white_balance, threads, inputs, device)
    return sums.sum(), gradient


def _strides(values: Tensor) -> tuple[int, int]:
    """Strides of the gradient of `values` [P, 3]: of contiguous columns where those are."""
    return (1, values.shape[0]) if values.stride(0) == 1 else (3, 1)


def _flat(values: Tensor) -> list[Tensor | int]:
    """The memory of [P, 3] as one line, the strides in it and those of the gradient."""
    rows, columns = values.stride()
    span = (values.shape[0] - 1) * rows + 2 * columns + 1 if values.shape[0] else 0
    line = values.detach().as_strided((span,), (1,), values.storage_offset())
    return [line, rows, columns, *_strides(values)]


@wp.struct
class _Term:
    """A value and its slope."""

    value: float
    slope: float


@wp.func
def _log1p(x: float) -> float:
    """Exact for small x >= 0 too (Kahan's correction of the rounding of 1 + x)."""
    one = 1.0 + x
    result = x
    if one != 1.0:
        result = wp.log(one) * (x / (one - 1.0))
    return result


@wp.func
def tonemap(x: float, brightest: float) -> _Term:
    clamped = wp.clamp(x, 0.0, brightest)
    linear = _log1p(clamped)
    term = _Term()
    if linear <= 0.0031308:
        term.value = 12.92 * linear
        term.slope = 12.92 / (1.0 + clamped)
    else:
        power = wp.pow(linear, 1.0 / 2.4)
        term.value = 1.055 * power - 0.055
        term.slope = (1.055 / 2.4) * power / (linear * (1.0 + clamped))
    if x < 0.0 or x > brightest:
        term.slope = 0.0
    return term


@wp.func
def _sign(x: float) -> float:
    result = float(0.0)
    if x > 0.0:
        result = 1.0
    if x < 0.0:
        result = -1.0
    return result


@wp.func
def _color_term(
    kind: int, x: float, y: float, brightest: float, of_smape: float, of_relmse: float
) -> _Term:
    """One channel's part of a colour loss and its slope in x."""
    term = _Term()
    if kind <= 1:
        mine = tonemap(x, brightest)
        theirs = tonemap(y, brightest)
        apart = mine.value - theirs.value
        if kind == 0:
            term.value = wp.abs(apart)
            term.slope = _sign(apart) * mine.slope
        else:
            term.value = apart * apart
            term.slope = 2.0 * apart * mine.slope
    else:
        apart = x - y
        if kind == 2:
            term.value = apart * apart
            term.slope = 2.0 * apart
        elif kind == 3:
            scale = wp.abs(x) + wp.abs(y) + of_smape
            term.value = wp.abs(apart) / scale
            term.slope = (_sign(apart) - term.value * _sign(x)) / scale
        else:
            scale = x * x + y * y + of_relmse
            term.value = apart * apart / scale
            term.slope = 2.0 * (apart - term.value * x) / scale
    return term


@wp.kernel
def _image_loss(
    kind: int,
    image: wp.array2d(dtype=wp.float32),
    reference: wp.array2d(dtype=wp.float32),
    background: wp.array2d(dtype=wp.float32),
    brightest: float,
    of_smape: float,
    of_relmse: float,
    threads: int,
    sums: wp.array(dtype=wp.float32),
    gradient: wp.array2d(dtype=wp.float32),
):
    thread = wp.tid()
    count = image.shape[0]
    of_coverage = 1.0 / float(count)
    of_color = of_coverage / 3.0
    coverage_sum = wp.float64(0.0)
    color_sum = wp.float64(0.0)
    i = int(thread)
    while i < count:
        coverage = reference[i, 3]
        apart = image[i, 3] - coverage
        coverage_sum += wp.float64(apart * apart)
        color = float(0.0)
        for k in range(3):
            theirs = reference[i, k]
            if background.shape[0] > 0:
                theirs = theirs + (1.0 - coverage) * background[i, k]
            term = _color_term(
                kind, image[i, k] * coverage, theirs * coverage, brightest, of_smape, of_relmse
            )
            color += term.value
            if gradient.shape[0] > 0:
                gradient[i, k] = term.slope * coverage * of_color
        color_sum += wp.float64(color)
        if gradient.shape[0] > 0:
            gradient[i, 3] = 2.0 * apart * of_coverage
        i += threads
    sums[thread] = float(coverage_sum * wp.float64(of_coverage) + color_sum * wp.float64(of_color))


@wp.kernel
def _material_terms(
    kd: wp.array(dtype=wp.float32),
    kd_row: int,
    kd_column: int,
    kd_gradient_row: int,
    kd_gradient_column: int,
    jittered: wp.array(dtype=wp.float32),
    jittered_row: int,
    jittered_column: int,
    jittered_gradient_row: int,
    jittered_gradient_column: int,
    ks: wp.array(dtype=wp.float32),
    ks_row: int,
    ks_column: int,
    ks_gradient_row: int,
    ks_gradient_column: int,
    pixels: wp.array(dtype=wp.int64),
    of_albedo: float,
    of_occlusion: float,
    count: int,
    threads: int,
    sums: wp.array(dtype=wp.float32),
    gradients: wp.array(dtype=wp.float32),
):
    thread = wp.tid()
    albedo_sum = wp.float64(0.0)
    occlusion_sum = wp.float64(0.0)
    i = int(thread)
    while i < count:
        counts = float(1.0)
        if pixels[i] < wp.int64(0):
            counts = 0.0
        for k in range(3):
            apart = counts * (
                jittered[i * jittered_row + k * jittered_column] - kd[i * kd_row + k * kd_column]
            )
            albedo_sum += wp.float64(wp.abs(apart))
            slope = _sign(apart) * of_albedo
            gradients[i * kd_gradient_row + k * kd_gradient_column] = -slope
            gradients[3 * count + i * jittered_gradient_row + k * jittered_gradient_column] = slope
            of_channel = float(0.0)
            if k == 0:
                of_channel = counts * of_occlusion
            gradients[6 * count + i * ks_gradient_row + k * ks_gradient_column] = of_channel
        occlusion_sum += wp.float64(counts * ks[i * ks_row])
        i += threads
    sums[thread] = float(
        albedo_sum * wp.float64(of_albedo) + occlusion_sum * wp.float64(of_occlusion)
    )


@wp.kernel
def _white_balance(
    base: wp.array2d(dtype=wp.float32),
    weight: float,
    spread: float,
    dark: float,
    threads: int,
    sums: wp.array(dtype=wp.float32),
    gradient: wp.array2d(dtype=wp.float32),
):
    thread = wp.tid()
    total = wp.float64(0.0)
    i = int(thread)
    while i < base.shape[0]:
        c = wp.vec3(base[i, 0], base[i, 1], base[i, 2])
        grey = (c[0] + c[1] + c[2]) / 3.0
        unit = grey + dark
        away = wp.vec3(c[0] - grey, c[1] - grey, c[2] - grey) / unit
        x = wp.dot(away, away)
        root = wp.sqrt(x + spread)
        total += wp.float64(root - wp.sqrt(spread))
        slope = 0.5 * weight / root
        for k in range(3):
            # The channels' distances from grey add up to nothing.
            gradient[i, k] = slope * (2.0 * away[k] - (2.0 / 3.0) * x) / unit
        i += threads
    sums[thread] = float(total * wp.float64(weight))
