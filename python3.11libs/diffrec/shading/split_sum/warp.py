# Kernels are in Warp's language: float(0) declares a variable that changes, annotations are not
# types, and vectors and arrays have operations that their Python stand-ins lack.
# ruff: noqa: UP018
# mypy: disable-error-code="index, valid-type, no-untyped-def, misc, operator, arg-type"
"""Shading of visible points with NVIDIA Warp: one kernel, and one for all its gradients.

Formulas: `reference`, `brdf_table`, `cubemap` and `cubefilter.level_of_roughness`;
the backward kernel makes the forward's intermediate values again rather than keep them. What is
absent, and gradients that nobody wants, are arrays without rows. Gradients of texels are summed
atomically: on CUDA their last bits vary from run to run.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
import warp as wp
from torch import Tensor

from diffrec.materials.surface import MaterialSample
from diffrec.ops import cubemap
from diffrec.ops.warp import bounds, launch, start_warp
from diffrec.shading.points import VisiblePoints
from diffrec.shading.split_sum import brdf_table, constants
from diffrec.shading.split_sum.prefiltered import PrefilteredLight
from diffrec.shading.split_sum.warp_cube import (
    add_taps,
    fetch,
    level_of,
    of_direction,
    project,
    row_of,
    slopes,
    taps_around,
)
from diffrec.shading.split_sum.warp_normal import (
    frame_of,
    set_row,
    through_frame,
    through_unit,
    unit,
)

start_warp()

TURNS = True

_BLOCK = 128  # threads that make gradients together: each needs many registers
wp.set_module_options({"enable_backward": False, "block_dim": _BLOCK})

DIELECTRIC = wp.constant(constants.DIELECTRIC)
TABLE_SIZE = wp.constant(constants.TABLE_SIZE)
_INPUTS = 8


def shade(
    points: VisiblePoints,
    sample: MaterialSample,
    light: PrefilteredLight,
    camera_position: Tensor,
    camera_from_world: Tensor | None,
    wants_normal: bool,
) -> tuple[Tensor, Tensor | None]:
    """As `shade` beside this module."""
    packed = light.packed
    if packed is None:
        packed = torch.cat([level.reshape(-1, 3) for level in light.specular])
    result: tuple[Tensor, Tensor | None] = Shade.apply(  # type: ignore[no-untyped-call]
        sample.normal,
        points.normal,
        points.tangent,
        points.position,
        sample.kd,
        sample.ks,
        packed,
        light.irradiance,
        points.pixels,
        points.pixels_per_view,
        camera_position,
        camera_from_world,
        tuple(level.shape[1] for level in light.specular),
        light.least_roughness,
        brdf_table.table(str(packed.device)),
        wants_normal,
    )
    return result


class Shade(torch.autograd.Function):
    """Outgoing radiance [P, 3], linear RGB, and on demand the shading normal [P, 3], world.

    Rows without a pixel (-1) give black and get no gradient.

    Arguments: tangent_normal, smooth_normal, tangent (or None), position, kd, ks [P, 3]; texels
    [T, 3], the light's specular levels one after another; irradiance [6, R, R, 3]; then, without
    gradients, pixels [P] int64 and how many of them a view has, camera_position [B, 3],
    camera_from_world [B, 4, 4] or None for a light in the world's frame, edges of the levels,
    least roughness, brdf_table.table, whether the normal is wanted.
    """

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, Tensor | None]:
        count, like = inputs[0].shape[0], inputs[0]
        wants_normal = inputs[-1]
        irradiance = inputs[7].reshape(-1, 3)
        # Described once for both kernels; the tensors themselves live in what is saved.
        ctx.scene = _scene((*inputs[:7], irradiance, *inputs[8:]), inputs[7].shape[1])
        color = torch.empty((count, 3), dtype=torch.float32, device=like.device)
        normal = torch.empty_like(color) if wants_normal else None
        launch(_shade, count, [*ctx.scene, color, normal], like.device)
        ctx.set_materialize_grads(False)
        tensors = (x if isinstance(x, Tensor) else None for x in inputs)
        ctx.save_for_backward(*tensors, irradiance)
        return color, normal

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, of_color: Tensor | None, of_normal: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        inputs = ctx.saved_tensors
        device = inputs[0].device
        wanted = list(ctx.needs_input_grad[:_INPUTS])
        if inputs[2] is None:
            wanted[0] = False  # without tangents the tangent-space normal is not read
        outputs: list[Tensor | None] = [
            torch.empty_like(x) if want else None
            for x, want in zip(inputs[:6], wanted[:6], strict=True)
        ]
        rows = [inputs[k].numel() // 3 if wanted[k] else 0 for k in (6, 7)]
        if any(rows):
            of_light = torch.zeros((sum(rows), 4), dtype=torch.float32, device=device)
            of_texels, of_irradiance = torch.split(of_light, rows)
            outputs += [of_texels if wanted[6] else None, of_irradiance if wanted[7] else None]
        else:
            outputs += [None, None]
        given = [*ctx.scene, of_color, of_normal, *outputs]
        launch(_shade_backward, inputs[0].shape[0], given, device)
        if wanted[6]:
            outputs[6] = of_texels[:, :3].contiguous()
        if wanted[7]:
            outputs[7] = of_irradiance[:, :3].reshape(inputs[7].shape)
        return (*outputs, *(None for _ in ctx.needs_input_grad[_INPUTS:]))


def _scene(inputs: Sequence[Any], irradiance_edge: int) -> list[Any]:
    """The kernels' common arguments, from those of `Shade` with the irradiance [T, 3]."""
    points_and_light = inputs[:_INPUTS]
    pixels, pixels_per_view, camera, rotation, sizes, least_roughness, table, _ = inputs[_INPUTS:]
    return [
        *(_described(x) for x in points_and_light),
        _described(pixels, wp.int64),
        pixels_per_view,
        _described(camera),
        _described(rotation),
        *_levels((*sizes, irradiance_edge), str(pixels.device)),
        max(least_roughness, 0.08),
        _described(table),
    ]


