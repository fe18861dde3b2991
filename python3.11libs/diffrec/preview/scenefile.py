"""What a training begins with, as one JSON file: configuration, box, cameras, photographs."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from diffrec import cameras
from diffrec.colour import linear_to_srgb
from diffrec.data.rendered import ReferenceMeshViews
from diffrec.data.views import ImageViews, Views
from nvdiffrec_contract.configuration import Config

FORMAT, VERSION = "tops-nvdiffrec-scene", 1
MOST_CAMERAS, MOST_PHOTOGRAPHS = 400, 60
EDGE = 128  # of a small photograph


def document(config: Config, training: Views, held_out: Views | None) -> bytes:
    """The file.

    ``configuration``: every field, as in a configuration file. ``box``: side of the cube around
    the origin in which the object was looked for, null where its shape was known. ``views``:
    ``name``, ``world_from_camera`` (columns one after the other, OpenGL's camera), ``fovy``
    (radians), ``aspect``, and for some ``photograph``, a JPEG as data URL.
    """
    views: list[dict[str, Any]] = []
    for one in (training, held_out):
        if isinstance(one, ImageViews):
            views = [*views, *(view for view in _photographed(one) if view not in views)]
    if not views and isinstance(held_out, ReferenceMeshViews):
        height, width = held_out.resolution
        views = [
            _view(held_out.names[i], pose, cameras.ORBIT_FOVY, width / height)
            for i in range(len(held_out))
            for pose in [cameras.turntable_pose(i, len(held_out))]
        ]
    found = {
        "format": FORMAT,
        "version": VERSION,
        "configuration": config.to_json(),
        "box": None if config.base_mesh else config.mesh_scale,
        "views": views[:MOST_CAMERAS],
    }
    return json.dumps(found, separators=(",", ":")).encode("ascii")


def _photographed(views: ImageViews) -> list[dict[str, Any]]:
    step = max(1, math.ceil(len(views) / MOST_PHOTOGRAPHS))
    found = []
    for number, name in enumerate(views.names[:MOST_CAMERAS]):
        pose, projection = views.camera(number)
        fovy = 2 * math.atan(1 / float(projection[1, 1]))
        aspect = float(projection[1, 1] / projection[0, 0])
        view = _view(name, pose, fovy, aspect)
        if number % step == 0:
            picture = views.batch([number]).image
            if picture is not None:
                view["photograph"] = _small(picture[0])
        found.append(view)
    return found


def _view(name: str, camera_from_world: Tensor, fovy: float, aspect: float) -> dict[str, Any]:
    pose = torch.linalg.inv(camera_from_world.double().cpu())
    columns = [round(value, 6) for value in pose.t().reshape(-1).tolist()]
    return {
        "name": name,
        "world_from_camera": columns,
        "fovy": round(fovy, 6),
        "aspect": round(aspect, 6),
    }


def _small(picture: Tensor) -> str:
    """A premultiplied linear picture [H, W, 4] over grey, as a data URL."""
    height, width = picture.shape[:2]
    factor = max(1.0, max(height, width) / EDGE)
    size = (max(1, round(height / factor)), max(1, round(width / factor)))
    planes = functional.interpolate(picture.permute(2, 0, 1)[None], size=size, mode="area")[0]
    shown = planes[:3] + (1 - planes[3:]) * 0.2
    pixels = linear_to_srgb(shown).clamp(0, 1).mul(255).round().to(torch.uint8)
    rows = pixels.permute(1, 2, 0).cpu().numpy()[..., ::-1]
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(rows), [cv2.IMWRITE_JPEG_QUALITY, 80])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")
