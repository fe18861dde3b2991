"""Projects of other tools, written as their documents say, with the sums that these give.

Nothing here is the product's: each function writes a format's own numbers, and ``*_pixels`` says by
the formula of its document where a point of the camera's axes falls.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pose = tuple[Array, Array]
"""World to camera (axes right, down, forward), and the camera's centre."""


def photograph(path: Path, size: tuple[int, int]) -> Path:
    """A picture file of a (height, width)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((*size, 3), np.uint8))
    return path


def quaternion(turn: Array) -> Array:
    """(w, x, y, z) of a rotation, by its eigenvector (Bar-Itzhack 2000)."""
    (a, b, c), (d, e, f), (g, h, i) = turn
    k = np.array(
        [
            [a + e + i, h - f, c - g, d - b],
            [h - f, a - e - i, b + d, c + g],
            [c - g, b + d, e - a - i, f + h],
            [d - b, c + g, f + h, i - a - e],
        ]
    )
    return np.asarray(np.linalg.eigh(k / 3)[1][:, -1])


# COLMAP --------------------------------------------------------------------------------------

COLMAP_MODELS: dict[str, int] = {
    "SIMPLE_PINHOLE": 0, "PINHOLE": 1, "SIMPLE_RADIAL": 2, "RADIAL": 3, "OPENCV": 4,
    "OPENCV_FISHEYE": 5, "FULL_OPENCV": 6, "FOV": 7, "SIMPLE_RADIAL_FISHEYE": 8,
    "RADIAL_FISHEYE": 9, "THIN_PRISM_FISHEYE": 10,
}  # fmt: skip


def colmap_pixels(model: str, given: Sequence[float], points: Array) -> Array:
    """COLMAP's *Camera Models*."""
    single = model.startswith("SIMPLE") or model in ("RADIAL", "RADIAL_FISHEYE")
    fx, fy = (given[0], given[0]) if single else given[:2]
    cx, cy, *k = given[1:] if single else given[2:]
    x, y = (points[:, :2] / points[:, 2:]).T
    r = np.hypot(x, y)
    if "FISHEYE" in model:
        theta = np.where(r > 1e-9, np.arctan(r) / np.maximum(r, 1e-9), 1)
        x, y, r = x * theta, y * theta, r * theta
    r2 = r**2
    if model == "FOV":
        factor = np.arctan(2 * r * math.tan(k[0] / 2)) / (k[0] * r)
        x, y = x * factor, y * factor
    elif model in ("SIMPLE_RADIAL", "RADIAL", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE"):
        factor = 1 + k[0] * r2 + (k[1] if len(k) > 1 else 0) * r2**2
        x, y = x * factor, y * factor
    elif model == "OPENCV_FISHEYE":
        factor = 1 + k[0] * r2 + k[1] * r2**2 + k[2] * r2**3 + k[3] * r2**4
        x, y = x * factor, y * factor
    elif k:
        k1, k2, p1, p2 = k[:4]
        factor = 1 + k1 * r2 + k2 * r2**2
        prism = (0.0, 0.0)
        if model == "FULL_OPENCV":
            k3, k4, k5, k6 = k[4:]
            factor = (factor + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
        if model == "THIN_PRISM_FISHEYE":
            k3, k4, *rest = k[4:]
            factor = factor + k3 * r2**3 + k4 * r2**4
            prism = (rest[0], rest[1])
        x, y = (
            x * factor + 2 * p1 * x * y + p2 * (r2 + 2 * x**2) + prism[0] * r2,
            y * factor + 2 * p2 * x * y + p1 * (r2 + 2 * y**2) + prism[1] * r2,
        )
    return np.stack([fx * x + cx, fy * y + cy], axis=1)


Camera = tuple[str, tuple[int, int], Sequence[float]]
"""COLMAP's model, (height, width), parameters."""


def colmap(
    folder: Path,
    shots: Sequence[tuple[str, Camera, Pose]],
    points: Array,
    binary: bool,
    tracks: Sequence[Sequence[int]] | None = None,
) -> Path:
    """cameras, images and points3D in the form of COLMAP 3, which has no rigs."""
    folder.mkdir(parents=True, exist_ok=True)
    tracks = tracks or [range(len(shots))] * len(points)
    rows = {i: [p for p, by in enumerate(tracks) if i in by] for i in range(len(shots))}
    texts: dict[str, list[str]] = {"cameras": ["# cameras"], "images": [], "points3D": []}
    data = {name: bytearray() for name in texts}
    for i, (name, (model, (height, width), given), (turn, centre)) in enumerate(shots):
        move = -turn @ centre
        pose = [*quaternion(turn), *move]
        texts["cameras"].append(f"{i + 1} {model} {width} {height} {_text(given)}")
        texts["images"].append(f"{i + 1} {_text(pose)} {i + 1} {name}")
        texts["images"].append(
            " ".join(f"{10.5 + k} {20.5} {p + 1}" for k, p in enumerate(rows[i]))
        )
        data["cameras"] += struct.pack("<IiQQ", i + 1, COLMAP_MODELS[model], width, height)
        data["cameras"] += struct.pack(f"<{len(given)}d", *given)
        data["images"] += struct.pack("<I7dI", i + 1, *pose, i + 1) + name.encode() + b"\0"
        data["images"] += struct.pack("<Q", len(rows[i]))
        for k, p in enumerate(rows[i]):
            data["images"] += struct.pack("<ddQ", 10.5 + k, 20.5, p + 1)
    for p, point in enumerate(points):
        track = [(i + 1, rows[i].index(p)) for i in tracks[p]]
        joined = " ".join(f"{a} {b}" for a, b in track)
        texts["points3D"].append(f"{p + 1} {_text(point)} 1 2 3 0.5 {joined}")
        data["points3D"] += struct.pack("<QdddBBBdQ", p + 1, *point, 1, 2, 3, 0.5, len(track))
        for a, b in track:
            data["points3D"] += struct.pack("<II", a, b)
    counts = {"cameras": len(shots), "images": len(shots), "points3D": len(points)}
    for name, lines in texts.items():
        if binary:
            (folder / f"{name}.bin").write_bytes(struct.pack("<Q", counts[name]) + data[name])
        else:
            (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return folder


# transforms.json -----------------------------------------------------------------------------


def opengl(pose: Pose) -> Array:
    """Camera to world [4, 4], axes right, up, back."""
    turn, centre = pose
    found = np.eye(4)
    found[:3, :3] = turn.T @ np.diag([1.0, -1, -1])
    found[:3, 3] = centre
    return found


def transforms(path: Path, shared: Mapping[str, Any], frames: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text(json.dumps({**shared, "frames": list(frames)}))
    return path


def nerfstudio_pixels(values: Mapping[str, Any], points: Array) -> Array:
    """nerfstudio's ``camera_utils``: k4 is a coefficient of r^8, OPENCV_FISHEYE is OpenCV's."""
    k1, k2, k3, k4, p1, p2 = (values.get(k, 0.0) for k in ("k1", "k2", "k3", "k4", "p1", "p2"))
    if values.get("camera_model") == "OPENCV_FISHEYE":
        matrix = np.array([[values["fl_x"], 0, values["cx"]], [0, values["fl_y"], values["cy"]],
                           [0, 0, 1.0]])  # fmt: skip
        zero = np.zeros(3)
        found = cv2.fisheye.projectPoints(
            points[None], zero, zero, matrix, np.array([k1, k2, k3, k4])
        )
        return np.asarray(found[0])[0]
    x, y = (points[:, :2] / points[:, 2:]).T
    r = x**2 + y**2
    d = 1.0 + r * (k1 + r * (k2 + r * (k3 + r * k4)))
    u = d * x + 2 * p1 * x * y + p2 * (r + 2 * x * x)
    v = d * y + 2 * p2 * x * y + p1 * (r + 2 * y * y)
    return np.stack([values["fl_x"] * u + values["cx"], values["fl_y"] * v + values["cy"]], axis=1)


# Bundler -------------------------------------------------------------------------------------


def bundler(
    path: Path,
    cameras: Sequence[tuple[str, float, float, float, Pose] | tuple[str, None]],
    points: Array = np.zeros((0, 3)),  # noqa: B008
) -> Path:
    """bundle.out with list.txt: (name, f, k1, k2, pose); (name, None) where it was not placed."""
    lines = ["# Bundle file v0.3", f"{len(cameras)} {len(points)}"]
    for one in cameras:
        if one[1] is None:
            lines += ["0 0 0"] + ["0 0 0"] * 4
            continue
        _name, f, k1, k2, (turn, centre) = one  # type: ignore[misc]
        r = np.diag([1.0, -1, -1]) @ turn
        lines += [_text([f, k1, k2]), *(_text(row) for row in r), _text(-r @ centre)]
    for point in points:
        lines += [_text(point), "1 2 3", "1 0 7 -3.5 4.5"]
    path.write_text("\n".join(lines) + "\n")
    path.with_name("list.txt").write_text("".join(f"./{one[0]} 0 1234.5\n" for one in cameras))
    return path


def bundler_pixels(f: float, k1: float, k2: float, size: tuple[int, int], points: Array) -> Array:
    """Bundler's manual; points are in right, down, forward, and pixels from the top left."""
    gl = points * [1, -1, -1]
    p = -gl[:, :2] / gl[:, 2:]
    n = (p**2).sum(1)
    q = f * (1 + k1 * n + k2 * n**2)[:, None] * p
    return np.stack([size[1] / 2 + q[:, 0], size[0] / 2 - q[:, 1]], axis=1)


# Metashape -----------------------------------------------------------------------------------


def metashape(
    path: Path,
    size: tuple[int, int],
    calibration: Mapping[str, float],
    shots: Sequence[tuple[str, Array | None]],
    world: tuple[float, Array, Array] | None = None,
    kind: str = "frame",
) -> Path:
    """Agisoft XML: shots are (label, camera to chunk [4, 4], or None where it is not aligned)."""
    values = "".join(f"<{name}>{value!r}</{name}>" for name, value in calibration.items())
    cameras = "".join(
        f'<camera id="{i}" sensor_id="0" component_id="0" label="{label}">'
        + (f"<transform>{_text(pose.ravel())}</transform>" if pose is not None else "")
        + "</camera>"
        for i, (label, pose) in enumerate(shots)
    )
    placed = ""
    if world is not None:
        scale, turn, move = world
        placed = (
            f'<transform><rotation locked="true">{_text(turn.ravel())}</rotation>'
            f"<translation>{_text(move)}</translation><scale>{scale!r}</scale></transform>"
        )
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<document version="2.1.0"><chunk label="Chunk 1">'
        f'<sensors><sensor id="0" label="unknown" type="{kind}">'
        f'<resolution width="{size[1]}" height="{size[0]}"/>'
        f'<calibration type="{kind}" class="initial"><f>1</f></calibration>'
        f'<calibration type="{kind}" class="adjusted">'
        f'<resolution width="{size[1]}" height="{size[0]}"/>{values}</calibration>'
        "</sensor></sensors>"
        f'<components><component id="0" label="Component 1">{placed}</component></components>'
        f'<cameras><group id="0" label="first">{cameras}</group></cameras></chunk></document>'
    )
    return path


def metashape_pixels(
    size: tuple[int, int], c: Mapping[str, float], points: Array, fisheye: bool = False
) -> Array:
    """*Metashape User Manual*, Camera models."""
    x, y = (points[:, :2] / points[:, 2:]).T
    if fisheye:
        r0 = np.hypot(x, y)
        x, y = x * np.arctan(r0) / r0, y * np.arctan(r0) / r0
    get = dict.fromkeys(("cx", "cy", "b1", "b2", "k1", "k2", "k3", "k4", "p1", "p2"), 0.0) | dict(c)
    r2 = x**2 + y**2
    d = 1 + get["k1"] * r2 + get["k2"] * r2**2 + get["k3"] * r2**3 + get["k4"] * r2**4
    u = x * d + get["p1"] * (r2 + 2 * x**2) + 2 * get["p2"] * x * y
    v = y * d + get["p2"] * (r2 + 2 * y**2) + 2 * get["p1"] * x * y
    f = get["f"]
    return np.stack(
        [size[1] * 0.5 + get["cx"] + u * f + u * get["b1"] + v * get["b2"],
         size[0] * 0.5 + get["cy"] + v * f], axis=1,
    )  # fmt: skip


# RealityScan ---------------------------------------------------------------------------------


def realityscan(
    path: Path, pose: Pose | None, values: Mapping[str, str], as_elements: bool = True
) -> Path:
    """A sidecar: rotation by rows, world to camera."""
    attributes = "".join(f' xcr:{name}="{value}"' for name, value in values.items())
    inside = ""
    if pose is not None:
        turn, centre = pose
        rotation, position = _text(turn.ravel()), _text(centre)
        if as_elements:
            inside = f"<xcr:Rotation>{rotation}</xcr:Rotation>"
        else:
            attributes += f' xcr:Rotation="{rotation}"'
        inside += f"<xcr:Position>{position}</xcr:Position>"
    path.write_text(
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xcr:Version="3" xcr:PosePrior="initial" xcr:Coordinates="absolute"'
        f'{attributes} xmlns:xcr="http://www.capturingreality.com/ns/xcr/1.1#">{inside}'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    return path


def realityscan_pixels(
    size: tuple[int, int], f35: float, u0: float, v0: float, k: Sequence[float], points: Array
) -> Array:
    """The program's own export of OpenCV's order (k1, k2, t2, t1, k3, k4), and its scale."""
    scale = max(size)
    k1, k2, k3, k4, t1, t2 = k
    x, y = (points[:, :2] / points[:, 2:]).T
    r2 = x * x + y * y
    d = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3 + k4 * r2**4
    p1, p2 = t2, t1
    u = x * d + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    v = y * d + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    f = f35 / 36
    return np.stack(
        [(f * u + u0) * scale + size[1] / 2, (f * v + v0) * scale + size[0] / 2], axis=1
    )


# AliceVision ---------------------------------------------------------------------------------


def alicevision(
    path: Path,
    version: tuple[int, int, int],
    intrinsic: Mapping[str, Any],
    shots: Sequence[tuple[str, Pose | None]],
    points: Array = np.zeros((0, 3)),  # noqa: B008
) -> Path:
    """A .sfm: numbers are texts, the rotation is world to camera by columns."""
    document: dict[str, Any] = {
        "version": [str(one) for one in version],
        "views": [
            {"viewId": str(100 + i), "poseId": str(100 + i), "intrinsicId": "7", "path": name}
            for i, (name, _pose) in enumerate(shots)
        ],
        "intrinsics": [{"intrinsicId": "7", **intrinsic}],
        "poses": [
            {
                "poseId": str(100 + i),
                "pose": {
                    "transform": {
                        "rotation": [repr(float(one)) for one in pose[0].ravel(order="F")],
                        "center": [repr(float(one)) for one in pose[1]],
                    },
                    "locked": "0",
                },
            }
            for i, (_name, pose) in enumerate(shots)
            if pose is not None
        ],
        "structure": [
            {"landmarkId": str(i), "X": [repr(float(one)) for one in point],
             "observations": [{"observationId": "100"}]}
            for i, point in enumerate(points)
        ],
    }  # fmt: skip
    path.write_text(json.dumps(document))
    return path


# LLFF ----------------------------------------------------------------------------------------


def llff(path: Path, size: tuple[int, int], focal: float, poses: Sequence[Pose]) -> Path:
    """poses_bounds.npy: columns down, right, back, centre, (height, width, focal)."""
    rows = []
    for turn, centre in poses:
        right, down, forward = turn
        matrix = np.stack([down, right, -forward, centre, [size[0], size[1], focal]], axis=1)
        rows.append([*matrix.ravel(), 1.0, 5.0])
    np.save(path, np.array(rows))
    return path


def _text(values: Any) -> str:
    return " ".join(repr(float(one)) for one in values)