def _described(values: Tensor | None, dtype: Any = wp.float32) -> Any:
    """A tensor as kernels take it, any strides. Raises RuntimeError for another scalar type."""
    if values is None:
        return None
    return wp.from_torch(values.detach(), dtype, requires_grad=False, return_ctype=True)


@functools.lru_cache(maxsize=16)
def _levels(sizes: tuple[int, ...], device: str) -> tuple[Any, Any]:
    """Bordered indices of all levels, and per level its edge, first texel and first index.

    The last level is the irradiance, whose texels stand in an array of their own: its first texel
    is what its indices are too large by.
    """
    bordered, starts = cubemap.bordered_tables(sizes, device)
    rows, first = [], 0
    for size, start in zip(sizes, starts.tolist(), strict=True):
        rows.append((size, first, start))
        first += 6 * size * size
    levels = torch.tensor(rows, dtype=torch.int32, device=device)
    return wp.from_torch(bordered), wp.from_torch(levels)


@wp.struct
class _Factor:
    """Scale and bias of F0, and how both change with n . v and roughness."""

    value: wp.vec2
    of_cosine: wp.vec2
    of_roughness: wp.vec2


@wp.func
def _pair(table: wp.array2d(dtype=wp.float32), i: int) -> wp.vec2:
    return wp.vec2(table[i, 0], table[i, 1])


