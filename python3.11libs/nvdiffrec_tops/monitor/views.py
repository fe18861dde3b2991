"""The views of a training: validation pictures, progress pictures, meshes, cameras."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from typing import Any

from nvdiffrec_contract import layout
from nvdiffrec_contract.files import read_inside
from nvdiffrec_contract.wording import shortened

from .files import RUN, File

PAGE = 48
"""Views that the page is told of at once."""
MOST_CAMERAS = 400
_LONGEST_PICTURE = 64 << 10
_VALIDATION = re.compile(r"(val_\d{1,9})_([A-Za-z0-9]{1,20})\.png")
_PROGRESS = re.compile(r"img_(dmtet_pass1|mesh_pass)_(\d{1,9})\.png")
_PHOTOGRAPH = re.compile(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+")
_LABELS = {
    "progress": "Progress",
    layout.VALIDATION[layout.FINAL]: "Validation",
    layout.VALIDATION[layout.FIRST]: "Validation of the first pass",
    "contact_sheet": "Contact sheet",
}


def groups(files: Mapping[str, File], prefix: str) -> list[dict[str, Any]]:
    """What pictures there are: ``name``, ``label`` and ``count`` of each group that has some."""
    found = []
    for name, label in _LABELS.items():
        count = len(_views(files, prefix, name))
        if count:
            found.append({"name": name, "label": label, "count": count})
    return found


def page(files: Mapping[str, File], prefix: str, group: str, number: int) -> dict[str, Any]:
    """One page of a group's views: ``name``, ``files`` by channel (``ref``, ``opt``, ``kd`` ...;
    ``strip`` for a picture of several in a row), ``psnr``. ``pages`` is how many there are."""
    views = _views(files, prefix, group)
    pages = max(1, math.ceil(len(views) / PAGE))
    chosen = list(views.items())[number * PAGE : (number + 1) * PAGE]
    psnr = _psnr(files, chosen, group)
    return {
        "pages": pages,
        "page": number,
        "count": len(views),
        "views": [
            {
                "name": name,
                "psnr": psnr.get(name),
                "files": {
                    channel: {"key": key, "revision": files[key].revision}
                    for channel, key in channels.items()
                },
            }
            for name, channels in chosen
        ],
    }


def _views(files: Mapping[str, File], prefix: str, group: str) -> dict[str, dict[str, str]]:
    """Of each view the key of each channel's picture."""
    found: dict[str, dict[str, str]] = {}
    if group not in _LABELS:
        return found
    if group == "contact_sheet":
        key = prefix + layout.CONTACT_SHEET
        return {"contact sheet": {"strip": key}} if key in files else found
    folder = prefix if group == "progress" else f"{prefix}{group}/"
    for key in files:
        if not key.startswith(folder):
            continue
        name = key[len(folder) :]
        if group == "progress":
            match = _PROGRESS.fullmatch(name)
            if match:
                order = {"dmtet_pass1": "pass 1", "mesh_pass": "pass 2"}[match[1]]
                label = f"{order}, picture {int(match[2])}"
                found[label] = {"strip": key}
        elif match := _VALIDATION.fullmatch(name):
            found.setdefault(match[1], {})[match[2]] = key
    return found


def _psnr(
    files: Mapping[str, File], views: list[tuple[str, dict[str, str]]], group: str
) -> dict[str, float]:
    """dB of the views, from the table beside their pictures."""
    if not views or group not in layout.VALIDATION.values():
        return {}
    file = files[next(iter(views[0][1].values()))]
    try:
        data = read_inside(file.folder, f"{group}/{layout.METRICS}", 8 << 20)
    except (OSError, ValueError):
        return {}
    found: dict[str, float] = {}
    for line in data.decode("ascii", "replace").split("\n")[1:]:
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) >= 3:
            try:
                value = float(cells[2])
            except ValueError:
                continue
            if math.isfinite(value):
                found[f"val_{cells[0]}"] = value
    return found


def newest_mesh(files: Mapping[str, File], running: bool) -> dict[str, Any]:
    """``mesh``: what the viewer is to load; None where there is nothing yet.

    ``kind`` is ``glb``, with everything inside, or ``obj``, with ``textures`` and ``probe`` beside
    it. ``revision`` changes with it.
    """
    preview = f"{layout.PREVIEW}/{layout.PREVIEW_MESH}"
    order = [RUN + preview, preview] if running else [preview, RUN + preview]
    folders = [layout.FINAL, layout.FIRST]
    if not running or order[0] in files:
        for key in order:
            if key in files:
                return {"mesh": {"kind": "glb", "key": key, "revision": files[key].revision}}
    prefixes = [RUN, ""] if running else ["", RUN]
    for prefix in prefixes:
        for folder in folders:
            base = f"{prefix}{folder}/"
            if f"{base}mesh.obj" in files:
                textures = {
                    name: f"{base}texture_{name}.png"
                    for name in ("kd", "ks", "n")
                    if f"{base}texture_{name}.png" in files
                }
                probe = f"{base}probe.hdr"
                mesh = {
                    "kind": "obj",
                    "key": f"{base}mesh.obj",
                    "revision": files[f"{base}mesh.obj"].revision,
                    "textures": textures,
                    "probe": probe if probe in files else None,
                }
                return {"mesh": mesh}
    return {"mesh": None}


def cameras(document: Any) -> dict[str, Any]:
    """The box and the cameras of a trainer's file, and nothing else of it."""
    if not isinstance(document, dict):
        return {}
    found = []
    listed = document.get("views")
    for view in listed[:MOST_CAMERAS] if isinstance(listed, list) else []:
        camera = _camera(view)
        if camera is not None:
            found.append(camera)
    box = document.get("box")
    return {"box": box if _is_number(box) else None, "views": found}


def _camera(view: Any) -> dict[str, Any] | None:
    if not isinstance(view, dict):
        return None
    matrix, fovy, aspect = (view.get(name) for name in ("world_from_camera", "fovy", "aspect"))
    whole = isinstance(matrix, list) and len(matrix) == 16 and all(map(_is_number, matrix))
    if not whole or not _is_number(fovy) or not _is_number(aspect):
        return None
    photograph = view.get("photograph")
    if not isinstance(photograph, str) or len(photograph) > _LONGEST_PICTURE:
        photograph = ""
    return {
        "name": shortened(os.path.basename(str(view.get("name", ""))), 80),
        "matrix": matrix,
        "fovy": fovy,
        "aspect": aspect,
        "photograph": photograph if _PHOTOGRAPH.fullmatch(photograph) else None,
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9
