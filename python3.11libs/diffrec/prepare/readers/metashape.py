"""Metashape's cameras file: File > Export > Export Cameras, Agisoft XML.

A camera's ``transform`` is camera to chunk, 4 x 4 by rows; axes are right, down, forward. The
``transform`` of the chunk, or of the component that the camera belongs to (rotation by rows,
translation, scale), takes that to the world. ``f`` is in pixels, ``cx``, ``cy`` are pixels from the
picture's middle, and u = w / 2 + cx + x' (f + b1) + y' b2, v = h / 2 + cy + y' f, where
x' = x (1 + k1 r^2 + k2 r^4 + k3 r^6 + k4 r^8) + p1 (r^2 + 2 x^2) + 2 p2 x y, and y' likewise with
p1 and p2 changed over: OpenCV's p1 is p2 here. Fisheyes do the same to the point at the distance of
its angle from the axis. Files of PhotoScan before 1.2, with ``fx``, have OpenCV's own order.
Where the world is that of the earth's middle, up is away from it.
Documented in the *Metashape User Manual*, appendix Camera models.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffrec.prepare import lenses
from diffrec.prepare.readers import xmlfiles
from diffrec.prepare.readers.photographs import Photographs
from diffrec.prepare.readers.project import (
    Project,
    ProjectError,
    Shot,
    checked,
    numbers,
    posed,
    whole,
)
from diffrec.prepare.solved import Array, Lens
from nvdiffrec_contract.regularfiles import open_regular

RANK = 40
LABEL = "Metashape"
WANTED = "the cameras file (.xml) of File > Export > Export Cameras"

EARTH = 6.2e6
"""Metres: what lies further from the origin has the earth's middle there."""
_BEGINNING = 4096


@dataclass(frozen=True)
class _World:
    """World from chunk: scale * turn @ point + move."""

    scale: float
    turn: Array
    move: Array


def recognise(path: Path) -> bool:
    if path.is_dir():
        files = [one for one in sorted(path.glob("*.xml"))[:20] if _is_cameras(one)]
        return len(files) == 1
    return _is_cameras(path)


def read(path: Path, photographs: Photographs) -> Project:
    file = path if path.is_file() else next(filter(_is_cameras, sorted(path.glob("*.xml"))))
    root = xmlfiles.read(file)
    chunks = [one for one in root.iter("chunk") if one.find("cameras") is not None]
    if not chunks:
        raise ProjectError(f"{file} has no chunk with cameras")
    chunks.sort(key=lambda one: -sum(c.find("transform") is not None for c in one.iter("camera")))
    notes = [
        f"{file} has {len(chunks)} chunks; that with the most cameras, "
        f"{chunks[0].get('label', 'the first')}, was read"
    ][: len(chunks) - 1]
    chunk = chunks[0]
    sensors = {one.get("id"): one for one in chunk.findall("sensors/sensor")}
    worlds = _worlds(chunk, file)
    shots: list[Shot] = []
    missing: list[str] = []
    refused: dict[str, str] = {}
    for number, camera in enumerate(chunk.find("cameras").iter("camera")):  # type: ignore[union-attr]
        label = camera.get("label") or f"camera {number}"
        where = f"{file}: camera {label}"
        pose = camera.find("transform")
        if camera.get("enabled", "1").lower() in ("0", "false"):
            refused[label] = "it is switched off in Metashape"
            continue
        if pose is None:
            refused[label] = "Metashape has not aligned it"
            continue
        sensor = sensors.get(camera.get("sensor_id"))
        if sensor is None:
            raise ProjectError(f"{where}: its sensor is not in the file")
        lens = checked(_lens(sensor, where), where)
        matrix = numbers(pose.text, 16, f"{where}: transform").reshape(4, 4)
        world = worlds.get(camera.get("component_id")) or worlds[None]
        rotation, centre = posed(
            world.turn @ matrix[:3, :3],
            world.scale * world.turn @ matrix[:3, 3] + world.move,
            where,
        )
        photograph = photographs.named(label, where)
        if photograph is None:
            missing.append(label)
        else:
            shots.append(Shot(photograph, lens, rotation, centre))
    return whole(
        Project(
            LABEL,
            file,
            tuple(shots),
            up=_up(shots),
            refused=refused,
            missing=tuple(missing),
            notes=tuple(notes),
        )
    )


