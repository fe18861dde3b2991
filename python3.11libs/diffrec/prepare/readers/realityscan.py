"""Sidecars (``.xmp``) of RealityScan and RealityCapture, one beside each photograph.

``Rotation`` is world to camera, nine numbers by rows; ``Position`` is the camera's place in the
world; camera axes are right, down, forward. ``FocalLength35mm`` / 36 and ``PrincipalPointU``,
``V`` are in longest sides of the picture, the latter from its middle. ``DistortionCoeficients``
(spelt so) are k1 k2 k3 k4 t1 t2: k4 is of r^8, and OpenCV's p1 is t2, its p2 t1. Each value stands
as an attribute of ``rdf:Description`` or as an element in it.
Documented in *RealityScan: XMP camera math* and by the export formats that the program ships with
(``calibration.xml``), among them one of OpenCV's order. The division and rational models are not
documented well enough to be read.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from diffrec.prepare import lenses, pictures
from diffrec.prepare.readers import xmlfiles
from diffrec.prepare.readers.photographs import Photographs, size_of
from diffrec.prepare.readers.project import (
    MOST_SHOTS,
    Project,
    ProjectError,
    Shot,
    checked,
    numbers,
    posed,
    whole,
)
from diffrec.prepare.solved import Lens
from nvdiffrec_contract.regularfiles import open_regular

RANK = 60
LABEL = "RealityScan"
WANTED = "a folder of photographs with their .xmp sidecars"

MOST_BYTES = 4 << 20
NAMESPACE = b"capturingreality.com/ns/xcr"
LOOKED = 8
"""Sidecars that are looked into for whose they are: other programs write some as well."""
BROWN = ("brown3", "brown4", "brown3t2", "brown4t2")
NOTHING = 1e-9


def recognise(path: Path) -> bool:
    return any(_is_sidecar(one) for one in _sidecars(path)[:LOOKED])


def read(path: Path, photographs: Photographs) -> Project:
    sidecars = [one for one in _sidecars(path) if _is_sidecar(one)]
    if len(sidecars) > MOST_SHOTS:
        raise ProjectError(f"{path} has more than {MOST_SHOTS} sidecars")
    shots, missing, refused = [], [], {}
    for file in sidecars:
        found = _description(file)
        values = {one.tag: (one.text or "").strip() for one in found} | dict(found.attrib)
        where = str(file)
        if not values.get("Rotation") or not values.get("Position"):
            refused[file.stem] = "its sidecar has no position: RealityScan has not aligned it"
            continue
        turn = numbers(values["Rotation"], 9, f"{where}: Rotation").reshape(3, 3)
        place = numbers(values["Position"], 3, f"{where}: Position")
        rotation, centre = posed(turn.T, place, where)
        photograph = _beside(file) or photographs.named(file.stem, where)
        if photograph is None:
            missing.append(file.stem)
            continue
        lens = checked(_lens(values, photograph, where), where)
        shots.append(Shot(photograph, lens, rotation, centre))
    return whole(Project(LABEL, path, tuple(shots), refused=refused, missing=tuple(missing)))


def _sidecars(path: Path) -> list[Path]:
    if path.is_file():
        return []
    for folder in (path, path / "images"):
        try:
            found = sorted(one for one in folder.iterdir() if one.suffix.lower() == ".xmp")
        except OSError:
            continue
        if found:
            return found
    return []


def _is_sidecar(path: Path) -> bool:
    try:
        with open_regular(path) as stream:
            return NAMESPACE in stream.read(MOST_BYTES)
    except (OSError, ValueError):
        return False


def _beside(file: Path) -> Path | None:
    for ending in pictures.SUFFIXES:
        for one in (ending, ending.upper()):
            if file.with_suffix(one).is_file():
                return file.with_suffix(one)
    return None


def _description(file: Path) -> ElementTree.Element:
    for one in xmlfiles.read(file, MOST_BYTES).iter("Description"):
        if "FocalLength35mm" in one.attrib or one.find("FocalLength35mm") is not None:
            return one
    raise ProjectError(
        f"{file} says nothing of a lens",
        "export the sidecars again with calibration (Alignment > Export > XMP)",
    )


def _lens(values: dict[str, str], photograph: Path, where: str) -> Lens:
    height, width = size_of(photograph)
    longest = max(height, width)

    def value(name: str, otherwise: float) -> float:
        text = values.get(name)
        return float(numbers(text, 1, f"{where}: {name}")[0]) if text else otherwise

    focal = value("FocalLength35mm", 0.0) / 36 * longest
    if abs(value("Skew", 0.0)) > NOTHING or abs(value("AspectRatio", 1.0) - 1) > NOTHING:
        raise ProjectError(
            f"{where}: its lens has a skew or an aspect ratio, which are not read",
            "export undistorted photographs, or a COLMAP model",
        )
    x, y = value("PrincipalPointU", 0.0), value("PrincipalPointV", 0.0)
    text = values.get("DistortionCoeficients")
    k1, k2, k3, k4, t1, t2 = (
        numbers(text, 6, f"{where}: DistortionCoeficients") if text else [0.0] * 6
    )
    model = values.get("DistortionModel", "").lower()
    if model not in BROWN and any(abs(one) > NOTHING for one in (k1, k2, k3, k4, t1, t2)):
        raise ProjectError(
            f"{where}: its distortion model {model[:40] or '(none)'} is not read",
            "choose Brown3, or Brown4 with tangential2, in Alignment > Settings > Distortion "
            "model, align again and export; or export undistorted photographs",
        )
    return Lens(
        (height, width),
        (focal, focal),
        (0.5 * width + x * longest, 0.5 * height + y * longest),
        tuple(map(float, (k1, k2, k3, k4, t2, t1))),
        lenses.BROWN,
    )
