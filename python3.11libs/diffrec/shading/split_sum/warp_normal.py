# Kernels are in Warp's language: float(0) declares a variable that changes, annotations are not
# types, and vectors and arrays have operations that their Python stand-ins lack.
# ruff: noqa: UP018
# mypy: disable-error-code="index, valid-type, no-untyped-def, misc, operator, arg-type"
"""Shading normals inside Warp kernels, with gradients: bent by a material, facing the viewer.

Formulas: `reference.perturbed_normal`.
"""

from __future__ import annotations

import warp as wp

from diffrec.ops.warp import start_warp
from diffrec.shading.split_sum import constants

start_warp()
wp.set_module_options({"enable_backward": False})

LEAST_COSINE = wp.constant(constants.LEAST_COSINE)
_SHORT = wp.constant(1.0e-12)


@wp.func
def set_row(values: wp.array2d(dtype=wp.float32), i: int, v: wp.vec3):
    for k in range(3):
        values[i, k] = v[k]


@wp.func
def unit(v: wp.vec3) -> wp.vec3:
    return v / wp.max(wp.length(v), _SHORT)


@wp.func
def through_unit(v: wp.vec3, gradient: wp.vec3) -> wp.vec3:
    """The gradient of v by that of its unit vector."""
    length = wp.length(v)
    result = gradient / wp.max(length, _SHORT)
    if length >= _SHORT:
        direction = v / length
        result = result - direction * wp.dot(direction, result)
    return result


@wp.struct
class Frame:
    """The steps from a point's attributes to its shading normal; unit vectors but for `flat`."""

    to_camera: wp.vec3
    view: wp.vec3
    smooth: wp.vec3
    flat: wp.vec3  # the tangent without its part along the smooth normal
    along: wp.vec3
    up: wp.vec3
    bent: wp.vec3  # by the tangent-space normal; not of unit length
    sided: wp.vec3  # on the viewer's side of the surface
    side: float
    lacking: float  # n . v lacks so much of the least cosine; negative where it does not
    leaning: wp.vec3  # towards the view; not of unit length
    normal: wp.vec3


@wp.func
def frame_of(
    tangent_normal: wp.vec3, smooth: wp.vec3, tangent: wp.vec3, mapped: bool, to_camera: wp.vec3
) -> Frame:
    f = Frame()
    f.to_camera = to_camera
    f.view = unit(to_camera)
    f.smooth = unit(smooth)
    f.side = float(1.0)
    if wp.dot(f.smooth, f.view) < 0.0:
        f.side = -1.0
    f.sided = f.smooth
    if mapped:
        f.flat = tangent - f.smooth * wp.dot(tangent, f.smooth)
        f.along = unit(f.flat)
        f.up = wp.cross(f.smooth, f.along)
        f.bent = (
            f.along * tangent_normal[0] + f.up * tangent_normal[1] + f.smooth * tangent_normal[2]
        )
        f.sided = unit(f.bent)
    f.sided = f.sided * f.side
    f.lacking = LEAST_COSINE - wp.dot(f.sided, f.view)
    f.leaning = f.sided + wp.max(f.lacking, 0.0) * f.view
    f.normal = unit(f.leaning)
    return f


@wp.struct
class FrameGradient:
    tangent_normal: wp.vec3
    smooth: wp.vec3
    tangent: wp.vec3
    to_camera: wp.vec3


@wp.func
def through_frame(
    f: Frame,
    tangent_normal: wp.vec3,
    smooth: wp.vec3,
    tangent: wp.vec3,
    mapped: bool,
    of_normal: wp.vec3,
) -> FrameGradient:
    """Gradients of what `frame_of` was made of."""
    result = FrameGradient()
    of_leaning = through_unit(f.leaning, of_normal)
    of_sided = of_leaning
    of_view = wp.max(f.lacking, 0.0) * of_leaning
    if f.lacking >= 0.0:
        of_lacking = wp.dot(f.view, of_leaning)
        of_sided -= of_lacking * f.view
        of_view -= of_lacking * f.sided
    of_sided = of_sided * f.side
    of_smooth = of_sided
    if mapped:
        of_bent = through_unit(f.bent, of_sided)
        result.tangent_normal = wp.vec3(
            wp.dot(of_bent, f.along), wp.dot(of_bent, f.up), wp.dot(of_bent, f.smooth)
        )
        of_up = of_bent * tangent_normal[1]
        of_along = of_bent * tangent_normal[0] + wp.cross(of_up, f.smooth)
        of_flat = through_unit(f.flat, of_along)
        inside = wp.dot(f.smooth, of_flat)
        result.tangent = of_flat - f.smooth * inside
        of_smooth = of_bent * tangent_normal[2] + wp.cross(f.along, of_up)
        of_smooth -= of_flat * wp.dot(tangent, f.smooth) + tangent * inside
    result.smooth = through_unit(smooth, of_smooth)
    result.to_camera = through_unit(f.to_camera, of_view)
    return result
