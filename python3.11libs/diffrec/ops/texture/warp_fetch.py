"""Fetches from a pyramid of textures in Warp, see `diffrec.ops.texture`, and their gradients."""

# Warp reads the annotations of kernels; they are no types to a checker.
# mypy: disable-error-code="name-defined,valid-type,no-untyped-def,misc"

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from diffrec.ops.texture.warp_mips import level_table, texel_of, three
from diffrec.ops.warp import launch, start_warp

wp = start_warp()
wp.set_module_options({"enable_backward": False})


def fetch(
    packed: Tensor, height: int, width: int, uv: Tensor, level: Tensor, wanted: Sequence[int]
) -> list[Tensor]:
    """Values [P, 3] of the textures `wanted` at uv [P, 2] and level [P], trilinear, wrapping."""
    levels, _starts = level_table(height, width, packed.device)
    count = len(wanted)
    results = [packed.new_empty((uv.shape[0], 3)) for _ in wanted]
    inputs = [levels, packed, uv, level, _places(wanted), count, *three(results, packed)]
    launch(_fetch, uv.shape[0] * count, inputs, packed.device)
    return results


def fetch_backward(
    target: Tensor,
    height: int,
    width: int,
    uv: Tensor,
    level: Tensor,
    gradients: Mapping[int, Tensor],
) -> None:
    """Add the gradients [P, 3] of a fetch of some textures, by their places, to the packed
    `target`."""
    levels, _starts = level_table(height, width, target.device)
    channels = 3 * len(gradients)
    given = three(list(gradients.values()), target)
    inputs = [levels, uv, level, _places(list(gradients)), channels, *given, target]
    launch(_scatter, uv.shape[0] * channels, inputs, target.device)


def fetch_backward_uv(
    packed: Tensor,
    height: int,
    width: int,
    uv: Tensor,
    level: Tensor,
    gradients: Mapping[int, Tensor],
) -> Tensor:
    """The gradient of a fetch with respect to uv, [P, 2]."""
    levels, _starts = level_table(height, width, packed.device)
    result = torch.empty_like(uv)
    given = three(list(gradients.values()), packed)
    inputs = [levels, packed, uv, level, _places(list(gradients)), *given, result]
    launch(_slope, uv.shape[0], inputs, packed.device)
    return result


def _places(wanted: Sequence[int]) -> object:
    """Which textures the three tensors belong to."""
    return wp.vec3i(*wanted, *[0] * (3 - len(wanted)))


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


@wp.func
def _read(
    which: wp.int32,
    row: wp.int32,
    channel: wp.int32,
    a: wp.array2d(dtype=wp.float32),
    b: wp.array2d(dtype=wp.float32),
    c: wp.array2d(dtype=wp.float32),
):
    """A number of one of three arrays."""
    value = wp.float32(0.0)
    if which == 0:
        value = a[row, channel]
    elif which == 1:
        value = b[row, channel]
    else:
        value = c[row, channel]
    return value


@wp.func
def _place(places: wp.vec3i, t: wp.int32):
    """One of three, without the memory that an index that is not known beforehand would need."""
    return wp.where(t == 0, places[0], wp.where(t == 1, places[1], places[2]))


@wp.func
def _bilinear(packed: wp.array2d(dtype=wp.float32), at: _Taps, first: wp.int32):
    """Three channels from the first on."""
    a = texel_of(packed, at.a, first)
    b = texel_of(packed, at.b, first)
    c = texel_of(packed, at.c, first)
    d = texel_of(packed, at.d, first)
    upper = (1.0 - at.fx) * a + at.fx * b
    lower = (1.0 - at.fx) * c + at.fx * d
    return (1.0 - at.fy) * upper + at.fy * lower