@wp.func
def _factor(table: wp.array2d(dtype=wp.float32), cosine: float, roughness: float) -> _Factor:
    size = TABLE_SIZE
    last = float(size - 1)
    x = cosine * float(size) - 0.5
    y = roughness * float(size) - 0.5
    inside_x = float(0.0)
    if x >= 0.0 and x <= last:
        inside_x = float(size)
    inside_y = float(0.0)
    if y >= 0.0 and y <= last:
        inside_y = float(size)
    x = wp.clamp(x, 0.0, last)
    y = wp.clamp(y, 0.0, last)
    left = 0
    if x > 0.0:  # false for what is not a number, which must not become an index
        left = wp.min(int(x), size - 2)
    top = 0
    if y > 0.0:
        top = wp.min(int(y), size - 2)
    right = x - float(left)
    down = y - float(top)
    a = _pair(table, top * size + left)
    b = _pair(table, top * size + left + 1)
    c = _pair(table, (top + 1) * size + left)
    d = _pair(table, (top + 1) * size + left + 1)
    factor = _Factor()
    upper = a + (b - a) * right
    lower = c + (d - c) * right
    factor.value = upper + (lower - upper) * down
    factor.of_cosine = ((b - a) * (1.0 - down) + (d - c) * down) * inside_x
    factor.of_roughness = (lower - upper) * inside_y
    return factor


