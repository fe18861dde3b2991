"""Pictures of an asset by Mitsuba, which this project uses in tests and benchmarks alone."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from diffrec import cameras
from relight.assets import MESH, Asset

Floats = NDArray[np.float32]
BOUNCES = 5  # the longest path, in surfaces


def traced(
    asset: Asset,
    light: Floats,
    poses: Floats,
    size: int,
    samples: int,
    *,
    scale: Floats | None = None,
    seed: int = 0,
) -> Floats:
    """Path traced pictures [N, size, size, 4]: linear RGB over black, and coverage.

    light: panorama, linear; poses: camera_from_world [N, 4, 4]; samples: of a pixel; scale:
    factors of the albedo. Occlusion is left out, since the surfaces themselves cast shadows.
    """
    mi = _mitsuba()
    albedo = asset.kd.numpy()
    kd = albedo if scale is None else np.asarray(albedo * scale, np.float32).clip(0, 1)
    surface = {
        "type": "normalmap",
        "normalmap": _map(mi, np.asarray(asset.normal.numpy() * 0.5 + 0.5, np.float32)),
        "bsdf": {
            "type": "principled",
            "base_color": _map(mi, kd),
            "roughness": _map(mi, asset.ks[..., 1:2].numpy()),
            "metallic": _map(mi, asset.ks[..., 2:3].numpy()),
            "specular": 0.5,
        },
    }
    return _render(mi, asset, surface, light, poses, size, samples, BOUNCES, seed)


def seen_of_light(asset: Asset, light: Floats, poses: Floats, size: int, samples: int) -> Floats:
    """Irradiance over pi [N, size, size, 4] that reaches the surface straight from the light."""
    mi = _mitsuba()
    white = {"type": "diffuse", "reflectance": {"type": "rgb", "value": 1.0}}
    return _render(mi, asset, white, light, poses, size, samples, 2, 0)


def _render(
    mi: Any,
    asset: Asset,
    surface: dict[str, Any],
    light: Floats,
    poses: Floats,
    size: int,
    samples: int,
    bounces: int,
    seed: int,
) -> Floats:
    scene = mi.load_dict(
        {
            "type": "scene",
            "integrator": {"type": "path", "max_depth": bounces, "hide_emitters": True},
            # Mitsuba's panorama has -z at its edge, ours in its middle.
            "light": {
                "type": "envmap",
                "bitmap": mi.Bitmap(np.ascontiguousarray(light)),
                "to_world": mi.ScalarTransform4f().rotate([0, 1, 0], 180),
            },
            "mesh": {
                "type": "obj",
                "filename": str(asset.folder / MESH),
                "bsdf": {"type": "twosided", "material": surface},
            },
        }
    )
    pictures = []
    for number, pose in enumerate(poses):
        sensor = mi.load_dict(_sensor(mi, pose, size, samples))
        pictures.append(np.array(mi.render(scene, sensor=sensor, seed=1000 * seed + number)))
    return np.stack(pictures).astype(np.float32)


def _sensor(mi: Any, pose: Floats, size: int, samples: int) -> dict[str, Any]:
    # Mitsuba's cameras look down +z with x to the left; ours look down -z.
    world_from_camera = np.linalg.inv(pose) @ np.diag([-1.0, 1.0, -1.0, 1.0])
    return {
        "type": "perspective",
        "fov": math.degrees(cameras.ORBIT_FOVY),
        "fov_axis": "y",
        "to_world": mi.ScalarTransform4f(world_from_camera),
        "film": {
            "type": "hdrfilm",
            "width": size,
            "height": size,
            "pixel_format": "rgba",
            "rfilter": {"type": "box"},
        },
        "sampler": {"type": "independent", "sample_count": samples},
    }


def _map(mi: Any, values: Floats) -> dict[str, Any]:
    return {"type": "bitmap", "bitmap": mi.Bitmap(np.ascontiguousarray(values)), "raw": True}


@cache
def _mitsuba() -> Any:
    import mitsuba as mi

    mi.set_log_level(mi.LogLevel.Error)
    if torch.cuda.is_available():
        try:
            mi.set_variant("cuda_ad_rgb")
            mi.load_dict({"type": "scene", "shape": {"type": "rectangle"}})
            return mi
        except Exception:  # what comes depends on what the driver lacks of OptiX
            pass
    mi.set_variant("scalar_rgb")  # which needs no LLVM
    return mi
