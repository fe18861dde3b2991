"""Kernels of `diffrec.ops.pyramid` in Warp, for CUDA; the same kernels run on the CPU."""

# Warp reads the annotations of kernels; they are no types to a checker.
# mypy: disable-error-code="name-defined,valid-type,no-untyped-def,misc"

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from diffrec.ops.backends import launch, warp

wp = warp()
wp.set_module_options({"enable_backward": False})

_AT_ONCE = 3  # levels that one launch makes from the one before them, or adds to
_COLUMNS = 5  # of the level table: height, width, first row, log2 of a texel's rows and columns


@lru_cache(maxsize=16)
def _table(height: int, width: int, device: torch.device) -> tuple[Tensor, tuple[int, ...]]:
    """[levels, 5] int32 on the device, and the first row of each level with the end."""
    rows = [(height, width, 0, 0, 0)]
    while max(rows[-1][:2]) > 1:
        h, w, start, tall, wide = rows[-1]
        tall, wide = tall + (h > 1), wide + (w > 1)
        rows.append((max(h // 2, 1), max(w // 2, 1), start + h * w, tall, wide))
    starts = (*(row[2] for row in rows), rows[-1][2] + rows[-1][0] * rows[-1][1])
    return torch.tensor(rows, dtype=torch.int32, device=device), starts


def pack(textures: Sequence[Tensor], packed: Tensor) -> None:
    """Write textures [H, W, 3] side by side into `packed`, and their averages behind them."""
    height, width = textures[0].shape[:2]
    count = len(textures)
    flat = _three([texture.contiguous().view(-1, 3) for texture in textures], packed)
    levels, starts = _table(height, width, packed.device)
    inputs = [levels, *flat, count, packed]
    launch(_finest, _blocks(height, width) * count, inputs, packed.device)
    for first in range(2, len(starts) - 1, _AT_ONCE):
        end = min(first + _AT_ONCE, len(starts) - 1)
        rows = (starts[end] - starts[first]) * count
        launch(_average, rows, [levels, first, starts[first], count, packed], packed.device)


def unpack(gradient: Tensor, height: int, width: int, textures: int) -> list[Tensor]:
    """The gradients [H, W, 3] of the textures from that of the packed levels, which is changed."""
    levels, starts = _table(height, width, gradient.device)
    # First all coarser levels are added to one that is small, then that one and those before it.
    middle = min(_AT_ONCE, len(starts) - 2)
    rows = (starts[middle + 1] - starts[middle]) * textures
    launch(_gather, rows, [levels, middle, textures, gradient], gradient.device)
    result = gradient.new_empty((textures, height, width, 3))
    inputs = [levels, middle, textures, gradient, result.view(textures, -1, 3)]
    launch(_spread, _blocks(height, width) * textures, inputs, gradient.device)
    return list(result.unbind(0))


def _blocks(height: int, width: int) -> int:
    """Of two by two texels, the last of which may be cut."""
    return ((height + 1) // 2) * ((width + 1) // 2)


def fetch(
    packed: Tensor, height: int, width: int, uv: Tensor, level: Tensor, wanted: Sequence[int]
) -> list[Tensor]:
    """Values [P, 3] of the textures `wanted` at uv [P, 2] and level [P], trilinear, wrapping."""
    levels, _starts = _table(height, width, packed.device)
    count = len(wanted)
    results = [packed.new_empty((uv.shape[0], 3)) for _ in wanted]
    inputs = [levels, packed, uv, level, _places(wanted), count, *_three(results, packed)]
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
    levels, _starts = _table(height, width, target.device)
    channels = 3 * len(gradients)
    given = _three(list(gradients.values()), target)
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
    levels, _starts = _table(height, width, packed.device)
    result = torch.empty_like(uv)
    given = _three(list(gradients.values()), packed)
    inputs = [levels, packed, uv, level, _places(list(gradients)), *given, result]
    launch(_slope, uv.shape[0], inputs, packed.device)
    return result


def _three(tensors: Sequence[Tensor], like: Tensor) -> list[Tensor]:
    """Three tensors for a kernel, of which it reads those that are given."""
    return [*tensors, *[like.new_empty((0, 3))] * (3 - len(tensors))]


def _places(wanted: Sequence[int]) -> object:
    """Which textures the three tensors belong to."""
    return wp.vec3i(*wanted, *[0] * (3 - len(wanted)))


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
def _texel(packed: wp.array2d(dtype=wp.float32), row: wp.int32, first: wp.int32):
    """The channels of one texture in a row."""
    return wp.vec3(packed[row, first], packed[row, first + 1], packed[row, first + 2])


@wp.func
def _put(packed: wp.array2d(dtype=wp.float32), row: wp.int32, first: wp.int32, value: wp.vec3):
    packed[row, first] = value[0]
    packed[row, first + 1] = value[1]
    packed[row, first + 2] = value[2]


@wp.kernel
def _finest(
    levels: wp.array2d(dtype=wp.int32),
    a: wp.array2d(dtype=wp.float32),
    b: wp.array2d(dtype=wp.float32),
    c: wp.array2d(dtype=wp.float32),
    count: wp.int32,
    packed: wp.array2d(dtype=wp.float32),
):
    """The textures side by side, and the level above them: a thread for four texels of one."""
    i = wp.tid()
    block = i // count
    t = i - block * count
    height = levels[0, 0]
    width = levels[0, 1]
    across = (width + 1) // 2
    line = block // across
    column = block - line * across
    total = wp.vec3(0.0, 0.0, 0.0)
    for step in range(4):
        down = 2 * line + step // 2
        right = 2 * column + step % 2
        if down < height and right < width:
            texel = down * width + right
            value = wp.vec3(0.0, 0.0, 0.0)
            if t == 0:
                value = _texel(a, texel, 0)
            elif t == 1:
                value = _texel(b, texel, 0)
            else:
                value = _texel(c, texel, 0)
            _put(packed, texel, 3 * t, value)
            total += value
    if levels.shape[0] > 1:  # noqa: SIM102, both sides of an `and` would be read
        if line < levels[1, 0] and column < levels[1, 1]:
            row = levels[1, 2] + line * levels[1, 1] + column
            _put(packed, row, 3 * t, total / wp.float32(1 << (levels[1, 3] + levels[1, 4])))


@wp.kernel
def _average(
    levels: wp.array2d(dtype=wp.int32),
    first: wp.int32,
    begin: wp.int32,
    count: wp.int32,
    packed: wp.array2d(dtype=wp.float32),
):
    i = wp.tid()
    row = i // count
    channel = 3 * (i - row * count)
    row += begin
    k = first
    while k + 1 < levels.shape[0] and row >= levels[k + 1, 2]:
        k += 1
    place = row - levels[k, 2]
    y = place // levels[k, 1]
    x = place - y * levels[k, 1]
    tall = levels[k, 3] - levels[first - 1, 3]
    wide = levels[k, 4] - levels[first - 1, 4]
    width = levels[first - 1, 1]
    top = levels[first - 1, 2] + (y << tall) * width + (x << wide)
    # Four texels are on their way at once: a loop waits for what it reads in every round. Where
    # there is one row or column only, it is read twice.
    down = wp.min(2, 1 << tall)
    right = wp.min(2, 1 << wide)
    total = wp.vec3(0.0, 0.0, 0.0)
    for dy in range(0, 1 << tall, down):
        for dx in range(0, 1 << wide, right):
            at = top + dy * width + dx
            below = at + (down - 1) * width
            total += (_texel(packed, at, channel) + _texel(packed, at + right - 1, channel)) + (
                _texel(packed, below, channel) + _texel(packed, below + right - 1, channel)
            )
    read = (1 << (tall + wide)) * 4 // (down * right)
    _put(packed, row, channel, total / wp.float32(read))


@wp.func
def _coarser(
    levels: wp.array2d(dtype=wp.int32),
    own: wp.int32,
    k: wp.int32,
    y: wp.int32,
    x: wp.int32,
):
    """The row of the texel of level k above one of level `own`; -1 where an odd size has none."""
    row = y >> (levels[k, 3] - levels[own, 3])
    column = x >> (levels[k, 4] - levels[own, 4])
    result = wp.int32(-1)
    if row < levels[k, 0] and column < levels[k, 1]:
        result = levels[k, 2] + row * levels[k, 1] + column
    return result


@wp.func
def _share(levels: wp.array2d(dtype=wp.int32), own: wp.int32, k: wp.int32):
    """What a texel of level k gives to one of level `own` below it."""
    steps = levels[k, 3] - levels[own, 3] + levels[k, 4] - levels[own, 4]
    return 1.0 / wp.float32(1 << steps)


@wp.kernel
def _gather(
    levels: wp.array2d(dtype=wp.int32),
    own: wp.int32,
    count: wp.int32,
    gradient: wp.array2d(dtype=wp.float32),
):
    """Add to a level what all coarser ones give it."""
    i = wp.tid()
    place = i // count
    channel = 3 * (i - place * count)
    y = place // levels[own, 1]
    x = place - y * levels[own, 1]
    total = _texel(gradient, levels[own, 2] + place, channel)
    for k in range(own + 1, levels.shape[0]):
        row = _coarser(levels, own, k, y, x)
        if row >= 0:
            total += _share(levels, own, k) * _texel(gradient, row, channel)
    _put(gradient, levels[own, 2] + place, channel, total)


@wp.kernel
def _spread(
    levels: wp.array2d(dtype=wp.int32),
    last: wp.int32,
    count: wp.int32,
    gradient: wp.array2d(dtype=wp.float32),
    result: wp.array3d(dtype=wp.float32),
):
    """The finest level with what it is given by those up to `last`, texture by texture.

    A thread for four texels, which get the same from all coarser levels.
    """
    i = wp.tid()
    block = i // count
    t = i - block * count
    height = levels[0, 0]
    width = levels[0, 1]
    across = (width + 1) // 2
    line = block // across
    y = 2 * line
    x = 2 * (block - line * across)
    given = wp.vec3(0.0, 0.0, 0.0)
    for k in range(1, last + 1):
        row = _coarser(levels, 0, k, y, x)
        if row >= 0:
            given += _share(levels, 0, k) * _texel(gradient, row, 3 * t)
    for step in range(4):
        down = y + step // 2
        right = x + step % 2
        if down < height and right < width:
            texel = down * width + right
            value = _texel(gradient, texel, 3 * t) + given
            for c in range(3):
                result[t, texel, c] = value[c]


@wp.func
def _bilinear(packed: wp.array2d(dtype=wp.float32), at: _Taps, first: wp.int32):
    """Three channels from the first on."""
    a = _texel(packed, at.a, first)
    b = _texel(packed, at.b, first)
    c = _texel(packed, at.c, first)
    d = _texel(packed, at.d, first)
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
        g = _texel(gradient, row, 0)
        result = wp.vec4(
            wp.dot(g, _texel(packed, at.a, first)),
            wp.dot(g, _texel(packed, at.b, first)),
            wp.dot(g, _texel(packed, at.c, first)),
            wp.dot(g, _texel(packed, at.d, first)),
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