@wp.func
def _rotation(camera_from_world: wp.array3d(dtype=wp.float32), view: int) -> wp.mat33:
    """From the world to the frame of the light."""
    rotation = wp.mat33(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    if camera_from_world.shape[0] > 0:
        for i in range(3):
            for j in range(3):
                rotation[i, j] = camera_from_world[view, i, j]
    return rotation


@wp.kernel
def _shade(
    tangent_normal: wp.array2d(dtype=wp.float32),
    smooth: wp.array2d(dtype=wp.float32),
    tangent: wp.array2d(dtype=wp.float32),
    position: wp.array2d(dtype=wp.float32),
    kd: wp.array2d(dtype=wp.float32),
    ks: wp.array2d(dtype=wp.float32),
    texels: wp.array2d(dtype=wp.float32),
    irradiance: wp.array2d(dtype=wp.float32),
    pixels: wp.array(dtype=wp.int64),
    pixels_per_view: int,
    camera: wp.array2d(dtype=wp.float32),
    camera_from_world: wp.array3d(dtype=wp.float32),
    bordered: wp.array(dtype=wp.int64),
    levels: wp.array2d(dtype=wp.int32),
    least_roughness: float,
    table: wp.array2d(dtype=wp.float32),
    color: wp.array2d(dtype=wp.float32),
    shading_normal: wp.array2d(dtype=wp.float32),
):
    i = wp.tid()
    if pixels[i] < wp.int64(0):
        set_row(color, i, wp.vec3(0.0, 0.0, 0.0))
        if shading_normal.shape[0] > 0:
            set_row(shading_normal, i, wp.vec3(0.0, 0.0, 0.0))
        return
    view = int(pixels[i]) // pixels_per_view
    mapped = tangent.shape[0] > 0
    along = wp.vec3(0.0, 0.0, 0.0)
    if mapped:
        along = row_of(tangent, i)
    to_camera = row_of(camera, view) - row_of(position, i)
    f = frame_of(row_of(tangent_normal, i), row_of(smooth, i), along, mapped, to_camera)
    if shading_normal.shape[0] > 0:
        set_row(shading_normal, i, f.normal)

    rotation = _rotation(camera_from_world, view)
    n = unit(rotation * f.normal)
    v = unit(rotation * to_camera)
    cosine = wp.dot(n, v)
    reflected = 2.0 * cosine * n - v
    occlusion = ks[i, 0]
    roughness = ks[i, 1]
    metalness = ks[i, 2]
    albedo = row_of(kd, i)

    count = levels.shape[0] - 1
    around = taps_around(project(n), count, levels[count, 1], levels, bordered)
    diffuse = wp.cw_mul(fetch(irradiance, around), albedo) * (1.0 - metalness)
    level = level_of(roughness, count, least_roughness)
    place = project(reflected)
    mirrored = fetch(texels, taps_around(place, level.lower, 0, levels, bordered))
    if count > 1:
        above = fetch(texels, taps_around(place, level.lower + 1, 0, levels, bordered))
        mirrored = mirrored * (1.0 - level.share) + above * level.share
    factor = _factor(table, cosine, roughness)
    f0 = wp.vec3(DIELECTRIC, DIELECTRIC, DIELECTRIC) * (1.0 - metalness) + albedo * metalness
    bias = wp.vec3(factor.value[1], factor.value[1], factor.value[1])
    specular = wp.cw_mul(mirrored, f0 * factor.value[0] + bias)
    set_row(color, i, (diffuse + specular) * (1.0 - occlusion))


@wp.kernel(**bounds(_BLOCK, 3))
def _shade_backward(
    tangent_normal: wp.array2d(dtype=wp.float32),
    smooth: wp.array2d(dtype=wp.float32),
    tangent: wp.array2d(dtype=wp.float32),
    position: wp.array2d(dtype=wp.float32),
    kd: wp.array2d(dtype=wp.float32),
    ks: wp.array2d(dtype=wp.float32),
    texels: wp.array2d(dtype=wp.float32),
    irradiance: wp.array2d(dtype=wp.float32),
    pixels: wp.array(dtype=wp.int64),
    pixels_per_view: int,
    camera: wp.array2d(dtype=wp.float32),
    camera_from_world: wp.array3d(dtype=wp.float32),
    bordered: wp.array(dtype=wp.int64),
    levels: wp.array2d(dtype=wp.int32),
    least_roughness: float,
    table: wp.array2d(dtype=wp.float32),
    for_color: wp.array2d(dtype=wp.float32),
    for_shading_normal: wp.array2d(dtype=wp.float32),
    for_tangent_normal: wp.array2d(dtype=wp.float32),
    for_smooth: wp.array2d(dtype=wp.float32),
    for_tangent: wp.array2d(dtype=wp.float32),
    for_position: wp.array2d(dtype=wp.float32),
    for_kd: wp.array2d(dtype=wp.float32),
    for_ks: wp.array2d(dtype=wp.float32),
    for_texels: wp.array2d(dtype=wp.float32),
    for_irradiance: wp.array2d(dtype=wp.float32),
):
    i = wp.tid()
    if pixels[i] < wp.int64(0):
        nothing = wp.vec3(0.0, 0.0, 0.0)
        if for_tangent_normal.shape[0] > 0:
            set_row(for_tangent_normal, i, nothing)
        if for_smooth.shape[0] > 0:
            set_row(for_smooth, i, nothing)
        if for_tangent.shape[0] > 0:
            set_row(for_tangent, i, nothing)
        if for_position.shape[0] > 0:
            set_row(for_position, i, nothing)
        if for_kd.shape[0] > 0:
            set_row(for_kd, i, nothing)
        if for_ks.shape[0] > 0:
            set_row(for_ks, i, nothing)
        return
    view = int(pixels[i]) // pixels_per_view
    mapped = tangent.shape[0] > 0
    along = wp.vec3(0.0, 0.0, 0.0)
    if mapped:
        along = row_of(tangent, i)
    to_camera = row_of(camera, view) - row_of(position, i)
    f = frame_of(row_of(tangent_normal, i), row_of(smooth, i), along, mapped, to_camera)
    of_normal = wp.vec3(0.0, 0.0, 0.0)
    if for_shading_normal.shape[0] > 0:
        of_normal = row_of(for_shading_normal, i)
    of_camera = wp.vec3(0.0, 0.0, 0.0)
    of_albedo = wp.vec3(0.0, 0.0, 0.0)
    of_occlusion = float(0.0)
    of_roughness = float(0.0)
    of_metalness = float(0.0)

    if for_color.shape[0] > 0:
        rotation = _rotation(camera_from_world, view)
        turned_normal = rotation * f.normal
        turned_camera = rotation * to_camera
        n = unit(turned_normal)
        v = unit(turned_camera)
        cosine = wp.dot(n, v)
        reflected = 2.0 * cosine * n - v
        roughness = ks[i, 1]
        metalness = ks[i, 2]
        albedo = row_of(kd, i)
        dielectric = wp.vec3(DIELECTRIC, DIELECTRIC, DIELECTRIC)
        f0 = dielectric * (1.0 - metalness) + albedo * metalness
        count = levels.shape[0] - 1
        place = project(n)
        around = taps_around(place, count, levels[count, 1], levels, bordered)
        shone = fetch(irradiance, around)
        level = level_of(roughness, count, least_roughness)
        mirror = project(reflected)
        lower = taps_around(mirror, level.lower, 0, levels, bordered)
        upper = lower
        below = fetch(texels, lower)
        mirrored = below
        change = wp.vec3(0.0, 0.0, 0.0)
        if count > 1:
            upper = taps_around(mirror, level.lower + 1, 0, levels, bordered)
            change = fetch(texels, upper) - below
            mirrored = below + change * level.share
        factor = _factor(table, cosine, roughness)
        share = f0 * factor.value[0] + wp.vec3(factor.value[1], factor.value[1], factor.value[1])

        g = row_of(for_color, i)
        clear = wp.cw_mul(shone, albedo)
        of_occlusion = -wp.dot(g, clear * (1.0 - metalness) + wp.cw_mul(mirrored, share))
        g = g * (1.0 - ks[i, 0])
        of_diffuse = g * (1.0 - metalness)
        of_shone = wp.cw_mul(of_diffuse, albedo)
        of_mirrored = wp.cw_mul(g, share)
        of_share = wp.cw_mul(g, mirrored)
        of_f0 = of_share * factor.value[0]
        of_scale = wp.dot(of_share, f0)
        of_bias = of_share[0] + of_share[1] + of_share[2]
        of_albedo = wp.cw_mul(of_diffuse, shone) + of_f0 * metalness
        of_metalness = wp.dot(of_f0, albedo - dielectric) - wp.dot(g, clear)
        of_roughness = of_scale * factor.of_roughness[0] + of_bias * factor.of_roughness[1]
        of_roughness += wp.dot(of_mirrored, change) * level.slope
        of_cosine = of_scale * factor.of_cosine[0] + of_bias * factor.of_cosine[1]

        of_lower = of_mirrored * (1.0 - level.share)
        of_upper = of_mirrored * level.share
        of_mirror = slopes(texels, lower, of_lower, levels[level.lower, 0])
        add_taps(for_texels, lower, of_lower)
        if count > 1:
            of_mirror += slopes(texels, upper, of_upper, levels[level.lower + 1, 0])
            add_taps(for_texels, upper, of_upper)
        of_reflected = of_direction(mirror, of_mirror)
        add_taps(for_irradiance, around, of_shone)
        of_n = of_direction(place, slopes(irradiance, around, of_shone, levels[count, 0]))
        of_cosine += 2.0 * wp.dot(n, of_reflected)
        of_n += 2.0 * cosine * of_reflected + of_cosine * v
        of_v = of_cosine * n - of_reflected
        back = wp.transpose(rotation)
        of_normal += back * through_unit(turned_normal, of_n)
        of_camera = back * through_unit(turned_camera, of_v)

    of_frame = through_frame(
        f, row_of(tangent_normal, i), row_of(smooth, i), along, mapped, of_normal
    )
    if for_tangent_normal.shape[0] > 0:
        set_row(for_tangent_normal, i, of_frame.tangent_normal)
    if for_smooth.shape[0] > 0:
        set_row(for_smooth, i, of_frame.smooth)
    if for_tangent.shape[0] > 0:
        set_row(for_tangent, i, of_frame.tangent)
    if for_position.shape[0] > 0:
        set_row(for_position, i, -(of_camera + of_frame.to_camera))
    if for_kd.shape[0] > 0:
        set_row(for_kd, i, of_albedo)
    if for_ks.shape[0] > 0:
        for_ks[i, 0] = of_occlusion
        for_ks[i, 1] = of_roughness
        for_ks[i, 2] = of_metalness
