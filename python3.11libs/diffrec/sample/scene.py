"""Writes the sample scene."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from diffrec.errors import DiffrecError
from diffrec.sample.pictures import sky, textures
from diffrec.sample.shape import obj_text, sample_surface
from nvdiffrec_contract.files import replace_file

# A preview that a laptop trains in minutes. Only fields that nvdiffrec knows stand outside
# "diffrec", and the grid is one that it ships, so that either engine takes the file.
CONFIGURATION: dict[str, Any] = {
    "ref_mesh": "sample.obj",
    "envmap": "sky.hdr",
    "random_textures": True,
    "iter": 200,
    "save_interval": 50,
    "texture_res": [512, 512],
    "train_res": [128, 128],
    "batch": 4,
    "learning_rate": [0.03, 0.01],
    "ks_min": [0, 0.08, 0],
    "dmtet_grid": 32,
    "mesh_scale": 2.1,
    "background": "white",
    "validate": True,
    "display": [{"latlong": True}, {"bsdf": "kd"}, {"bsdf": "ks"}, {"bsdf": "normal"}],
    "out_dir": "sample",
    "diffrec": {"light_res": 128, "validation_views": 8},
}

MTL = """newmtl defaultMat
bsdf pbr
map_Kd sample_kd.png
map_Ks sample_ks.png
"""


def write_sample(folder: Path) -> list[str]:
    """Write the sample scene; returns the names of the files that were missing or different.

    Each file is written under a temporary name and renamed. A second call changes nothing.

    Raises:
        DiffrecError: the folder cannot be written.
    """
    kd, ks = textures()
    files = {
        "sample.obj": obj_text(sample_surface(), "sample.mtl", "defaultMat").encode("ascii"),
        "sample.mtl": MTL.encode("ascii"),
        "sample_kd.png": _encoded(".png", np.rint(kd * 255).astype(np.uint8)),
        "sample_ks.png": _encoded(".png", np.rint(ks * 255).astype(np.uint8)),
        "sky.hdr": _encoded(".hdr", sky()),
        "sample.json": _json(CONFIGURATION),
        "sample_flexi.json": _json(
            {**CONFIGURATION, "isosurface": "flexicubes", "out_dir": "sample_flexi"}
        ),
    }
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            path = folder / name
            if path.is_file() and path.read_bytes() == data:
                continue
            replace_file(path, data)
            written.append(name)
    except OSError as error:
        raise DiffrecError(f"{folder}: the sample cannot be written: {error.strerror}") from None
    return written


def _json(configuration: dict[str, Any]) -> bytes:
    return (json.dumps(configuration, indent=4) + "\n").encode("ascii")


def _encoded(suffix: str, picture: NDArray[Any]) -> bytes:
    good, data = cv2.imencode(suffix, np.ascontiguousarray(picture[..., ::-1]))
    if not good:
        raise DiffrecError(f"OpenCV cannot write {suffix} pictures; reinstall it")
    return bytes(data.tobytes())
