"""Shading of visible points on the CPU but for the fetches of light: two kernels, with gradients.

Formulas: `reference`, `brdf_table` and `cubefilter.level_of_roughness`.
`Directions` goes from a point's attributes to where light is looked up, `Radiance` from the light
to its colour; between them stand the fetches of `texture_cube`. The backward kernels make the
forward's intermediate values again rather than keep them.
"""

# Compiled functions have no types that a checker could tell.
# mypy: disable-error-code="operator, arg-type"

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

from diffrec.materials.surface import MaterialSample
from diffrec.ops.texture_cube import texture_cube
from diffrec.shading.points import VisiblePoints
from diffrec.shading.split_sum import brdf_table, constants
from diffrec.shading.split_sum.prefiltered import PrefilteredLight

TURNS = False  # a light that turns with the camera is left to the formulas

_LEAST_COSINE = np.float32(constants.LEAST_COSINE)
_DIELECTRIC = np.float32(constants.DIELECTRIC)
_TABLE_SIZE = constants.TABLE_SIZE
_SHORT = np.float32(1e-12)
_ZERO, _ONE, _TWO = np.float32(0), np.float32(1), np.float32(2)
_CHUNK = 512


def shade(
    points: VisiblePoints,
    sample: MaterialSample,
    light: PrefilteredLight,
    camera_position: Tensor,
    camera_from_world: None,
    wants_normal: bool,
) -> tuple[Tensor, Tensor | None]:
    """As `shade` beside this module."""
    view = torch.div(points.pixels, points.pixels_per_view, rounding_mode="floor")
    normal, mirror, cosine, level = Directions.apply(  # type: ignore[no-untyped-call]
        sample.normal,
        points.normal,
        points.tangent,
        points.position,
        sample.ks[:, 1],
        camera_position[view],
        len(light.specular),
        light.least_roughness,
    )
    shone = texture_cube([light.irradiance], normal, None)
    mirrored = texture_cube(light.specular, mirror, level)
    color: Tensor = Radiance.apply(  # type: ignore[no-untyped-call]
        sample.kd, sample.ks, shone, mirrored, cosine, brdf_table.table("cpu")
    )
    return color, normal if wants_normal else None


class Directions(torch.autograd.Function):
    """The shading normal and the mirror direction [P, 3], n . v and the light's level [P].

    Arguments: tangent_normal, smooth_normal, tangent (or None), position [P, 3], roughness [P];
    then, without gradients, the camera of each point [P, 3], how many levels the light has, and its
    least roughness.
    """

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, ...]:
        ctx.settings = _settings(*inputs[6:])
        arrays = [None if x is None else x.detach().contiguous() for x in inputs[:6]]
        ctx.save_for_backward(*arrays)
        count = inputs[1].shape[0]
        normal, mirror = torch.empty(count, 3), torch.empty(count, 3)
        cosine, level = torch.empty(count), torch.empty(count)
        results = _numpy([normal, mirror, cosine, level])
        _directions(_numpy(arrays), *ctx.settings, results)
        return normal, mirror, cosine, level

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        arrays = ctx.saved_tensors
        results = [torch.empty(0, 3) if x is None else torch.empty_like(x) for x in arrays[:5]]
        given = (_numpy(arrays), *ctx.settings, _numpy(gradients))
        _directions_backward(*given, _numpy(results))
        wanted = [
            result if x is not None and need else None
            for result, x, need in zip(results, arrays, ctx.needs_input_grad, strict=False)
        ]
        if arrays[2] is None:
            wanted[0] = None  # without tangents the tangent-space normal is not read
        return (*wanted, None, None, None)


class Radiance(torch.autograd.Function):
    """Outgoing radiance [P, 3] of kd, ks, irradiance over pi and mirrored light [P, 3], n . v [P],
    and, without gradient, brdf_table.table."""

    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        arrays = [x.detach().contiguous() for x in inputs]
        ctx.save_for_backward(*arrays)
        color = torch.empty(len(arrays[0]), 3)
        _radiance(_numpy(arrays), (color.numpy(),))
        return color

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        arrays = ctx.saved_tensors
        results = [torch.empty_like(x) for x in arrays[:5]]
        _radiance_backward(_numpy(arrays), _numpy([gradient]), _numpy(results))
        return (*results, None)


