"""Masks out of photographs and their cameras alone.

All photographs look at the object: it is near the point at which their axes meet. From a ball
around that point each photograph learns its own colours of object and surroundings (GrabCut,
Rother et al. 2004), the silhouettes vote on a hull, and from the hull's outline each is drawn anew.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from diffrec.prepare import hull
from diffrec.prepare.hull import Hull
from diffrec.prepare.solved import Array, Solved, nearest_point_to_axes

WORKING = 240
"""Longest side of the pictures in which the object is found."""
CELLS = 72
ROUNDS = 2

Coverage = NDArray[np.float32]
Picture = NDArray[np.uint8]


def ball(solved: Solved) -> tuple[Array, float]:
    """(centre, radius) of the largest ball at which all cameras look, and which nearly all show
    whole."""
    centre = nearest_point_to_axes(solved.cameras)
    radii = []
    for camera in solved.cameras.values():
        lens = solved.lenses[camera.lens]
        x, y, z = camera.into(centre[None])[0]
        if z <= 0:
            continue
        right, up = lens.size[1] / 2 / lens.focal[0], lens.size[0] / 2 / lens.focal[1]
        # From the centre to the nearest side of the picture.
        side = min(right * z - abs(x), up * z - abs(y)) / np.hypot(1, min(right, up))
        radii.append(max(side, 0.0))
    return centre, float(np.percentile(radii, 35)) if radii else 0.0


def find(
    solved: Solved,
    read: Callable[[str], Picture],
    threads: int,
    told: Callable[[int, int], None],
) -> tuple[dict[str, Coverage], Hull]:
    """Coverage of the object in small copies of all photographs, and the hull they agree on.

    ``read`` gives a photograph as BGR; ``told`` hears how many pictures of how many are done.
    """
    centre, radius = ball(solved)
    pictures = {name: _small(read(name)) for name in solved.cameras}
    cells = hull.cube(centre, 1.5 * radius, CELLS)
    total = (ROUNDS + 1) * len(pictures)
    names = list(pictures)

    def all_of(work: Callable[[str], Coverage], begun: int) -> dict[str, Coverage]:
        found = {}
        with ThreadPoolExecutor(max(1, threads)) as pool:
            for i, one in enumerate(pool.map(work, names)):
                found[names[i]] = one
                told(begun + i + 1, total)
        return found

    masks = all_of(lambda name: _from_ball(solved, name, pictures[name], centre, radius), 0)
    carved = hull.carve(solved, masks, cells)
    for number in range(ROUNDS):
        before = carved

        def anew(name: str, before: Hull = before) -> Coverage:
            outline = hull.silhouette(solved, name, before, pictures[name].shape[:2])
            return from_outline(pictures[name], outline.astype(np.float32))

        masks = all_of(anew, (number + 1) * len(names))
        carved = hull.carve(solved, masks, cells)
    return masks, carved


def _small(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    scale = min(1.0, WORKING / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _from_ball(
    solved: Solved, name: str, picture: Picture, centre: Array, radius: float
) -> Coverage:
    """The object's coverage by what lies in the ball and what does not."""
    height, width = picture.shape[:2]
    camera = solved.cameras[name]
    lens = solved.lenses[camera.lens].resized((height, width))
    pixels, before = solved.project(name, centre[None])
    if not before[0]:
        return np.zeros((height, width), np.float32)
    depth = float(camera.into(centre[None])[0, 2])
    scale = width / solved.lenses[camera.lens].size[1]
    x, y = pixels[0] * scale
    reach = lens.focal[0] * radius / depth
    rows, columns = np.mgrid[:height, :width] + 0.5
    away = np.hypot(columns - x, rows - y) / reach
    label = np.full((height, width), cv2.GC_BGD, np.uint8)
    label[away < 1.35] = cv2.GC_PR_BGD
    label[away < 0.95] = cv2.GC_PR_FGD
    label[away < 0.15] = cv2.GC_FGD
    return _cut(picture, label, 4)


def from_outline(picture: Picture, outline: Coverage) -> Coverage:
    """The object's coverage anew, near an outline [h, w] that is about right."""
    height, width = outline.shape
    inside = (outline > 0.5).astype(np.uint8)
    reach = max(1, round(0.02 * max(height, width)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    sure, maybe = cv2.erode(inside, kernel), cv2.dilate(inside, kernel)
    label = np.full((height, width), cv2.GC_BGD, np.uint8)
    label[maybe > 0] = cv2.GC_PR_BGD
    label[inside > 0] = cv2.GC_PR_FGD
    label[sure > 0] = cv2.GC_FGD
    return _cut(picture, label, 3)


def _cut(picture: Picture, label: Picture, rounds: int) -> Coverage:
    kinds = np.bincount(label.ravel(), minlength=4)
    if kinds[cv2.GC_FGD] + kinds[cv2.GC_PR_FGD] < 16 or kinds[cv2.GC_BGD] + kinds[2] < 16:
        return np.isin(label, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    cv2.setRNGSeed(0)
    found = label.copy()
    object_model, rest_model = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(picture, found, None, object_model, rest_model, rounds, cv2.GC_INIT_WITH_MASK)
    return np.isin(found, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)


def refined(picture: Picture, coverage: Coverage) -> Coverage:
    """Coverage [h, w] anew in the photograph's own size, grey where a pixel is at the edge."""
    height, width = picture.shape[:2]
    rough = cv2.resize(coverage, (width, height), interpolation=cv2.INTER_LINEAR)
    sharp = from_band(picture, np.asarray(rough, np.float32))
    soft = cv2.GaussianBlur(sharp, (0, 0), 0.7)
    return np.asarray(soft, np.float32)


def from_band(picture: Picture, rough: Coverage) -> Coverage:
    """Hard coverage, sought only in a narrow band along the outline of a rough one."""
    height, width = rough.shape
    inside = (rough > 0.5).astype(np.uint8)
    reach = max(2, round(0.012 * max(height, width)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    sure, maybe = cv2.erode(inside, kernel), cv2.dilate(inside, kernel)
    label = np.full((height, width), cv2.GC_BGD, np.uint8)
    label[maybe > 0] = cv2.GC_PR_BGD
    label[inside > 0] = cv2.GC_PR_FGD
    label[sure > 0] = cv2.GC_FGD
    return _cut(picture, label, 2)
