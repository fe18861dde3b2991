"""What the object stands on: a table or floor, and what each photograph would show of it alone.

Most objects are photographed on something flat. Its plane is found among the points that the
photographs have in common: hardly any point lies below it, and all cameras above. All photographs
together show it whole, as each place is hidden by the object in some of them only. Where a
photograph shows something else than that, it does not show the table, whatever the colour: this
tells a wooden foot from a wooden table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from diffrec.prepare.solved import Array, Solved

NEAR = 2.0
"""How far from the object what it stands on is looked at, in radii of the ball around it."""
FLAT = 0.02
"""How far from the plane a point of it may lie, in those radii."""
FEWEST = 100
"""Points among which a plane is looked for."""
TRIES = 600
SHARE, BELOW, ABOVE = 0.15, 0.05, 0.95
"""Part of the points that lie on the plane at least, and below it at most; part of the cameras
above it at least."""
STEEP = 0.7
"""Least cosine between the plane's normal and what is up for the cameras."""
SIDE = 256
"""Pixels along a side of the picture of the table."""
MOST = 60
"""Photographs that the picture of the table is made from at most."""
AROUND = 3
"""Pixels around a place of the table that tell how well it is known."""
USUAL, PATTERN = 2.5, 0.35
"""How often the usual difference between photographs, and what part of the pattern's contrast, a
place of the table may differ by."""
DARK = 8.0
"""Levels added before brightness is compared, as dark pixels are mostly noise."""
NOISE = 2.0
"""Least levels by which the same place differs between photographs."""
POOL = 0.008
"""Half the side of the square that is compared, in longest sides: a pixel alone is like another by
chance."""
ROUND = np.radians(100)
"""Largest gap between the sides that an object is photographed from: where there is a larger one,
what it stands on is hidden by it in all photographs, and looks like a part of it."""
HIDDEN = 2.0
"""Logarithm of the odds that a pixel is of the object where the photographs see a place of the
table but do not agree on it: the object stands there."""
TURN, SLOPE, LIMIT = 2.5, 1.5, 3.0
"""Noise at which a pixel is as likely the table as not, what more noise adds to the logarithm of
the odds, and the most that these say."""

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Plane:
    """The points with ``normal @ point == height``; the normal points up."""

    normal: Array
    height: float


def plane_of(solved: Solved, centre: Array, radius: float, up: Array) -> Plane | None:
    """The plane that the object stands on; None where there is none that can be trusted.

    Args:
        solved: cameras and points.
        centre: of a ball that holds the object, [3].
        radius: of that ball.
        up: about what is up, [3].
    """
    points = solved.points[np.linalg.norm(solved.points - centre, axis=1) < NEAR * radius]
    if len(points) < FEWEST:
        return None
    chance = np.random.default_rng(0)
    best, found = 0, None
    for _ in range(TRIES):
        a, b, c = points[chance.choice(len(points), 3, replace=False)]
        normal = np.cross(b - a, c - a)
        length = np.linalg.norm(normal)
        if length < 1e-12:
            continue
        normal = normal / length * np.sign(normal @ up)
        on = int((np.abs((points - a) @ normal) < FLAT * radius).sum())
        if normal @ up > STEEP and on > best:
            best, found = on, Plane(normal, float(a @ normal))
    if found is None:
        return None
    for _ in range(3):
        on_it = points[np.abs(points @ found.normal - found.height) < FLAT * radius]
        middle = on_it.mean(0)
        normal = np.linalg.svd(on_it - middle, full_matrices=False)[2][2]
        normal = normal * np.sign(normal @ found.normal)
        found = Plane(normal, float(middle @ normal))
    above = points @ found.normal - found.height
    cameras = np.array([one.centre for one in solved.cameras.values()])
    trusted = (
        (np.abs(above) < FLAT * radius).mean() > SHARE
        and (above < -3 * FLAT * radius).mean() < BELOW
        and (cameras @ found.normal > found.height).mean() > ABOVE
        and abs(centre @ found.normal - found.height) < radius
        and _all_around(cameras - centre, found.normal)
    )
    return found if trusted else None


def _all_around(sights: Array, normal: Array) -> bool:
    """Whether cameras, by their places from the middle, are on all sides of it."""
    across = np.cross(normal, np.eye(3)[np.abs(normal).argmin()])
    angles = np.sort(np.arctan2(sights @ np.cross(normal, across), sights @ across))
    return bool(np.diff(angles, append=angles[0] + 2 * np.pi).max() < ROUND)