def _numpy(tensors: Any) -> tuple[Any, ...]:
    nothing = np.empty((0, 3), np.float32)
    return tuple(nothing if x is None else x.contiguous().numpy() for x in tensors)


def _settings(levels: int, least_roughness: float) -> tuple[int, np.float32]:
    return levels, np.float32(max(least_roughness, 0.08))


@njit(cache=True, inline="always")
def _dot(a, b):  # type: ignore[no-untyped-def]
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(cache=True, inline="always")
def _cross(a, b):  # type: ignore[no-untyped-def]
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


@njit(cache=True, inline="always")
def _times(a, s):  # type: ignore[no-untyped-def]
    return (a[0] * s, a[1] * s, a[2] * s)


@njit(cache=True, inline="always")
def _plus(a, b, s):  # type: ignore[no-untyped-def]
    """a + s b."""
    return (a[0] + s * b[0], a[1] + s * b[1], a[2] + s * b[2])


@njit(cache=True, inline="always")
def _row(values, i):  # type: ignore[no-untyped-def]
    return (values[i, 0], values[i, 1], values[i, 2])


@njit(cache=True, inline="always")
def _set(values, i, v):  # type: ignore[no-untyped-def]
    values[i, 0], values[i, 1], values[i, 2] = v


@njit(cache=True, inline="always")
def _unit(v):  # type: ignore[no-untyped-def]
    return _times(v, _ONE / max(np.sqrt(_dot(v, v)), _SHORT))


@njit(cache=True, inline="always")
def _through_unit(v, gradient):  # type: ignore[no-untyped-def]
    """The gradient of v by that of its unit vector."""
    length = np.sqrt(_dot(v, v))
    inverse = _ONE / max(length, _SHORT)
    result = _times(gradient, inverse)
    if length >= _SHORT:
        direction = _times(v, inverse)
        result = _plus(result, direction, -_dot(direction, result))
    return result


@njit(cache=True, inline="always")
def _level(roughness, levels, least):  # type: ignore[no-untyped-def]
    """The fractional level of a roughness, and how fast it moves."""
    if levels == 1:
        return _ZERO, _ZERO
    low, half = np.float32(0.08), np.float32(0.5)
    steps, last = np.float32(max(levels - 2, 1)), np.float32(levels - 1)
    clamped = min(max(roughness, least), _ONE)
    slope = steps / (half - low)
    place = min((clamped - low) * slope, steps)
    if clamped >= half:
        slope = _TWO
        place = (clamped - half) * _TWO + steps
    if not (place <= last and roughness >= least and roughness <= _ONE):
        slope = _ZERO
    return min(place, last), slope


@njit(cache=True, error_model="numpy")
def _directions_at(i, inputs, levels, least, results):  # type: ignore[no-untyped-def]
    tangent_normal, smooth, tangent, position, roughness, camera = inputs
    normal, mirror, cosine, level = results
    mapped = len(tangent) > 0
    view = _unit(_plus(_row(camera, i), _row(position, i), -_ONE))
    s = _unit(_row(smooth, i))
    side = -_ONE if _dot(s, view) < _ZERO else _ONE
    sided = s
    if mapped:
        t, m = _row(tangent, i), _row(tangent_normal, i)
        along = _unit(_plus(t, s, -_dot(t, s)))
        bent = _plus(_times(along, m[0]), _cross(s, along), m[1])
        sided = _unit(_plus(bent, s, m[2]))
    sided = _times(sided, side)
    lacking = _LEAST_COSINE - _dot(sided, view)
    n = _unit(_plus(sided, view, max(lacking, _ZERO)))
    c = _dot(n, view)
    _set(normal, i, n)
    _set(mirror, i, _plus(_times(n, _TWO * c), view, -_ONE))
    cosine[i] = c
    level[i] = _level(roughness[i], levels, least)[0]


@njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _directions(inputs, levels, least, results):  # type: ignore[no-untyped-def]
    count = len(inputs[1])
    for chunk in prange((count + _CHUNK - 1) // _CHUNK):
        for i in range(chunk * _CHUNK, min(count, (chunk + 1) * _CHUNK)):
            _directions_at(i, inputs, levels, least, results)


@njit(cache=True, error_model="numpy")
def _directions_backward_at(i, inputs, levels, least, gradients, results):  # type: ignore[no-untyped-def]
    tangent_normal, smooth, tangent, position, roughness, camera = inputs
    of_normal, of_mirror, of_cosine, of_level = gradients
    for_tangent_normal, for_smooth, for_tangent, for_position, for_roughness = results
    mapped = len(tangent) > 0
    to_camera = _plus(_row(camera, i), _row(position, i), -_ONE)
    view = _unit(to_camera)
    plain = _row(smooth, i)
    s = _unit(plain)
    side = -_ONE if _dot(s, view) < _ZERO else _ONE
    t, m = s, s
    flat, along, up, bent, sided = s, s, s, s, s
    if mapped:
        t, m = _row(tangent, i), _row(tangent_normal, i)
        flat = _plus(t, s, -_dot(t, s))
        along = _unit(flat)
        up = _cross(s, along)
        bent = _plus(_plus(_times(along, m[0]), up, m[1]), s, m[2])
        sided = _unit(bent)
    sided = _times(sided, side)
    lacking = _LEAST_COSINE - _dot(sided, view)
    leaning = _plus(sided, view, max(lacking, _ZERO))
    n = _unit(leaning)

    # mirror = 2 c n - v, c = n . v
    g = _row(of_mirror, i)
    c = _dot(n, view)
    of_c = of_cosine[i] + _TWO * _dot(n, g)
    of_n = _plus(_plus(_row(of_normal, i), g, _TWO * c), view, of_c)
    of_view = _plus(_times(n, of_c), g, -_ONE)

    of_leaning = _through_unit(leaning, of_n)
    of_sided = of_leaning
    of_view = _plus(of_view, of_leaning, max(lacking, _ZERO))
    if lacking >= _ZERO:
        of_lacking = _dot(view, of_leaning)
        of_sided = _plus(of_sided, view, -of_lacking)
        of_view = _plus(of_view, sided, -of_lacking)
    of_sided = _times(of_sided, side)
    of_s = of_sided
    if mapped:
        of_bent = _through_unit(bent, of_sided)
        _set(
            for_tangent_normal,
            i,
            (_dot(of_bent, along), _dot(of_bent, up), _dot(of_bent, s)),
        )
        of_up = _times(of_bent, m[1])
        of_along = _plus(_times(of_bent, m[0]), _cross(of_up, s), _ONE)
        of_flat = _through_unit(flat, of_along)
        inside = _dot(s, of_flat)
        _set(for_tangent, i, _plus(of_flat, s, -inside))
        of_s = _plus(_times(of_bent, m[2]), _cross(along, of_up), _ONE)
        of_s = _plus(_plus(of_s, of_flat, -_dot(t, s)), t, -inside)
    _set(for_smooth, i, _through_unit(plain, of_s))
    _set(for_position, i, _times(_through_unit(to_camera, of_view), -_ONE))
    for_roughness[i] = of_level[i] * _level(roughness[i], levels, least)[1]


@njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _directions_backward(inputs, levels, least, gradients, results):  # type: ignore[no-untyped-def]
    count = len(inputs[1])
    for chunk in prange((count + _CHUNK - 1) // _CHUNK):
        for i in range(chunk * _CHUNK, min(count, (chunk + 1) * _CHUNK)):
            _directions_backward_at(i, inputs, levels, least, gradients, results)


@njit(cache=True, inline="always")
def _factor(table, cosine, roughness):  # type: ignore[no-untyped-def]
    """Scale and bias of F0, and how both change with n . v and with roughness."""
    size = _TABLE_SIZE
    last, half = np.float32(size - 1), np.float32(0.5)
    x, y = cosine * np.float32(size) - half, roughness * np.float32(size) - half
    inside_x = np.float32(size) if x >= _ZERO and x <= last else _ZERO
    inside_y = np.float32(size) if y >= _ZERO and y <= last else _ZERO
    x, y = min(max(x, _ZERO), last), min(max(y, _ZERO), last)
    # False for what is not a number, which must not become an index.
    left = min(np.int64(x), size - 2) if x > _ZERO else 0
    top = min(np.int64(y), size - 2) if y > _ZERO else 0
    right, down = x - np.float32(left), y - np.float32(top)
    a, c = top * size + left, (top + 1) * size + left
    upper0 = table[a, 0] + (table[a + 1, 0] - table[a, 0]) * right
    upper1 = table[a, 1] + (table[a + 1, 1] - table[a, 1]) * right
    lower0 = table[c, 0] + (table[c + 1, 0] - table[c, 0]) * right
    lower1 = table[c, 1] + (table[c + 1, 1] - table[c, 1]) * right
    up = _ONE - down
    return (
        upper0 + (lower0 - upper0) * down,
        upper1 + (lower1 - upper1) * down,
        ((table[a + 1, 0] - table[a, 0]) * up + (table[c + 1, 0] - table[c, 0]) * down) * inside_x,
        ((table[a + 1, 1] - table[a, 1]) * up + (table[c + 1, 1] - table[c, 1]) * down) * inside_x,
        (lower0 - upper0) * inside_y,
        (lower1 - upper1) * inside_y,
    )


@njit(cache=True, error_model="numpy")
def _radiance_at(i, inputs, results):  # type: ignore[no-untyped-def]
    kd, ks, shone, mirrored, cosine, table = inputs
    color = results[0]
    metalness, open_ = ks[i, 2], _ONE - ks[i, 0]
    scale, bias, _, _, _, _ = _factor(table, cosine[i], ks[i, 1])
    for k in range(3):
        f0 = _DIELECTRIC * (_ONE - metalness) + kd[i, k] * metalness
        diffuse = shone[i, k] * kd[i, k] * (_ONE - metalness)
        color[i, k] = (diffuse + mirrored[i, k] * (f0 * scale + bias)) * open_


@njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _radiance(inputs, results):  # type: ignore[no-untyped-def]
    count = len(inputs[1])
    for chunk in prange((count + _CHUNK - 1) // _CHUNK):
        for i in range(chunk * _CHUNK, min(count, (chunk + 1) * _CHUNK)):
            _radiance_at(i, inputs, results)


@njit(cache=True, error_model="numpy")
def _radiance_backward_at(i, inputs, gradients, results):  # type: ignore[no-untyped-def]
    kd, ks, shone, mirrored, cosine, table = inputs
    of_color = gradients[0]
    for_kd, for_ks, for_shone, for_mirrored, for_cosine = results
    metalness, open_ = ks[i, 2], _ONE - ks[i, 0]
    scale, bias, scale_x, bias_x, scale_y, bias_y = _factor(table, cosine[i], ks[i, 1])
    of_occlusion = of_metalness = of_scale = of_bias = _ZERO
    for k in range(3):
        albedo, light, seen, given = kd[i, k], shone[i, k], mirrored[i, k], of_color[i, k]
        f0 = _DIELECTRIC * (_ONE - metalness) + albedo * metalness
        share = f0 * scale + bias
        of_occlusion -= given * (light * albedo * (_ONE - metalness) + seen * share)
        g = given * open_
        for_mirrored[i, k] = g * share
        of_share = g * seen
        of_f0 = of_share * scale
        of_scale += of_share * f0
        of_bias += of_share
        of_diffuse = g * (_ONE - metalness)
        for_shone[i, k] = of_diffuse * albedo
        for_kd[i, k] = of_diffuse * light + of_f0 * metalness
        of_metalness += of_f0 * (albedo - _DIELECTRIC) - g * light * albedo
    for_ks[i, 0] = of_occlusion
    for_ks[i, 1] = of_scale * scale_y + of_bias * bias_y
    for_ks[i, 2] = of_metalness
    for_cosine[i] = of_scale * scale_x + of_bias * bias_x


@njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def _radiance_backward(inputs, gradients, results):  # type: ignore[no-untyped-def]
    count = len(inputs[1])
    for chunk in prange((count + _CHUNK - 1) // _CHUNK):
        for i in range(chunk * _CHUNK, min(count, (chunk + 1) * _CHUNK)):
            _radiance_backward_at(i, inputs, gradients, results)