@wp.kernel
def _fetch(
    levels: wp.array2d(dtype=wp.int32),
    packed: wp.array2d(dtype=wp.float32),
    uv: wp.array2d(dtype=wp.float32),
    level: wp.array(dtype=wp.float32),
    places: wp.vec3i,
    count: wp.int32,
    a: wp.array2d(dtype=wp.float32),
    b: wp.array2d(dtype=wp.float32),
    c: wp.array2d(dtype=wp.float32),
):
    """A thread for each of `count` textures at each point; neighbouring ones share the point."""
    thread = wp.tid()
    i = thread // count
    t = thread - i * count
    first = 3 * _place(places, t)
    lower = _first(level[i], levels.shape[0])
    upper = _upper_share(level[i], levels.shape[0], lower)
    # Both levels are on their way at once; one that has no share is not read.
    fine = lower + wp.where(upper == 1.0, 1, 0)
    coarse = lower + wp.where(upper > 0.0, 1, 0)
    under = _taps(levels, fine, uv[i, 0], uv[i, 1])
    over = _taps(levels, coarse, uv[i, 0], uv[i, 1])
    total = (1.0 - upper) * _bilinear(packed, under, first)
    total += upper * _bilinear(packed, over, first)
    for k in range(3):
        if t == 0:
            a[i, k] = total[k]
        elif t == 1:
            b[i, k] = total[k]
        else:
            c[i, k] = total[k]


@wp.kernel
def _scatter(
    levels: wp.array2d(dtype=wp.int32),
    uv: wp.array2d(dtype=wp.float32),
    level: wp.array(dtype=wp.float32),
    places: wp.vec3i,
    channels: wp.int32,
    a: wp.array2d(dtype=wp.float32),
    b: wp.array2d(dtype=wp.float32),
    c: wp.array2d(dtype=wp.float32),
    target: wp.array2d(dtype=wp.float32),
):
    """A thread for each channel at each point: their additions go to neighbouring places."""
    thread = wp.tid()
    i = thread // channels
    channel = thread - i * channels
    t = channel // 3
    k = channel - 3 * t
    g = _read(t, i, k, a, b, c)
    if g == 0.0:
        return
    place = 3 * _place(places, t) + k
    lower = _first(level[i], levels.shape[0])
    upper = _upper_share(level[i], levels.shape[0], lower)
    for step in range(2):
        share = wp.where(step == 1, upper, 1.0 - upper) * g
        if share != 0.0:
            at = _taps(levels, lower + step, uv[i, 0], uv[i, 1])
            fx = at.fx
            fy = at.fy
            wp.atomic_add(target, at.a, place, share * (1.0 - fy) * (1.0 - fx))
            wp.atomic_add(target, at.b, place, share * (1.0 - fy) * fx)
            wp.atomic_add(target, at.c, place, share * fy * (1.0 - fx))
            wp.atomic_add(target, at.d, place, share * fy * fx)


@wp.func
def _along(
    packed: wp.array2d(dtype=wp.float32),
    at: _Taps,
    first: wp.int32,
    gradient: wp.array2d(dtype=wp.float32),
    row: wp.int32,
):
    """The four texels of a texture along the gradient; nothing where there is none."""
    result = wp.vec4(0.0, 0.0, 0.0, 0.0)
    if gradient.shape[0] > 0:
        g = texel_of(gradient, row, 0)
        result = wp.vec4(
            wp.dot(g, texel_of(packed, at.a, first)),
            wp.dot(g, texel_of(packed, at.b, first)),
            wp.dot(g, texel_of(packed, at.c, first)),
            wp.dot(g, texel_of(packed, at.d, first)),
        )
    return result


@wp.kernel
def _slope(
    levels: wp.array2d(dtype=wp.int32),
    packed: wp.array2d(dtype=wp.float32),
    uv: wp.array2d(dtype=wp.float32),
    level: wp.array(dtype=wp.float32),
    places: wp.vec3i,
    a: wp.array2d(dtype=wp.float32),
    b: wp.array2d(dtype=wp.float32),
    c: wp.array2d(dtype=wp.float32),
    result: wp.array2d(dtype=wp.float32),
):
    i = wp.tid()
    lower = _first(level[i], levels.shape[0])
    upper = _upper_share(level[i], levels.shape[0], lower)
    du = wp.float32(0.0)
    dv = wp.float32(0.0)
    for step in range(2):
        share = wp.where(step == 1, upper, 1.0 - upper)
        if share != 0.0:
            at = _taps(levels, lower + step, uv[i, 0], uv[i, 1])
            t = _along(packed, at, 3 * places[0], a, i)
            t += _along(packed, at, 3 * places[1], b, i)
            t += _along(packed, at, 3 * places[2], c, i)
            fx = at.fx
            fy = at.fy
            du += share * wp.float32(at.width) * ((1.0 - fy) * (t[1] - t[0]) + fy * (t[3] - t[2]))
            dv += share * wp.float32(at.height) * ((1.0 - fx) * (t[2] - t[0]) + fx * (t[3] - t[1]))
    result[i, 0] = du
    result[i, 1] = dv
