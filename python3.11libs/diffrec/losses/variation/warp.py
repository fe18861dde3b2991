# Kernels are in Warp's language: int(0) declares a variable that changes in a loop, annotations are
# not types, and vectors and arrays have operations that their Python stand-ins lack.
# Conditions stand inside each other where the second may read what the first excludes: `and` would
# evaluate both.
# ruff: noqa: UP018, SIM102
# mypy: disable-error-code="index, valid-type, no-untyped-def, misc, operator, arg-type"
"""Total variation with NVIDIA Warp: value and gradient in one kernel. Formulas:
`diffrec.losses.variation`.

Every number is gathered from its four neighbours. A thread adds up many in float64, PyTorch the
threads' sums in a tree: the value does not vary from run to run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
import warp as wp
from torch import Tensor

from diffrec.ops.cubemap import edge_texels
from diffrec.ops.warp import launch, start_warp

start_warp()
wp.set_module_options({"enable_backward": False})

_THREADS = 1 << 17


def light(base: Tensor, foot: float, scale: float) -> tuple[Tensor, Tensor]:
    """`scale` times the summed variation of log(1 + base) [6, R, R, 3], and its gradient."""
    size, device = base.shape[1], base.device
    count = 6 * size * size
    threads = min(_THREADS, count)
    sums = torch.empty(threads, dtype=torch.float32, device=device)
    gradient = torch.empty_like(base, requires_grad=False)
    flat = base.detach().view(-1, 3)
    inputs = [flat, _beyond(size, device), size, foot, scale, threads, sums, gradient.view(-1, 3)]
    launch(_light, threads, inputs, device)
    return sums.sum(), gradient


def textures(
    images: Sequence[Tensor], marks: Sequence[Tensor], foot: float, scales: Sequence[float]
) -> tuple[Tensor, list[Tensor]]:
    """The sum of `scales` times the summed variations of images [H, W, 3], and their gradients."""
    device = images[0].device
    each = [min(_THREADS, image.numel()) for image in images]
    sums = torch.empty(sum(each), dtype=torch.float32, device=device)
    gradients = []
    for image, mark, scale, threads, part in zip(
        images, marks, scales, each, torch.split(sums, each), strict=True
    ):
        height = image.shape[0]
        gradient = torch.empty_like(image, requires_grad=False)
        lines = [one.detach().view(height, -1) for one in (image, mark)]
        inputs = [*lines, foot, float(scale), threads, part, gradient.view(height, -1)]
        launch(_texture, threads, inputs, device)
        gradients.append(gradient)
    return sums.sum(), gradients


@lru_cache(maxsize=4)
def _beyond(size: int, device: torch.device) -> Tensor:
    """[6, 4, R] int32: texels beyond the left, right, upper and lower edge of each face."""
    return edge_texels(size, device)[1].to(torch.int32)


@wp.kernel
def _light(
    base: wp.array2d(dtype=wp.float32),
    beyond: wp.array3d(dtype=wp.int32),
    size: int,
    foot: float,
    scale: float,
    threads: int,
    sums: wp.array(dtype=wp.float32),
    gradient: wp.array2d(dtype=wp.float32),
):
    thread = wp.tid()
    count = base.shape[0]
    total = wp.float64(0.0)
    place = int(thread)
    while place < count:
        face = place // (size * size)
        row = (place // size) % size
        column = place % size
        left = place - 1
        if column == 0:
            left = beyond[face, 0, row]
        right = place + 1
        if column == size - 1:
            right = beyond[face, 1, row]
        above = place - size
        if row == 0:
            above = beyond[face, 2, column]
        below = place + size
        if row == size - 1:
            below = beyond[face, 3, column]
        for c in range(3):
            value = base[place, c]
            x = wp.log(1.0 + value)
            a = x - wp.log(1.0 + base[left, c])
            b = x - wp.log(1.0 + base[right, c])
            d = x - wp.log(1.0 + base[above, c])
            e = x - wp.log(1.0 + base[below, c])
            p = wp.sqrt(a * a + foot * foot)
            q = wp.sqrt(b * b + foot * foot)
            r = wp.sqrt(d * d + foot * foot)
            s = wp.sqrt(e * e + foot * foot)
            # Each pair is met from both sides.
            total += wp.float64(0.5 * ((p - foot) + (q - foot) + (r - foot) + (s - foot)))
            gradient[place, c] = scale * (a / p + b / q + d / r + e / s) / (1.0 + value)
        place += threads
    sums[thread] = float(total * wp.float64(scale))


@wp.kernel
def _texture(
    image: wp.array2d(dtype=wp.float32),
    marks: wp.array2d(dtype=wp.uint8),
    foot: float,
    scale: float,
    threads: int,
    sums: wp.array(dtype=wp.float32),
    gradient: wp.array2d(dtype=wp.float32),
):
    thread = wp.tid()
    length = image.shape[1]
    count = image.shape[0] * length
    total = wp.float64(0.0)
    place = int(thread)
    while place < count:
        row = place // length
        i = place - row * length
        x = image[row, i]
        mark = int(marks[row, i])
        slope = float(0.0)
        if (mark & 1) != 0:
            d = image[row, i + 3] - x
            root = wp.sqrt(d * d + foot * foot)
            total += wp.float64(root - foot)
            slope -= d / root
        if (mark & 2) != 0:
            d = image[row + 1, i] - x
            root = wp.sqrt(d * d + foot * foot)
            total += wp.float64(root - foot)
            slope -= d / root
        if i >= 3:
            if (int(marks[row, i - 3]) & 1) != 0:
                d = x - image[row, i - 3]
                slope += d / wp.sqrt(d * d + foot * foot)
        if row > 0:
            if (int(marks[row - 1, i]) & 2) != 0:
                d = x - image[row - 1, i]
                slope += d / wp.sqrt(d * d + foot * foot)
        gradient[row, i] = scale * slope
        place += threads
    sums[thread] = float(total * wp.float64(scale))
