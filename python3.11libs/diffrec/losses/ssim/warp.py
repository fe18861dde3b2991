# Kernels are in Warp's language: int(0) declares a variable that changes in a loop, annotations are
# not types, and vectors and arrays have operations that their Python stand-ins lack.
# ruff: noqa: UP018
# mypy: disable-error-code="index, valid-type, no-untyped-def, misc, operator, arg-type"
"""Structural similarity with NVIDIA Warp: formulas of `diffrec.losses.ssim`, four kernels.

The window is separable: rows are averaged first, then columns, where the similarity and its slopes
are made, and the gradient goes back through columns and rows. Every number is gathered by one
thread, in a fixed order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
import warp as wp
from torch import Tensor

from diffrec.losses.warp import tonemap
from diffrec.ops.warp import launch, start_warp

start_warp()
wp.set_module_options({"enable_backward": False})

_SUMS = 1 << 17  # threads that add up the similarity


def similarity(
    x: Tensor,
    y: Tensor,
    step: int,
    taps: Sequence[float],
    constants: tuple[float, float],
    wants_gradient: bool,
) -> tuple[Tensor, Tensor | None]:
    """The mean similarity, a scalar, and its gradient for `x`, like it.

    `x`, `y`: [B, H, N] rows of pixels of `step` channels; `taps`: the window along one axis;
    `constants`: C1 and C2.
    """
    batch, height, row = x.shape
    device, reach = x.device, len(taps) - 1
    window = _window(tuple(taps), device)
    inner, length = height - reach, row - reach * step
    averaged = torch.empty((5, batch * height, length), dtype=torch.float32, device=device)
    shape = (batch * height, length)
    launch(_rows, shape, [x.view(-1, row), y.view(-1, row), window, step, averaged], device)
    count = batch * inner * length
    threads = min(_SUMS, count)
    slopes = torch.empty((3, batch * inner, length), dtype=torch.float32, device=device)
    sums = torch.empty(threads, dtype=torch.float32, device=device)
    inputs = [averaged, window, height, inner, *constants, 1.0 / count, threads, slopes, sums]
    launch(_columns, threads, inputs, device)
    if not wants_gradient:
        return sums.sum(), None
    spread = torch.empty((3, batch * height, length), dtype=torch.float32, device=device)
    launch(_back_columns, shape, [slopes, window, height, inner, spread], device)
    gradient = torch.empty_like(x)
    inputs = [x.view(-1, row), y.view(-1, row), spread, window, step, gradient.view(-1, row)]
    launch(_back_rows, (batch * height, row), inputs, device)
    return sums.sum(), gradient


def photograph_similarity(
    views: Sequence[Tensor],
    brightest: float,
    taps: Sequence[float],
    constants: tuple[float, float],
    wants_gradient: bool,
) -> tuple[Tensor, Tensor | None]:
    """`similarity` of an image and a photograph over its background, both tone-mapped.

    `views`: image [B, H, W, 4], photograph [B, H, W, 4], background [B, H, W, 3]; `brightest`: the
    largest radiance that the tone mapping knows. The gradient is that for the image.
    """
    image = views[0]
    batch, height, width = image.shape[:3]
    device, count = image.device, batch * height * width
    x, y, slopes = (torch.empty((count, 3), dtype=torch.float32, device=device) for _ in range(3))
    flat = [one.contiguous().view(-1, one.shape[-1]) for one in views]
    launch(_tonemapped, count, [*flat, brightest, x, y, slopes], device)
    rows = [one.view(batch, height, 3 * width) for one in (x, y)]
    value, of_mapped = similarity(rows[0], rows[1], 3, taps, constants, wants_gradient)
    if of_mapped is None:
        return value, None
    gradient = torch.empty_like(flat[0], requires_grad=False)
    launch(_through_tonemap, count, [of_mapped.view(-1, 3), slopes, gradient], device)
    return value, gradient.view(image.shape)


@lru_cache(maxsize=4)
def _window(taps: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(taps, dtype=torch.float32, device=device)


@wp.kernel
def _rows(
    x: wp.array2d(dtype=wp.float32),
    y: wp.array2d(dtype=wp.float32),
    taps: wp.array(dtype=wp.float32),
    step: int,
    averaged: wp.array3d(dtype=wp.float32),
):
    r, i = wp.tid()
    mean_x = float(0.0)
    mean_y = float(0.0)
    mean_xx = float(0.0)
    mean_yy = float(0.0)
    mean_xy = float(0.0)
    for k in range(taps.shape[0]):
        w = taps[k]
        a = x[r, i + k * step]
        b = y[r, i + k * step]
        mean_x += w * a
        mean_y += w * b
        mean_xx += w * a * a
        mean_yy += w * b * b
        mean_xy += w * a * b
    averaged[0, r, i] = mean_x
    averaged[1, r, i] = mean_y
    averaged[2, r, i] = mean_xx
    averaged[3, r, i] = mean_yy
    averaged[4, r, i] = mean_xy


@wp.kernel
def _columns(
    averaged: wp.array3d(dtype=wp.float32),
    taps: wp.array(dtype=wp.float32),
    height: int,
    inner: int,
    c1: float,
    c2: float,
    of_one: float,
    threads: int,
    slopes: wp.array3d(dtype=wp.float32),
    sums: wp.array(dtype=wp.float32),
):
    thread = wp.tid()
    length = slopes.shape[2]
    count = slopes.shape[1] * length
    total = wp.float64(0.0)
    place = int(thread)
    while place < count:
        line = place // length
        i = place - line * length
        first = (line // inner) * height + line % inner
        mx = float(0.0)
        my = float(0.0)
        mxx = float(0.0)
        myy = float(0.0)
        mxy = float(0.0)
        for k in range(taps.shape[0]):
            w = taps[k]
            mx += w * averaged[0, first + k, i]
            my += w * averaged[1, first + k, i]
            mxx += w * averaged[2, first + k, i]
            myy += w * averaged[3, first + k, i]
            mxy += w * averaged[4, first + k, i]
        a1 = 2.0 * mx * my + c1
        a2 = 2.0 * (mxy - mx * my) + c2
        b1 = mx * mx + my * my + c1
        b2 = (mxx - mx * mx) + (myy - my * my) + c2
        of_both = 1.0 / (b1 * b2)
        s = a1 * a2 * of_both
        total += wp.float64(s)
        slopes[0, line, i] = 2.0 * of_one * of_both * (my * (a2 - a1) + s * mx * (b1 - b2))
        slopes[1, line, i] = -of_one * s * b1 * of_both
        slopes[2, line, i] = 2.0 * of_one * a1 * of_both
        place += threads
    sums[thread] = float(total * wp.float64(of_one))


@wp.kernel
def _back_columns(
    slopes: wp.array3d(dtype=wp.float32),
    taps: wp.array(dtype=wp.float32),
    height: int,
    inner: int,
    spread: wp.array3d(dtype=wp.float32),
):
    r, i = wp.tid()
    row = r % height
    first = (r // height) * inner
    of_mean = float(0.0)
    of_square = float(0.0)
    of_product = float(0.0)
    for k in range(taps.shape[0]):
        line = row - k
        if line >= 0 and line < inner:
            w = taps[k]
            of_mean += w * slopes[0, first + line, i]
            of_square += w * slopes[1, first + line, i]
            of_product += w * slopes[2, first + line, i]
    spread[0, r, i] = of_mean
    spread[1, r, i] = of_square
    spread[2, r, i] = of_product


@wp.kernel
def _back_rows(
    x: wp.array2d(dtype=wp.float32),
    y: wp.array2d(dtype=wp.float32),
    spread: wp.array3d(dtype=wp.float32),
    taps: wp.array(dtype=wp.float32),
    step: int,
    gradient: wp.array2d(dtype=wp.float32),
):
    r, i = wp.tid()
    of_mean = float(0.0)
    of_square = float(0.0)
    of_product = float(0.0)
    for k in range(taps.shape[0]):
        place = i - k * step
        if place >= 0 and place < spread.shape[2]:
            w = taps[k]
            of_mean += w * spread[0, r, place]
            of_square += w * spread[1, r, place]
            of_product += w * spread[2, r, place]
    gradient[r, i] = of_mean + 2.0 * x[r, i] * of_square + y[r, i] * of_product


@wp.kernel
def _tonemapped(
    image: wp.array2d(dtype=wp.float32),
    photograph: wp.array2d(dtype=wp.float32),
    background: wp.array2d(dtype=wp.float32),
    brightest: float,
    x: wp.array2d(dtype=wp.float32),
    y: wp.array2d(dtype=wp.float32),
    slopes: wp.array2d(dtype=wp.float32),
):
    i = wp.tid()
    behind = 1.0 - photograph[i, 3]
    for k in range(3):
        mine = tonemap(image[i, k], brightest)
        theirs = tonemap(photograph[i, k] + behind * background[i, k], brightest)
        x[i, k] = mine.value
        y[i, k] = theirs.value
        slopes[i, k] = mine.slope


@wp.kernel
def _through_tonemap(
    of_mapped: wp.array2d(dtype=wp.float32),
    slopes: wp.array2d(dtype=wp.float32),
    gradient: wp.array2d(dtype=wp.float32),
):
    i = wp.tid()
    for k in range(3):
        gradient[i, k] = of_mapped[i, k] * slopes[i, k]
    gradient[i, 3] = 0.0
