"""Mip levels of packed textures in Warp, see `diffrec.ops.texture`: made, and their gradients."""

# Warp reads the annotations of kernels; they are no types to a checker.
# mypy: disable-error-code="name-defined,valid-type,no-untyped-def,misc"

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from diffrec.ops.warp import launch, start_warp

wp = start_warp()
wp.set_module_options({"enable_backward": False})

_AT_ONCE = 3  # levels that one launch makes from the one before them, or adds to


@lru_cache(maxsize=16)
def level_table(height: int, width: int, device: torch.device) -> tuple[Tensor, tuple[int, ...]]:
    """[levels, 5] int32 on the device, and the first row of each level with the end.

    The columns: height, width, first row, log2 of a texel's rows and of its columns.
    """
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
    flat = three([texture.contiguous().view(-1, 3) for texture in textures], packed)
    levels, starts = level_table(height, width, packed.device)
    inputs = [levels, *flat, count, packed]
    launch(_finest, _blocks(height, width) * count, inputs, packed.device)
    for first in range(2, len(starts) - 1, _AT_ONCE):
        end = min(first + _AT_ONCE, len(starts) - 1)
        rows = (starts[end] - starts[first]) * count
        launch(_average, rows, [levels, first, starts[first], count, packed], packed.device)


def unpack(gradient: Tensor, height: int, width: int, textures: int) -> list[Tensor]:
    """The gradients [H, W, 3] of the textures from that of the packed levels, which is changed."""
    levels, starts = level_table(height, width, gradient.device)
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


def clamp(textures: Sequence[Tensor], low: Tensor, high: Tensor, shortest: float) -> None:
    """Clamp kd, ks and normal [T, 3] of one size to low and high [9] in place; unit normals."""
    kd, ks, normal = textures
    arrays = [kd, ks, normal, low, high, float(shortest)]
    launch(_clamp, kd.shape[0], arrays, kd.device)


def three(tensors: Sequence[Tensor], like: Tensor) -> list[Tensor]:
    """Three tensors for a kernel, of which it reads those that are given."""
    return [*tensors, *[like.new_empty((0, 3))] * (3 - len(tensors))]


@wp.func
def texel_of(packed: wp.array2d(dtype=wp.float32), row: wp.int32, first: wp.int32):
    """The channels of one texture in a row."""
    return wp.vec3(packed[row, first], packed[row, first + 1], packed[row, first + 2])


@wp.func
def _put(packed: wp.array2d(dtype=wp.float32), row: wp.int32, first: wp.int32, value: wp.vec3):
    packed[row, first] = value[0]
    packed[row, first + 1] = value[1]
    packed[row, first + 2] = value[2]


@wp.func
def _block_of(thread: wp.int32, count: wp.int32, width: wp.int32):
    """Texture, first row and first column of the four texels that a thread works on."""
    block = thread // count
    across = (width + 1) // 2
    line = block // across
    return wp.vec3i(thread - block * count, 2 * line, 2 * (block - line * across))


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
    height = levels[0, 0]
    width = levels[0, 1]
    block = _block_of(wp.tid(), count, width)
    t = block[0]
    line = block[1] // 2
    column = block[2] // 2
    total = wp.vec3(0.0, 0.0, 0.0)
    for step in range(4):
        down = block[1] + step // 2
        right = block[2] + step % 2
        if down < height and right < width:
            texel = down * width + right
            value = wp.vec3(0.0, 0.0, 0.0)
            if t == 0:
                value = texel_of(a, texel, 0)
            elif t == 1:
                value = texel_of(b, texel, 0)
            else:
                value = texel_of(c, texel, 0)
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
            total += (texel_of(packed, at, channel) + texel_of(packed, at + right - 1, channel)) + (
                texel_of(packed, below, channel) + texel_of(packed, below + right - 1, channel)
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
    total = texel_of(gradient, levels[own, 2] + place, channel)
    for k in range(own + 1, levels.shape[0]):
        row = _coarser(levels, own, k, y, x)
        if row >= 0:
            total += _share(levels, own, k) * texel_of(gradient, row, channel)
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
    height = levels[0, 0]
    width = levels[0, 1]
    block = _block_of(wp.tid(), count, width)
    t = block[0]
    given = wp.vec3(0.0, 0.0, 0.0)
    for k in range(1, last + 1):
        row = _coarser(levels, 0, k, block[1], block[2])
        if row >= 0:
            given += _share(levels, 0, k) * texel_of(gradient, row, 3 * t)
    for step in range(4):
        down = block[1] + step // 2
        right = block[2] + step % 2
        if down < height and right < width:
            texel = down * width + right
            value = texel_of(gradient, texel, 3 * t) + given
            for c in range(3):
                result[t, texel, c] = value[c]


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
