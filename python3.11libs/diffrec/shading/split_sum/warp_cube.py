# Kernels are in Warp's language: float(0) declares a variable that changes, annotations are not
# types, and vectors and arrays have operations that their Python stand-ins lack.
# ruff: noqa: UP018
# mypy: disable-error-code="index, valid-type, no-untyped-def, misc, operator, arg-type"
"""Bilinear fetches of cube maps inside Warp kernels, with gradients.

Formulas: `diffrec.ops.cubemap`.
"""

from __future__ import annotations

import warp as wp

from diffrec.ops.warp import start_warp

start_warp()
wp.set_module_options({"enable_backward": False})


@wp.func
def row_of(values: wp.array2d(dtype=wp.float32), i: int) -> wp.vec3:
    return wp.vec3(values[i, 0], values[i, 1], values[i, 2])


@wp.func
def face_axes(face: int) -> wp.mat33:
    """Rows: the axis of a face, its right and its down; see `cubemap`."""
    axes = wp.mat33(1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, -1.0, 0.0)
    if face == 1:
        axes = wp.mat33(-1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.0)
    if face == 2:
        axes = wp.mat33(0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    if face == 3:
        axes = wp.mat33(0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
    if face == 4:
        axes = wp.mat33(0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    if face == 5:
        axes = wp.mat33(0.0, 0.0, -1.0, -1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    return axes


@wp.func
def project(direction: wp.vec3) -> wp.vec4:
    """Face, s, t and 1 / |major|; the first of equal components is the major one."""
    # Not direction[axis]: an index that is not known beforehand would put it into memory.
    axis = 0
    major = direction[0]
    if wp.abs(direction[1]) > wp.abs(major):
        axis = 1
        major = direction[1]
    if wp.abs(direction[2]) > wp.abs(major):
        axis = 2
        major = direction[2]
    face = 2 * axis
    if major < 0.0:
        face += 1
    axes = face_axes(face)
    scale = 1.0 / wp.max(wp.abs(major), 1.0e-20)
    return wp.vec4(
        float(face), wp.dot(direction, axes[1]) * scale, wp.dot(direction, axes[2]) * scale, scale
    )


@wp.struct
class Taps:
    """Four texels of a cube map and the shares of the right and lower ones."""

    texel: wp.vec4i
    right: float
    down: float


@wp.struct
class _Cell:
    column: int
    share: float


@wp.func
def _cell(s: float, size: int) -> _Cell:
    """First column of two in the bordered table, and the share of the second."""
    place = (s + 1.0) * 0.5 * float(size) + 0.5
    left = wp.floor(place)
    cell = _Cell()
    cell.column = 0
    if left > 0.0:  # false for what is not a number, which must not become an index
        cell.column = int(wp.min(left, float(size)))
    cell.share = place - left
    return cell


@wp.func
def taps_around(
    place: wp.vec4,
    level: int,
    base: int,
    levels: wp.array2d(dtype=wp.int32),
    bordered: wp.array(dtype=wp.int64),
) -> Taps:
    """Texels around a place (face, s, t, scale) in a level, counted from texel `base` on."""
    size = levels[level, 0]
    column = _cell(place[1], size)
    row = _cell(place[2], size)
    face = int(place[0])
    x = column.column
    y = row.column
    taps = Taps()
    if x > 0 and y > 0 and x < size and y < size:
        first = levels[level, 1] - base + (face * size + y - 1) * size + x - 1
        taps.texel = wp.vec4i(first, first + 1, first + size, first + size + 1)
    else:  # some lie on neighbouring faces
        padded = size + 2
        corner = levels[level, 2] + (face * padded + y) * padded + x
        taps.texel = wp.vec4i(
            int(bordered[corner]) - base,
            int(bordered[corner + 1]) - base,
            int(bordered[corner + padded]) - base,
            int(bordered[corner + padded + 1]) - base,
        )
    taps.right = column.share
    taps.down = row.share
    return taps


@wp.func
def fetch(texels: wp.array2d(dtype=wp.float32), taps: Taps) -> wp.vec3:
    upper = row_of(texels, taps.texel[0]) * (1.0 - taps.right)
    upper += row_of(texels, taps.texel[1]) * taps.right
    lower = row_of(texels, taps.texel[2]) * (1.0 - taps.right)
    lower += row_of(texels, taps.texel[3]) * taps.right
    return upper * (1.0 - taps.down) + lower * taps.down


@wp.func
def slopes(
    texels: wp.array2d(dtype=wp.float32), taps: Taps, gradient: wp.vec3, size: int
) -> wp.vec2:
    """Gradient of s and t."""
    a = wp.dot(gradient, row_of(texels, taps.texel[0]))
    b = wp.dot(gradient, row_of(texels, taps.texel[1]))
    c = wp.dot(gradient, row_of(texels, taps.texel[2]))
    d = wp.dot(gradient, row_of(texels, taps.texel[3]))
    stretch = 0.5 * float(size)
    return wp.vec2(
        ((b - a) * (1.0 - taps.down) + (d - c) * taps.down) * stretch,
        ((c - a) * (1.0 - taps.right) + (d - b) * taps.right) * stretch,
    )


@wp.func_native("""
    float* place = total.data + 4 * (size_t)texel;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    // All channels by one instruction.
    asm volatile("red.global.add.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(place), "f"(gradient[0]),
                 "f"(gradient[1]), "f"(gradient[2]), "f"(0.0f) : "memory");
#elif defined(__CUDA_ARCH__)
    for (int k = 0; k < 3; ++k) ::atomicAdd(place + k, gradient[k]);
#else
    for (int k = 0; k < 3; ++k) place[k] += gradient[k];
#endif
""")
def _add_texel(total: wp.array2d(dtype=wp.float32), texel: int, gradient: wp.vec3):
    """Add to a row of a contiguous array of four channels, the last of which is not used."""
    ...


@wp.func
def add_taps(total: wp.array2d(dtype=wp.float32), taps: Taps, gradient: wp.vec3):
    if total.shape[0] > 0:
        _add_texel(total, taps.texel[0], gradient * ((1.0 - taps.down) * (1.0 - taps.right)))
        _add_texel(total, taps.texel[1], gradient * ((1.0 - taps.down) * taps.right))
        _add_texel(total, taps.texel[2], gradient * (taps.down * (1.0 - taps.right)))
        _add_texel(total, taps.texel[3], gradient * (taps.down * taps.right))


@wp.func
def of_direction(place: wp.vec4, of_place: wp.vec2) -> wp.vec3:
    """Gradient of a direction by that of the s and t that it has on its face."""
    axes = face_axes(int(place[0]))
    s = of_place[0] * place[3]
    t = of_place[1] * place[3]
    # s and t are ratios: along the major axis they shrink as it grows.
    along = -(place[1] * s + place[2] * t)
    return axes[0] * along + axes[1] * s + axes[2] * t


@wp.struct
class Level:
    """Where a roughness stands in the chain, and how fast it moves."""

    lower: int
    share: float  # of the level above
    slope: float


@wp.func
def level_of(roughness: float, count: int, least: float) -> Level:
    level = Level()
    level.lower = 0
    level.share = float(0.0)
    level.slope = float(0.0)
    if count > 1:
        clamped = wp.clamp(roughness, least, 1.0)
        steps = wp.max(float(count - 2), 1.0)
        slope = steps / (0.5 - 0.08)
        place = wp.min((clamped - 0.08) * slope, steps)
        if clamped >= 0.5:
            slope = 2.0
            place = (clamped - 0.5) * 2.0 + steps
        last = float(count - 1)
        if place <= last and roughness >= least and roughness <= 1.0:
            level.slope = slope
        place = wp.clamp(place, 0.0, last)
        if place > 0.0:  # false for what is not a number, which must not become an index
            level.lower = wp.min(int(place), count - 2)
        level.share = place - float(level.lower)
    return level
