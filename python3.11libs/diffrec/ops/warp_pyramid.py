"""Kernels of `diffrec.ops.pyramid` in Warp, for CUDA; the same kernels run on the CPU."""

# Warp reads the annotations of kernels; they are no types to a checker.
# mypy: disable-error-code="name-defined,valid-type,no-untyped-def,misc"

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from diffrec.ops.backends import launch, warp

wp = warp()
wp.set_module_options({"enable_backward": False})

_AT_ONCE = 3  # levels that one launch makes from the one before them
_COLUMNS = (
    5  # of the level table: height, width, first row, and rows and columns of a texel's block
)


@lru_cache(maxsize=16)
def _table(height: int, width: int, device: torch.device) -> tuple[Tensor, tuple[int, ...]]:
    """[levels, 5] int32 on the device, and the first row of each level with the end."""
    rows = [(height, width, 0, 1, 1)]
    while max(rows[-1][:2]) > 1:
        h, w, start, tall, wide = rows[-1]
        tall, wide = tall * (2 if h > 1 else 1), wide * (2 if w > 1 else 1)
        rows.append((max(h // 2, 1), max(w // 2, 1), start + h * w, tall, wide))
    starts = (*(row[2] for row in rows), rows[-1][2] + rows[-1][0] * rows[-1][1])
    return torch.tensor(rows, dtype=torch.int32, device=device), starts


def pack(textures: Sequence[Tensor], packed: Tensor) -> None:
    """Write textures [H, W, C_i] side by side into `packed`, and their averages behind them."""
    height, width = textures[0].shape[:2]
    flat = [texture.reshape(-1, texture.shape[2]) for texture in textures]
    torch.cat(flat, dim=1, out=packed[: height * width])
    levels, starts = _table(height, width, packed.device)
    for first in range(1, len(starts) - 1, _AT_ONCE):
        end = min(first + _AT_ONCE, len(starts) - 1)
        shape = (starts[end] - starts[first], packed.shape[1])
        launch(_average, shape, [levels, first, starts[first], packed], packed.device)


def unpack(gradient: Tensor, height: int, width: int, textures: int) -> list[Tensor]:
    """The gradients [H, W, 3] of the textures from that of the packed levels."""
    levels, _starts = _table(height, width, gradient.device)
    result = gradient.new_empty((textures, height, width, 3))
    launch(_spread, (textures, height, width), [levels, gradient, result], gradient.device)
    return list(result.unbind(0))


def fetch(packed: Tensor, height: int, width: int, uv: Tensor, level: Tensor) -> Tensor:
    """All channels [P, C] at uv [P, 2] and level [P], trilinear, wrapping."""
    levels, _starts = _table(height, width, packed.device)
    result = packed.new_empty((uv.shape[0], packed.shape[1]))
    launch(_fetch, result.shape, [levels, packed, uv, level, result], packed.device)
    return result


def fetch_backward(
    target: Tensor, height: int, width: int, uv: Tensor, level: Tensor, gradient: Tensor
) -> None:
    """Add the gradient of a fetch [P, C] to the packed `target`."""
    levels, _starts = _table(height, width, target.device)
    launch(_scatter, gradient.shape, [levels, uv, level, gradient, target], target.device)


def fetch_backward_uv(
    packed: Tensor, height: int, width: int, uv: Tensor, level: Tensor, gradient: Tensor
) -> Tensor:
    """The gradient of a fetch with respect to uv, [P, 2]."""
    levels, _starts = _table(height, width, packed.device)
    result = torch.empty_like(uv)
    arrays = [levels, packed, uv, level, gradient, result]
    launch(_slope, uv.shape[0], arrays, packed.device)
    return result


def clamp(textures: Sequence[Tensor], low: Tensor, high: Tensor, shortest: float) -> None:
    """Clamp kd, ks and normal [T, 3] of one size to low and high [9] in place; unit normals."""
    kd, ks, normal = textures
    arrays = [kd, ks, normal, low, high, float(shortest)]
    launch(_clamp, kd.shape[0], arrays, kd.device)


@wp.func
def _first(level: wp.float32, count: wp.int32):
    """Lower of the two levels to read."""
    clamped = wp.clamp(level, 0.0, wp.float32(count - 1))
    return wp.min(wp.int32(clamped), wp.max(count - 2, 0))


@wp.func
def _upper_share(level: wp.float32, count: wp.int32, lower: wp.int32):
    return wp.clamp(level, 0.0, wp.float32(count - 1)) - wp.float32(lower)


@wp.func
def _wrapped(index: wp.int32, size: wp.int32):
    rest = index % size
    return wp.where(rest < 0, rest + size, rest)


@wp.struct
class _Taps:
    """The four texels around a place in a level, by their rows, and how far it lies between."""

    a: wp.int32
    b: wp.int32
    c: wp.int32
    d: wp.int32
    fx: wp.float32
    fy: wp.float32
    width: wp.int32
    height: wp.int32


@wp.func
def _taps(levels: wp.array2d(dtype=wp.int32), k: wp.int32, u: wp.float32, v: wp.float32):
    at = _Taps()
    at.height = levels[k, 0]
    at.width = levels[k, 1]
    px = u * wp.float32(at.width) - 0.5
    py = v * wp.float32(at.height) - 0.5
    at.fx = px - wp.floor(px)
    at.fy = py - wp.floor(py)
    x0 = _wrapped(wp.int32(wp.floor(px)), at.width)
    y0 = _wrapped(wp.int32(wp.floor(py)), at.height)
    x1 = wp.where(x0 + 1 < at.width, x0 + 1, 0)
    y1 = wp.where(y0 + 1 < at.height, y0 + 1, 0)
    top = levels[k, 2] + y0 * at.width
    bottom = levels[k, 2] + y1 * at.width
    at.a = top + x0
    at.b = top + x1
    at.c = bottom + x0
    at.d = bottom + x1
    return at


@wp.kernel
def _average(
    levels: wp.array2d(dtype=wp.int32),
    first: wp.int32,
    begin: wp.int32,
    packed: wp.array2d(dtype=wp.float32),
):
    i, c = wp.tid()
    row = begin + i
    k = first
    while k + 1 < levels.shape[0] and row >= levels[k + 1, 2]:
        k += 1
    place = row - levels[k, 2]
    y = place // levels[k, 1]
    x = place - y * levels[k, 1]
    tall = levels[k, 3] // levels[first - 1, 3]
    wide = levels[k, 4] // levels[first - 1, 4]
    width = levels[first - 1, 1]
    top = levels[first - 1, 2] + y * tall * width + x * wide
    total = wp.float32(0.0)
    for dy in range(tall):
        for dx in range(wide):
            total += packed[top + dy * width + dx, c]
    packed[row, c] = total / wp.float32(tall * wide)


@wp.kernel
def _spread(
    levels: wp.array2d(dtype=wp.int32),
    gradient: wp.array2d(dtype=wp.float32),
    result: wp.array4d(dtype=wp.float32),
):
    t, y, x = wp.tid()
    base = y * levels[0, 1] + x
    a = gradient[base, 3 * t]
    b = gradient[base, 3 * t + 1]
    c = gradient[base, 3 * t + 2]
    for k in range(1, levels.shape[0]):
        row = y // levels[k, 3]
        column = x // levels[k, 4]
        if row < levels[k, 0] and column < levels[k, 1]:
            place = levels[k, 2] + row * levels[k, 1] + column
            share = 1.0 / wp.float32(levels[k, 3] * levels[k, 4])
            a += share * gradient[place, 3 * t]
            b += share * gradient[place, 3 * t + 1]
            c += share * gradient[place, 3 * t + 2]
    result[t, y, x, 0] = a
    result[t, y, x, 1] = b
    result[t, y, x, 2] = c


@wp.kernel
def _fetch(
    levels: wp.array2d(dtype=wp.int32),
    packed: wp.array2d(dtype=wp.float32),
    uv: wp.array2d(dtype=wp.float32),
    level: wp.array(dtype=wp.float32),
    result: wp.array2d(dtype=wp.float32),
):
    i, c = wp.tid()
    count = levels.shape[0]
    lower = _first(level[i], count)
    upper = _upper_share(level[i], count, lower)
    total = wp.float32(0.0)
    for step in range(2):
        share = wp.where(step == 1, upper, 1.0 - upper)
        if share != 0.0:
            at = _taps(levels, lower + step, uv[i, 0], uv[i, 1])
            fx = at.fx
            fy = at.fy
            upper_row = (1.0 - fx) * packed[at.a, c] + fx * packed[at.b, c]
            lower_row = (1.0 - fx) * packed[at.c, c] + fx * packed[at.d, c]
            total += share * ((1.0 - fy) * upper_row + fy * lower_row)
    result[i, c] = total


@wp.kernel
def _scatter(
    levels: wp.array2d(dtype=wp.int32),
    uv: wp.array2d(dtype=wp.float32),
    level: wp.array(dtype=wp.float32),
    gradient: wp.array2d(dtype=wp.float32),
    target: wp.array2d(dtype=wp.float32),
):
    i, c = wp.tid()
    g = gradient[i, c]
    if g == 0.0:
        return
    count = levels.shape[0]
    lower = _first(level[i], count)
    upper = _upper_share(level[i], count, lower)
    for step in range(2):
        share = wp.where(step == 1, upper, 1.0 - upper) * g
        if share != 0.0:
            at = _taps(levels, lower + step, uv[i, 0], uv[i, 1])
            fx = at.fx
            fy = at.fy
            wp.atomic_add(target, at.a, c, share * (1.0 - fy) * (1.0 - fx))
            wp.atomic_add(target, at.b, c, share * (1.0 - fy) * fx)
            wp.atomic_add(target, at.c, c, share * fy * (1.0 - fx))
            wp.atomic_add(target, at.d, c, share * fy * fx)


@wp.kernel
def _slope(
    levels: wp.array2d(dtype=wp.int32),
    packed: wp.array2d(dtype=wp.float32),
    uv: wp.array2d(dtype=wp.float32),
    level: wp.array(dtype=wp.float32),
    gradient: wp.array2d(dtype=wp.float32),
    result: wp.array2d(dtype=wp.float32),
):
    i = wp.tid()
    count = levels.shape[0]
    lower = _first(level[i], count)
    upper = _upper_share(level[i], count, lower)
    du = wp.float32(0.0)
    dv = wp.float32(0.0)
    for step in range(2):
        share = wp.where(step == 1, upper, 1.0 - upper)
        if share != 0.0:
            at = _taps(levels, lower + step, uv[i, 0], uv[i, 1])
            fx = at.fx
            fy = at.fy
            a = wp.float32(0.0)
            b = wp.float32(0.0)
            c = wp.float32(0.0)
            d = wp.float32(0.0)
            for channel in range(packed.shape[1]):
                g = gradient[i, channel]
                a += g * packed[at.a, channel]
                b += g * packed[at.b, channel]
                c += g * packed[at.c, channel]
                d += g * packed[at.d, channel]
            du += share * wp.float32(at.width) * ((1.0 - fy) * (b - a) + fy * (d - c))
            dv += share * wp.float32(at.height) * ((1.0 - fx) * (c - a) + fx * (d - b))
    result[i, 0] = du
    result[i, 1] = dv


@wp.kernel
def _clamp(
    kd: wp.array2d(dtype=wp.float32),
    ks: wp.array2d(dtype=wp.float32),
    normal: wp.array2d(dtype=wp.float32),
    low: wp.array(dtype=wp.float32),
    high: wp.array(dtype=wp.float32),
    shortest: wp.float32,
):
    i = wp.tid()
    for c in range(3):
        kd[i, c] = wp.clamp(kd[i, c], low[c], high[c])
        ks[i, c] = wp.clamp(ks[i, c], low[3 + c], high[3 + c])
    x = wp.clamp(normal[i, 0], low[6], high[6])
    y = wp.clamp(normal[i, 1], low[7], high[7])
    z = wp.clamp(normal[i, 2], low[8], high[8]) + shortest
    length = wp.max(wp.sqrt(x * x + y * y + z * z), shortest)
    normal[i, 0] = x / length
    normal[i, 1] = y / length
    normal[i, 2] = z / length
