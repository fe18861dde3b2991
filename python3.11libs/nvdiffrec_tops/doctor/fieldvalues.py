"""What the fields of a training configuration may hold, as nvdiffrec's users know it.

Only what both engines refuse or misread is told here; the diffrec trainer itself is asked too.
"""

from __future__ import annotations

import json
import math
from typing import Any

CHOICES = {
    "background": ("black", "white", "checker", "reference"),
    "loss": ("logl1", "logl2", "mse", "smape", "relmse"),
    "isosurface": ("dmtet", "flexicubes"),
    "laplace": ("absolute", "relative"),
}
FLAGS = (
    "custom_mip", "random_textures", "validate", "camera_space_light", "lock_light", "lock_pos",
    "pre_load", "learn_light",
)  # fmt: skip
# Smallest value of whole numbers, and of other numbers.
WHOLE = {
    "iter": 1, "batch": 1, "spp": 1, "layers": 1, "display_interval": 0, "save_interval": 0,
    "dmtet_grid": 4,
}  # fmt: skip
NUMBERS = {
    "min_roughness": 0.0, "mesh_scale": 0.0, "env_scale": 0.0, "sdf_regularizer": 0.0,
    "laplace_scale": 0.0,
}  # fmt: skip
SIZES = ("train_res", "display_res", "texture_res")
RANGES = {"kd_min": (3, 4), "kd_max": (3, 4), "ks_min": (3,), "ks_max": (3,), "nrm_min": (3,),
          "nrm_max": (3,)}  # fmt: skip
TEXTS = ("out_dir", "ref_mesh", "base_mesh", "mtl_override", "envmap")
OPTIONAL = (*TEXTS, "display_res", "display")


def faults(configuration: dict[str, Any]) -> list[str]:
    """One sentence for each value that cannot be used: field, what stands there, what may."""
    found = []
    for name, value in configuration.items():
        if value is None and name in OPTIONAL:
            continue
        wanted = _wanted(name, value)
        if wanted:
            found.append(f'"{name}" is {_shown(value)}; allowed: {wanted}')
    if not found:
        for low, high in (("kd_min", "kd_max"), ("ks_min", "ks_max"), ("nrm_min", "nrm_max")):
            pairs = zip(configuration.get(low) or (), configuration.get(high) or (), strict=False)
            if any(a > b for a, b in pairs):
                found.append(f'"{low}" lies above "{high}" in a component')
    return found


def _wanted(name: str, value: Any) -> str:
    """What the field may hold; empty when ``value`` is that."""
    if name in CHOICES:
        good = isinstance(value, str) and value in CHOICES[name]
        return "" if good else ", ".join(CHOICES[name])
    if name in FLAGS:
        return "" if isinstance(value, bool) else "true or false, without quotes"
    if name in WHOLE:
        good = _is_whole(value) and value >= WHOLE[name]
        return "" if good else f"a whole number from {WHOLE[name]}"
    if name in NUMBERS:
        good = _is_number(value) and value >= NUMBERS[name]
        if name == "mesh_scale":
            return "" if good and value > 0 else "a number above 0"
        return "" if good else f"a number from {NUMBERS[name]:g}"
    if name in SIZES:
        good = isinstance(value, list) and len(value) == 2
        good = good and all(_is_whole(one) and one >= 1 for one in value)
        return "" if good else "[height, width] in pixels"
    if name in RANGES:
        good = isinstance(value, list) and len(value) in RANGES[name]
        good = good and all(_is_number(one) and -1 <= one <= 1 for one in value)
        return "" if good else f"a list of {' or '.join(map(str, RANGES[name]))} numbers"
    if name in TEXTS:
        return "" if isinstance(value, str) and value else "a text in double quotes"
    if name == "cam_near_far":
        good = isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))
        return "" if good and 0 < value[0] < value[1] else "[near, far] with 0 < near < far"
    if name == "learning_rate":
        return "" if _is_rate(value) else "a number, [pass 1, pass 2], or a pair of such per pass"
    if name == "display":
        return "" if _is_display(value) else 'a list of {"latlong": true}, {"relight": FILE}, …'
    return ""


def _is_rate(value: Any) -> bool:
    if not isinstance(value, list):
        return _is_number(value) and value >= 0
    return 1 <= len(value) <= 2 and all(
        (len(one) == 2 and all(_is_number(part) and part >= 0 for part in one))
        if isinstance(one, list)
        else _is_number(one) and one >= 0
        for one in value
    )


def _is_display(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict)
        and len(one) == 1
        and next(iter(one)) in ("latlong", "relight", "bsdf")
        for one in value
    )


def _is_number(value: Any) -> bool:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    return good and (isinstance(value, int) or math.isfinite(value))


def _is_whole(value: Any) -> bool:
    return _is_number(value) and (isinstance(value, int) or value.is_integer())


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
