"""How long a unit of the solver's world is in metres, by printed markers of known size.

Photographs alone say nothing of size. ArUco, AprilTag and the markers of ChArUco boards are found
by OpenCV; the corners of each are placed in space by the cameras, and its sides have the length
that was named. Markers that only seem to be some are of another size in each photograph, and go.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from diffrec.prepare.errors import LengthError
from diffrec.prepare.solved import Array, Solved, nearest_point

DICTIONARIES = (
    "DICT_4X4_1000",
    "DICT_5X5_1000",
    "DICT_6X6_1000",
    "DICT_7X7_1000",
    "DICT_ARUCO_ORIGINAL",
    "DICT_ARUCO_MIP_36h12",
    "DICT_APRILTAG_36h11",
    "DICT_APRILTAG_25h9",
)
"""Kinds of markers that are looked for; a smaller set of the same name is a part of it."""
TRIED = 8
"""Photographs in which all of these are looked for."""
SURELY = 3
"""Markers of one kind in a photograph that are no chance."""
CLOSE = 0.003
"""How far from where it should be a corner may be seen, in longest sides of the photograph."""
APART = 2.0
"""Least angle between the sights of a marker, in degrees: of nearer ones its place is a guess."""
SQUARE = 0.05
"""By how much the sides of a marker may differ, and markers from each other."""

Picture = NDArray[np.uint8]
Corners = dict[str, dict[int, Array]]
"""For each photograph the corners [4, 2] of each marker, pixels."""


def of_markers(solved: Solved, read: Callable[[str], Picture], side: float) -> tuple[float, int]:
    """(metres in a unit of the solver's world, markers that say so).

    Args:
        solved: the cameras.
        read: gives a photograph of the size that its lens has, BGR.
        side: of the black square of each marker, metres.

    Raises:
        LengthError: no marker is seen from two sides, or they differ in size.
    """
    best: list[float] = []
    seen = found_once = 0
    corners = _all_seen(solved, read)
    for kind in DICTIONARIES:
        of_kind: Corners = {name: found[kind] for name, found in corners.items() if kind in found}
        found_once += sum(len(one) for one in of_kind.values())
        lengths = _lengths(solved, of_kind)
        if len(lengths) > len(best):
            best, seen = lengths, len(of_kind)
    if not best:
        told = (
            f"{found_once} were seen, but none in the same place by two photographs"
            if found_once
            else "none is seen"
        )
        raise LengthError(
            f"the photographs show no ArUco or AprilTag marker that could be measured: {told}",
            "lay a printed marker or a ChArUco board beside the object, flat, with a white margin, "
            "sharp in several photographs from different sides; or give the object's height: "
            "--height METRES",
        )
    middle = float(np.median(best))
    if max(best) > (1 + SQUARE) * middle or min(best) < (1 - SQUARE) * middle:
        raise LengthError(
            f"the markers in {seen} photographs are not of one size: the largest is "
            f"{max(best) / min(best):.2f} times the smallest",
            "leave only markers of the size that --marker names, each number once",
        )
    return side / middle, len(best)


def _all_seen(
    solved: Solved, read: Callable[[str], Picture]
) -> dict[str, dict[str, dict[int, Array]]]:
    """The markers of each photograph, by their kind. All kinds are looked for in some photographs,
    and in the others those that were seen."""
    names = sorted(solved.cameras)
    first = [names[i * len(names) // TRIED] for i in range(TRIED)] if len(names) > TRIED else names
    kinds = list(DICTIONARIES)
    found: dict[str, dict[str, dict[int, Array]]] = {}
    for name in dict.fromkeys([*first, *names]):
        if len(found) == len(first):
            kinds = [kind for kind in kinds if any(kind in one for one in found.values())]
        found[name] = {}
        grey = cv2.cvtColor(np.ascontiguousarray(read(name)[..., :3]), cv2.COLOR_BGR2GRAY)
        for kind in kinds:
            markers = _seen(grey.astype(np.uint8), kind)
            if markers:
                found[name][kind] = markers
            if len(markers) >= SURELY:
                kinds = [kind, *(one for one in kinds if one != kind)]
                break
    return found


def _seen(grey: Picture, kind: str) -> dict[int, Array]:
    """The markers of a kind in a photograph, those whose number it shows twice left out."""
    number = getattr(cv2.aruco, kind, None)
    if number is None:  # of a later OpenCV
        return {}
    settings = cv2.aruco.DetectorParameters()
    settings.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
    detector = cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(number), settings)
    corners, numbers, _no = detector.detectMarkers(grey)
    of: dict[int, list[Array]] = defaultdict(list)
    for quad, one in zip(corners, [] if numbers is None else numbers.ravel().tolist(), strict=True):
        # The middle of the first pixel is (0, 0) for OpenCV.
        of[int(one)].append(np.asarray(quad, np.float64).reshape(4, 2) + 0.5)
    return {one: quads[0] for one, quads in of.items() if len(quads) == 1}


def _lengths(solved: Solved, corners: Corners) -> list[float]:
    """The side of each marker that two photographs at least see in one place, in the solver's
    world."""
    views: dict[int, dict[str, Array]] = defaultdict(dict)
    for name, of_it in corners.items():
        for number, quad in of_it.items():
            views[number][name] = quad
    found = []
    for one in views.values():
        square = _placed(solved, one)
        if square is None:
            continue
        sides = np.linalg.norm(square - np.roll(square, 1, axis=0), axis=1)
        diagonals = np.linalg.norm(square[:2] - square[2:], axis=1) / np.sqrt(2)
        all_of = np.concatenate([sides, diagonals])
        if np.ptp(all_of) < SQUARE * all_of.mean():
            found.append(float(sides.mean()))
    return found


def _placed(solved: Solved, views: Mapping[str, Array]) -> Array | None:
    """The corners [4, 3] of a marker by all photographs that agree with most others; None where no
    two do."""
    kept = dict(views)
    ways = {name: _ways(solved, name, quad) for name, quad in views.items()}
    while len(kept) >= 2:
        middles = [ways[name].mean(0) for name in kept]
        wide = max(
            (float(np.degrees(np.arccos(np.clip(
                a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1))))
             for a, b in combinations(middles, 2)), default=0.0,
        )  # fmt: skip
        if wide < APART:
            return None
        centres = np.array([solved.cameras[name].centre for name in kept])
        lines = np.array([ways[name] for name in kept])
        places = np.array([nearest_point(centres, lines[:, corner]) for corner in range(4)])
        off = {}
        for name, quad in kept.items():
            pixels, before = solved.project(name, places)
            lens = solved.lenses[solved.cameras[name].lens]
            away = np.linalg.norm(pixels - quad, axis=1).max() / max(lens.size)
            off[name] = float(away) if before.all() else np.inf
        worst = max(off, key=lambda name: (off[name], name))
        if off[worst] < CLOSE:
            return places
        del kept[worst]
    return None


def _ways(solved: Solved, name: str, quad: Array) -> Array:
    camera = solved.cameras[name]
    ways = solved.lenses[camera.lens].directions(quad) @ camera.rotation.T
    return np.asarray(ways / np.linalg.norm(ways, axis=1, keepdims=True))