def _is_cameras(path: Path) -> bool:
    if path.suffix.lower() != ".xml":
        return False
    try:
        with open_regular(path) as stream:
            begin = stream.read(_BEGINNING)
    except (OSError, ValueError):
        return False
    return b"<document" in begin and b"<chunk" in begin


def _worlds(chunk: ElementTree.Element, file: Path) -> dict[str | None, _World]:
    """By component; the chunk's own under None."""
    worlds: dict[str | None, _World] = {
        None: _world(chunk.find("transform"), f"{file}: the chunk's transform")
    }
    for component in chunk.findall("components/component"):
        element = component.find("transform")
        if element is not None and len(element):
            name = component.get("id")
            worlds[name] = _world(element, f"{file}: the transform of component {name}")
    return worlds


def _world(element: ElementTree.Element | None, where: str) -> _World:
    turn, move, scale = np.eye(3), np.zeros(3), 1.0
    if element is None:
        return _World(scale, turn, move)
    text = {name: element.findtext(name) for name in ("rotation", "translation", "scale")}
    if text["rotation"]:
        turn = numbers(text["rotation"], 9, where).reshape(3, 3)
    if text["translation"]:
        move = numbers(text["translation"], 3, where)
    if text["scale"]:
        (scale,) = numbers(text["scale"], 1, where)
    if element.text and element.text.strip():
        matrix = numbers(element.text, 16, where).reshape(4, 4)
        scale = float(np.cbrt(np.linalg.det(matrix[:3, :3])))
        turn, move = matrix[:3, :3] / (scale or 1.0), matrix[:3, 3]
    if not 1e-9 < scale < 1e9:
        raise ProjectError(f"{where}: a scale of {scale:g} is none")
    turn, move = posed(turn, move, where)
    return _World(float(scale), turn, move)


def _lens(sensor: ElementTree.Element, where: str) -> Lens:
    every = sensor.findall("calibration")
    adjusted = [one for one in every if one.get("class") == "adjusted"]
    found = next(iter(adjusted or every), None)
    if found is None:
        raise ProjectError(
            f"{where}: its sensor has no calibration",
            "align the photographs in Metashape, then export the cameras again",
        )
    size = found.find("resolution")
    size = sensor.find("resolution") if size is None else size
    try:
        width, height = (int(size.get(one, "")) for one in ("width", "height"))  # type: ignore[union-attr]
    except (AttributeError, ValueError):
        raise ProjectError(f"{where}: its sensor has no resolution") from None

    def value(name: str) -> float:
        text = found.findtext(name)
        return float(numbers(text, 1, f"{where}: {name}")[0]) if text and text.strip() else 0.0

    k1, k2, k3, k4, p1, p2 = (value(one) for one in ("k1", "k2", "k3", "k4", "p1", "p2"))
    if value("p3") or value("p4"):
        raise ProjectError(
            f"{where}: its lens has the coefficients p3 and p4, which are not read",
            "switch p3 and p4 off in Tools > Optimize Cameras, optimize, and export again",
        )
    if found.find("fx") is not None:
        fx, fy, skew = value("fx"), value("fy"), value("skew")
        cx, cy = value("cx"), value("cy")  # from the corner, as OpenCV has them
    else:
        fx, fy, skew = value("f") + value("b1"), value("f"), value("b2")
        cx, cy = 0.5 * width + value("cx"), 0.5 * height + value("cy")
        p1, p2 = p2, p1
    kind = found.get("type") or sensor.get("type") or "frame"
    distortion: tuple[float, ...]
    if kind == "frame":
        model, distortion = lenses.BROWN, (k1, k2, k3, k4, p1, p2)
    elif kind == "fisheye":
        model, distortion = "THIN_PRISM_FISHEYE", (k1, k2, p1, p2, k3, k4, 0.0, 0.0)
    else:
        raise ProjectError(
            f"{where}: its sensor is of the type {kind}; frame and fisheye are read",
            "export undistorted photographs, or convert the panoramas to pinhole pictures",
        )
    return Lens((height, width), (fx, fy), (cx, cy), distortion, model, skew)


def _up(shots: list[Shot]) -> tuple[float, float, float] | None:
    if not shots:
        return None
    middle = np.mean([one.centre for one in shots], axis=0)
    away = float(np.linalg.norm(middle))
    if away < EARTH:
        return None
    x, y, z = (float(one) for one in middle / away)
    return x, y, z