class Support:
    """What the object stands on, as all photographs show it together."""

    def __init__(
        self, solved: Solved, pictures: Mapping[str, Picture], plane: Plane, centre: Array,
        radius: float,
    ) -> None:  # fmt: skip
        self._solved, self._plane = solved, plane
        self._reach = NEAR * radius
        normal = plane.normal
        across = np.cross(normal, np.eye(3)[np.abs(normal).argmin()])
        across /= np.linalg.norm(across)
        self._axes = np.stack([across, np.cross(normal, across)])
        self._middle = centre - (centre @ normal - plane.height) * normal
        line = ((np.arange(SIDE) + 0.5) / SIDE * 2 - 1) * self._reach
        self._places = (
            self._middle + line[None, :, None] * self._axes[0] + line[:, None, None] * self._axes[1]
        ).reshape(-1, 3)
        names = list(pictures)
        count = min(MOST, len(names))
        chosen = [names[i * len(names) // count] for i in range(count)]
        views = np.stack([self._from_above(name, pictures[name]) for name in chosen])
        picture = _median(views)
        for _ in range(2):
            views *= _gains(views, picture)
            picture = _median(views)
        away = np.abs(views - picture).mean(-1)
        shown = np.isfinite(away)
        often = shown.sum(0) >= 3
        spread = np.nan_to_num(_median(away))
        known = often & (_mean(spread) < _expected(np.nan_to_num(picture), spread[often]))
        known = cv2.medianBlur(known.astype(np.uint8), 2 * AROUND + 1)
        self._picture = np.nan_to_num(picture).astype(np.float32)
        self._known = known.astype(np.float32)
        self._shown = often.astype(np.float32)
        self._spread = spread

    def _from_above(self, name: str, picture: Picture) -> Floats:
        """The table in one photograph, seen from above; not a number where it does not show it."""
        pixels, before = self._solved.project(name, self._places)
        lens = self._solved.lenses[self._solved.cameras[name].lens]
        height, width = picture.shape[:2]
        scale = np.array([width / lens.size[1], height / lens.size[0]])
        at = np.where(before[:, None], pixels * scale - 0.5, -9.0).astype(np.float32)
        x, y = at.reshape(SIDE, SIDE, 2).transpose(2, 0, 1)
        found = cv2.remap(picture, x, y, cv2.INTER_LINEAR).astype(np.float32)
        found[(x < 1) | (y < 1) | (x > width - 2) | (y > height - 2)] = np.nan
        return np.asarray(found)

    def odds(self, name: str, picture: Picture) -> tuple[Floats, Floats]:
        """Whether pixels show something else than the table.

        Args:
            name: of a photograph.
            picture: the photograph, BGR of any size.

        Returns:
            the logarithm of the odds, [H, W], and which pixels have the table there or behind what
            they show, 0 to 1, [H, W].
        """
        height, width = picture.shape[:2]
        camera = self._solved.cameras[name]
        lens = self._solved.lenses[camera.lens].resized((height, width))
        rows, columns = np.mgrid[:height, :width] + 0.5
        pixels = np.stack([columns.ravel(), rows.ravel()], axis=1)
        ways = lens.directions(pixels) @ camera.rotation.T
        drop = self._plane.height - self._plane.normal @ camera.centre
        with np.errstate(divide="ignore", invalid="ignore"):
            along = drop / (ways @ self._plane.normal)
        along = np.where(np.isfinite(along) & (along > 0), along, 0)
        places = camera.centre + ways * along[:, None] - self._middle
        at = ((places @ self._axes.T) / self._reach + 1) / 2 * SIDE - 0.5
        at[along <= 0] = -9
        x, y = np.clip(at, -9, SIDE + 9).astype(np.float32).reshape(height, width, 2).transpose(
            2, 0, 1
        )  # fmt: skip
        table = cv2.remap(self._picture, x, y, cv2.INTER_LINEAR)
        known = cv2.remap(self._known, x, y, cv2.INTER_LINEAR)
        spread = cv2.remap(self._spread, x, y, cv2.INTER_LINEAR)
        sure = known > 0.9
        if sure.sum() < FEWEST:
            return np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
        here = picture.astype(np.float32)
        gain = np.median((table[sure] + DARK) / (here[sure] + DARK), axis=0)
        window = (2 * max(2, round(POOL * max(height, width))) + 1,) * 2
        off = cv2.blur(np.abs((here + DARK) * gain - DARK - table).mean(-1), window)
        noise = max(NOISE, float(np.median(off[sure]))) + spread
        odds = known * np.clip(SLOPE * (off / noise - TURN), -LIMIT, LIMIT)
        shown = cv2.remap(self._shown, x, y, cv2.INTER_LINEAR)
        odds = odds + HIDDEN * np.maximum(shown - known, 0)
        return np.asarray(odds, np.float32), np.asarray(shown, np.float32)


def _median(values: Floats) -> Floats:
    """Of the first axis, without what is not a number."""
    ordered = np.sort(values, axis=0)  # what is not a number comes last
    count = np.isfinite(values).sum(0)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[None], 0)[0]
    high = np.take_along_axis(ordered, np.maximum(count // 2, 0).clip(max=len(values) - 1)[None], 0)
    return np.asarray(0.5 * (low + high[0]), np.float32)


def _mean(values: Floats) -> Floats:
    """Of the places around each."""
    return np.asarray(cv2.blur(values, (2 * AROUND + 1,) * 2))


def _expected(picture: Floats, spreads: Floats) -> Floats:
    """By how much what shows the same place may differ: what is patterned does by more."""
    grey = picture.mean(-1)
    pattern = np.sqrt(np.maximum(_mean(grey * grey) - _mean(grey) ** 2, 0))
    usual = float(np.median(spreads)) if spreads.size else 0.0
    return np.asarray(USUAL * max(usual, NOISE) + PATTERN * pattern, np.float32)


def _gains(views: Floats, picture: Floats) -> Floats:
    """By what each view is multiplied to be as bright as all are together, [N, 1, 1, 3]."""
    ratios = ((picture + DARK) / (views + DARK)).reshape(len(views), -1, 3)
    gains = _median(ratios.transpose(1, 0, 2))
    return np.where(np.isfinite(gains), gains, 1)[:, None, None, :].astype(np.float32)
