#!/usr/bin/env python3
"""Draw the photographs of examples/photographs: a painted bird on a newspaper, as a phone sees it.

python scripts/render_photographs.py [FOLDER] [--only N]

Nothing of it is photographed or taken from elsewhere. The bird is a distance field, traced ray by
ray with shadows; the pictures have a phone's faults: a lens that bends lines, an exposure and a
white balance that drift, noise, a little blur, JPEG.
"""

from __future__ import annotations

import argparse
import math
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "examples" / "photographs"
SIZE = (480, 640)
FOCAL = 26 / math.hypot(36, 24) * math.hypot(*SIZE)
"""Pixels: the main camera of a phone, 26 mm as a film of 35 mm would have it."""
BENT = -0.03
"""Radial distortion, of COLMAP's kind."""
FINER = 1.25
ROUNDS = ((18, 13.0, 1.95), (10, 40.0, 2.1))
"""Photographs, degrees above the table and distance of each walk around the bird."""
MIDDLE = np.array([0.02, 0.0, 0.5], np.float32)
REACH = 0.75
"""No part of the bird is farther from its middle."""
QUALITY = 80

Floats = NDArray[np.float32]


# -- the bird -----------------------------------------------------------------------------------
def bird(p: Floats) -> Floats:
    """Distance to the bird's surface, about, at points [N, 3]; z is up, it stands at z = 0."""
    body = _ellipsoid(_turned(p - _at(-0.02, 0, 0.44), -0.35), (0.40, 0.31, 0.32))
    head = np.linalg.norm(p - _at(0.25, 0, 0.80), axis=1) - 0.215
    found = _joined(body, head, 0.14)
    side = np.stack([p[:, 0], np.abs(p[:, 1]), p[:, 2]], axis=1)
    wing = _ellipsoid(_turned(side - _at(-0.10, 0.27, 0.47), -0.45), (0.30, 0.075, 0.17))
    found = _joined(found, wing, 0.03)
    tail = _ellipsoid(_turned(p - _at(-0.47, 0, 0.34), -0.5), (0.27, 0.13, 0.05))
    found = _joined(found, tail, 0.08)
    beak = _taper(p, (0.40, 0, 0.80), (0.60, 0, 0.755), 0.075, 0.012)
    found = _joined(found, beak, 0.02)
    around = np.hypot(p[:, 0], p[:, 1])
    foot = np.maximum(around - 0.25, np.abs(p[:, 2] - 0.05) - 0.05) - 0.015
    return _joined(found, foot.astype(np.float32), 0.06)


def _at(*place: float) -> Floats:
    return np.array(place, np.float32)


def _turned(p: Any, angle: float) -> Floats:
    c, s = math.cos(angle), math.sin(angle)
    q = np.asarray(p, np.float32)
    return np.stack([c * q[:, 0] - s * q[:, 2], q[:, 1], s * q[:, 0] + c * q[:, 2]], axis=1)


def _ellipsoid(p: Floats, radii: tuple[float, float, float]) -> Floats:
    r = np.asarray(radii, np.float32)
    near = np.linalg.norm(p / r, axis=1)
    return np.asarray(near * (near - 1) / np.maximum(np.linalg.norm(p / r**2, axis=1), 1e-6))


def _taper(p: Floats, a: Any, b: Any, wide: float, thin: float) -> Floats:
    """A cone with round ends from ``a`` to ``b``."""
    start, way = np.asarray(a, np.float32), np.asarray(b, np.float32) - np.asarray(a, np.float32)
    along = np.clip((p - start) @ way / (way @ way), 0, 1)
    away = np.linalg.norm(p - start - along[:, None] * way, axis=1)
    return np.asarray(away - (wide + (thin - wide) * along), np.float32)


def _joined(a: Floats, b: Floats, soft: float) -> Floats:
    mix = np.clip(0.5 + 0.5 * (b - a) / soft, 0, 1)
    return np.asarray(b + (a - b) * mix - soft * mix * (1 - mix), np.float32)


def normals(p: Floats) -> Floats:
    """Unit normals at points of the surface."""
    step = 0.002
    around = [bird(p + step * e) - bird(p - step * e) for e in np.eye(3, dtype=np.float32)]
    found = np.stack(around, axis=1)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9))


def paint(p: Floats) -> tuple[Floats, Floats]:
    """Albedo (linear) [N, 3] and roughness [N] at points of the surface."""
    x, y, z = p.T
    speckles = _noise(p * 12, 1) + 0.6 * _noise(p * 25, 2)
    cloud = _noise(p * 3.5, 3)
    teal, deep = _rgb(0.10, 0.48, 0.50), _rgb(0.06, 0.18, 0.34)
    cream, rust = _rgb(0.93, 0.84, 0.66), _rgb(0.84, 0.36, 0.13)
    colour = _mixed(teal, deep, 0.5 + 0.9 * cloud)
    belly = _step(0.30 + 0.10 * cloud + 0.35 * x - 0.45 * np.abs(y) - 0.55 * z, 0.02)
    colour = _mixed(colour, cream, belly)
    dots = _step(speckles - 0.42, 0.05)
    colour = _mixed(colour, _mixed(_rgb(0.90, 0.83, 0.66), rust, belly), dots)
    q = _turned(np.stack([x + 0.10, np.abs(y), z - 0.47], axis=1), -0.45)
    wing = _step(1 - np.hypot(q[:, 0] / 0.28, q[:, 2] / 0.155), 0.03) * _step(
        np.abs(y) - 0.235, 0.01
    )
    row = q[:, 2] / 0.062 + np.where(y > 0, 0.4, 0.0)
    feather = q[:, 0] / 0.085 + 0.5 * (np.floor(row) % 2) + 0.3 * _noise(p * 6, 4)
    inside = np.hypot((feather % 1) - 0.5, 0.8 * ((row % 1) - 0.75))
    tint = _step(_noise(p * 8, 6), 0.25)
    leaf = _mixed(rust, _rgb(0.95, 0.70, 0.22), tint) * (1 + 0.35 * _noise(p * 17, 7))[:, None]
    leaf = np.asarray(leaf, np.float32)
    colour = _mixed(colour, _mixed(leaf, deep, _step(inside - 0.42, 0.05)), wing)
    tail = _step(-x - 0.43, 0.01)
    band = _step(np.sin(46 * x + 5 * y + 2.5 * cloud), 0.15)
    colour = _mixed(colour, _mixed(deep, _rgb(0.92, 0.80, 0.55), band), tail)
    beak = _step(np.hypot(x - 0.42, 0) * np.sign(x - 0.42) - 0.015, 0.008)
    beak = beak * _step(z - 0.62, 0.02)
    colour = _mixed(colour, _rgb(0.93, 0.56, 0.10), beak)
    eye = np.linalg.norm(np.stack([x - 0.36, np.abs(y) - 0.155, z - 0.865], axis=1), axis=1)
    colour = _mixed(colour, _rgb(0.97, 0.95, 0.90), _step(0.062 - eye, 0.006))
    colour = _mixed(colour, _rgb(0.04, 0.04, 0.05), _step(0.040 - eye, 0.006))
    foot = _step(0.115 - z, 0.006)
    rings = _step(_noise(p * (11, 11, 5), 5) + 0.3 * speckles, 0.06)
    colour = _mixed(colour, _mixed(_rgb(0.36, 0.13, 0.10), _rgb(0.80, 0.60, 0.34), rings), foot)
    colour = np.asarray(colour * (1 + 0.16 * speckles[:, None]), np.float32)
    rough = 0.42 + 0.10 * cloud - 0.2 * _step(0.062 - eye, 0.006) + 0.2 * foot
    return np.clip(colour, 0.01, 0.95).astype(np.float32), rough.astype(np.float32)


def _rgb(*srgb: float) -> Floats:
    return np.asarray(srgb, np.float32) ** 2.2


def _mixed(a: Floats, b: Floats, share: Any) -> Floats:
    part = np.clip(np.asarray(share, np.float32), 0, 1)[..., None]
    return np.asarray(a * (1 - part) + b * part, np.float32)


def _step(value: Any, soft: float) -> Floats:
    """0 well below nothing, 1 well above, smooth between."""
    t = np.clip(np.asarray(value) / (2 * soft) + 0.5, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _noise(p: Floats, seed: int) -> Floats:
    """Smooth noise of about -1 to 1 that changes over a distance of 1."""
    grid = _grid(seed)
    whole = np.floor(p).astype(np.int64)
    part = (p - whole).astype(np.float32)
    part = part * part * (3 - 2 * part)
    found = np.zeros(len(p), np.float32)
    for corner in range(8):
        offset = np.array([corner & 1, corner >> 1 & 1, corner >> 2])
        weight = np.where(offset, part, 1 - part).prod(axis=1)
        i, j, k = ((whole + offset) % len(grid)).T
        found += weight * grid[i, j, k]
    return found


@lru_cache
def _grid(seed: int) -> Floats:
    return np.random.default_rng(seed).uniform(-1, 1, (32, 32, 32)).astype(np.float32)


# -- the room -----------------------------------------------------------------------------------
TABLE = 2.6
WALLS = np.array([5.0, 5.0, 3.2], np.float32)
WINDOW = np.array([-0.45, 0.62, 0.64], np.float32)
WINDOW /= np.linalg.norm(WINDOW)


@lru_cache
def newspaper(side: int = 1536) -> Floats:
    """The table from -TABLE to TABLE: wood, with a page of newspaper on it; linear."""
    chance = np.random.default_rng(7)
    x = (np.arange(side, dtype=np.float32) / side)[None]
    grain = cv2.resize(chance.normal(size=(side // 2, 24)).astype(np.float32), (side, side))
    broad = cv2.resize(chance.normal(size=(10, 40)).astype(np.float32), (side, side),
                       interpolation=cv2.INTER_CUBIC)  # fmt: skip
    plank = np.floor(x * 9)
    wood = 0.42 + 0.05 * np.sin(plank * 12.9) + 0.03 * grain + 0.05 * broad
    wood -= 0.25 * (np.abs(x * 9 - plank) < 0.012)
    table = wood[..., None] * np.array([0.95, 0.62, 0.38], np.float32)
    page = _page(chance)
    height, width = page.shape[:2]
    scale = side * 0.44 / width
    angle = math.radians(14)
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    middle = np.array([width / 2, height / 2])
    turn = np.array([[c, -s], [s, c]])
    move = np.array([side / 2, side / 2]) - turn @ middle
    matrix = np.column_stack([turn, move]).astype(np.float32)
    sheet = cv2.warpAffine(page, matrix, (side, side), flags=cv2.INTER_AREA)
    there = cv2.warpAffine(np.ones(page.shape[:2], np.float32), matrix, (side, side))
    return np.asarray(table + (sheet - table) * there[..., None], np.float32)


def _page(chance: np.random.Generator) -> Floats:
    """A page: headlines, columns of print, a few pictures; linear."""
    page = np.full((1200, 900, 3), 206, np.uint8)
    ink = (62, 60, 66)
    letters = list("abcdefghijklmnopqrstuvwxyz")

    def word(shortest: int = 2) -> str:
        return "".join(chance.choice(letters, chance.integers(shortest, 10)))

    font = cv2.FONT_HERSHEY_COMPLEX
    cv2.putText(page, "The Daily Mesh", (40, 110), font, 2.9, ink, 7, cv2.LINE_AA)
    cv2.line(page, (30, 140), (870, 140), ink, 4)
    for column in range(4):
        left, row = 34 + 214 * column, 190
        while row < 1150:
            if chance.random() < 0.10:
                tall = int(chance.integers(70, 150))
                tint = chance.uniform(90, 215, 3)
                box = cv2.resize(chance.uniform(0.2, 1, (6, 8)).astype(np.float32), (196, tall),
                                 interpolation=cv2.INTER_CUBIC)  # fmt: skip
                drawn = np.clip(box[..., None] * tint, 0, 255)[: 1200 - row]
                page[row : row + tall, left : left + 196] = drawn
                row += tall + 34
            elif chance.random() < 0.12:
                text = word(5).title()
                cv2.putText(page, text, (left, row + 8), font, 1.0, ink, 3, cv2.LINE_AA)
                row += 44
            else:
                text = " ".join(word() for _ in range(5))[:22]
                cv2.putText(page, text, (left, row), font, 0.5, ink, 1, cv2.LINE_AA)
                row += 21
    return np.asarray((page / 255.0) ** 2.2, np.float32)


@lru_cache
def wall(number: int, side: int = 768) -> Floats:
    """A wall of the room with pictures and shelves; linear."""
    chance = np.random.default_rng(20 + number)
    found = np.full((side, side, 3), _rgb(0.80, 0.78, 0.73), np.float32)
    found *= (
        1
        + 0.05
        * cv2.resize(chance.normal(size=(40, 40)).astype(np.float32), (side, side))[..., None]
    )
    for _ in range(26):
        wide, tall = chance.integers(24, 130, 2)
        left, top = chance.integers(0, side - 130, 2)
        colour = chance.uniform(0.05, 0.75, 3).astype(np.float32)
        frame = (int(left), int(top), int(wide), int(tall))
        left, top, wide, tall = frame
        blots = chance.uniform(0.3, 1.2, (5, 5, 3)).astype(np.float32)
        canvas = cv2.resize(blots, (wide, tall), interpolation=cv2.INTER_CUBIC) * colour
        found[top : top + tall, left : left + wide] = np.clip(canvas, 0.01, 1)
        cv2.rectangle(found, frame, chance.uniform(0.02, 0.3, 3).tolist(), 2)
    return found


def surroundings(eye: Floats, ways: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """What is behind the bird: linear colours [N, 3], points of the table [N, 3], and which rays
    see the table."""
    with np.errstate(divide="ignore", invalid="ignore"):
        down = -eye[..., 2] / ways[:, 2]
        low, high = (-WALLS - eye) / ways, (WALLS - eye) / ways
        exits = np.where(np.isfinite(low) & np.isfinite(high), np.maximum(low, high), np.inf)
    which = exits.argmin(axis=1)
    out = np.take_along_axis(exits, which[:, None], 1)
    ends = eye + out * ways
    colour = np.zeros((len(ways), 3), np.float32)
    for axis in range(3):
        for sign in (-1, 1):
            mine = (which == axis) & (np.sign(ways[:, axis]) == sign)
            others = [one for one in range(3) if one != axis]
            u, v = (ends[mine][:, one] / (2 * WALLS[one]) + 0.5 for one in others)
            colour[mine] = _looked_up(wall(2 * axis + (sign > 0)), u, v) * (0.22 + 0.1 * (sign > 0))
    points = eye + np.where((down > 0) & np.isfinite(down), down, 0)[:, None] * ways
    on_table = (down > 0) & (np.abs(points[:, :2]).max(axis=1) < TABLE)
    return colour, points.astype(np.float32), on_table


def _looked_up(picture: Floats, u: Floats, v: Floats) -> Floats:
    side = picture.shape[0] - 1
    count = len(u)
    padded = max(1, -(-count // 1024)) * 1024
    x, y = np.zeros(padded, np.float32), np.zeros(padded, np.float32)
    x[:count], y[:count] = np.clip(u, 0, 1) * side, np.clip(v, 0, 1) * side
    found = cv2.remap(picture, x.reshape(-1, 1024), y.reshape(-1, 1024), cv2.INTER_LINEAR)
    return np.asarray(found, np.float32).reshape(-1, 3)[:count]


# -- light --------------------------------------------------------------------------------------
def lit(p: Floats, n: Floats, albedo: Floats, seen: Floats | None, rough: Any) -> Floats:
    """Radiance at points: a window with a soft shadow, the room, light from the table, a gloss.

    ``seen``: the way from the eye; None for a dull surface.
    """
    above = p + 0.012 * n
    key = np.maximum(n @ WINDOW, 0) * shadow(above, WINDOW)
    open_ = opening(above, n)
    sky = (0.62 + 0.38 * n[:, 2]) * open_
    table = np.maximum(-n[:, 2], 0) * 0.25 + 0.10 * (1 - n[:, 2])
    light = (
        key[:, None] * np.array([2.3, 2.2, 2.0], np.float32)
        + sky[:, None] * np.array([0.50, 0.53, 0.58], np.float32)
        + (table * open_)[:, None] * np.array([0.42, 0.34, 0.26], np.float32)
    )
    found = albedo * light
    if seen is not None:
        mirror = seen - 2 * (seen * n).sum(axis=1, keepdims=True) * n
        near = np.maximum(mirror @ WINDOW, 0)
        power = 2 / np.maximum(rough, 0.15) ** 4
        gloss = near**power * (power + 2) / 24 * (key > 0)
        edge = 0.04 + 0.5 * (1 - np.abs((seen * n).sum(axis=1))) ** 5
        found = found + (edge * (0.9 * gloss + 0.28 * open_ * (0.7 + 0.3 * mirror[:, 2])))[:, None]
    return np.asarray(found, np.float32)


def shadow(p: Floats, toward: Floats) -> Floats:
    """How much of the window is seen from points, 0 to 1."""
    found, gone = np.ones(len(p), np.float32), np.full(len(p), 0.02, np.float32)
    off = MIDDLE - p
    along = off @ toward
    beside = (off**2).sum(axis=1) - along**2
    alive = np.flatnonzero((beside < REACH**2) & (along > -REACH))
    for _ in range(28):
        near = bird(p[alive] + gone[alive, None] * toward)
        found[alive] = np.minimum(found[alive], np.clip(9 * near / gone[alive], 0, 1))
        gone[alive] += np.clip(near, 0.02, 0.15)
        alive = alive[(gone[alive] < 1.6) & (found[alive] > 0.01)]
        if not len(alive):
            break
    return np.asarray(found * found * (3 - 2 * found), np.float32)


def opening(p: Floats, n: Floats) -> Floats:
    """How open points are to the room, 0 to 1."""
    closed = np.zeros(len(p), np.float32)
    close = np.linalg.norm(p - MIDDLE, axis=1) < REACH + 0.45
    for number, step in enumerate((0.05, 0.12, 0.25, 0.45)):
        q = p[close] + step * n[close]
        near = np.minimum(bird(q), q[:, 2])
        closed[close] += (step - near) / step * 0.6**number
    return np.asarray(np.clip(1 - 0.38 * closed, 0.15, 1), np.float32)


# -- the camera ---------------------------------------------------------------------------------
def rays(eye: Floats, at: Floats, roll: float) -> Floats:
    """Unit ways [N, 3] through the pixels of a picture, FINER times finer, of a lens that bends."""
    height, width = (round(FINER * one) for one in SIZE)
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    bent = np.stack([columns - width / 2, rows - height / 2], -1).reshape(-1, 2) / (FINER * FOCAL)
    flat = bent.copy()
    for _ in range(8):
        flat = bent / (1 + BENT * (flat**2).sum(axis=1, keepdims=True))
    ahead = (at - eye) / np.linalg.norm(at - eye)
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    below = np.cross(ahead, right)
    c, s = math.cos(roll), math.sin(roll)
    right, below = c * right + s * below, c * below - s * right
    ways = flat[:, :1] * right + flat[:, 1:] * below + ahead
    return np.asarray(ways / np.linalg.norm(ways, axis=1, keepdims=True), np.float32)


def seen(eye: Floats, ways: Floats) -> Floats:
    """Radiance [N, 3] along rays."""
    colour, points, on_table = surroundings(eye, ways)
    floor = points[on_table]
    u, v = 0.5 + floor[:, 0] / (2 * TABLE), 0.5 - floor[:, 1] / (2 * TABLE)
    near = np.hypot(floor[:, 0], floor[:, 1]) < 1.9
    up = np.zeros_like(floor)
    up[:, 2] = 1
    albedo = _looked_up(newspaper(), u, v)
    shaded = albedo * np.array([1.96, 1.90, 1.80], np.float32)
    shaded[near] = lit(floor[near], up[near], albedo[near], None, 1.0)
    colour[on_table] = shaded
    along = -((eye - MIDDLE) @ ways.T)
    beside = np.linalg.norm(eye + along[:, None] * ways - MIDDLE, axis=1)
    alive = np.flatnonzero(beside < REACH)
    gone = np.maximum(along - REACH, 0.1).astype(np.float32)
    hits: list[NDArray[np.int64]] = []
    for _ in range(70):
        near_by = bird(eye + gone[alive, None] * ways[alive])
        gone[alive] += 0.85 * near_by
        struck = near_by < 0.0008
        hits.append(alive[struck])
        alive = alive[~struck & (gone[alive] < along[alive] + REACH)]
        if not len(alive):
            break
    hit = np.concatenate(hits)
    p = eye + gone[hit, None] * ways[hit]
    hit, p = hit[p[:, 2] > 0], p[p[:, 2] > 0]
    n = normals(p)
    albedo, rough = paint(p)
    colour[hit] = lit(p, n, albedo, ways[hit], rough)
    return colour


def photograph(number: int, total: int, angle: float, height: float, away: float) -> Floats:
    """A picture [H, W, 3] of a walk around the bird, 0 to 255, with its faults."""
    chance = np.random.default_rng(100 + number)
    turn = math.radians(angle + chance.normal(0, 2.0))
    tilt = math.radians(height + chance.normal(0, 2.5))
    away *= 1 + chance.normal(0, 0.04)
    out = [math.cos(tilt) * math.cos(turn), math.cos(tilt) * math.sin(turn), math.sin(tilt)]
    eye = (MIDDLE * (1, 1, 0.75) + away * np.array(out)).astype(np.float32)
    at = (MIDDLE * (1, 1, 0.86) + chance.normal(0, 0.03, 3)).astype(np.float32)
    linear = seen(eye, rays(eye, at, chance.normal(0, 0.03)))
    rows, columns = SIZE
    fine = linear.reshape(round(FINER * rows), round(FINER * columns), 3)
    picture = cv2.resize(fine, (columns, rows), interpolation=cv2.INTER_AREA)
    share = number / max(total - 1, 1)
    drift = 0.56 * (1 + 0.10 * math.sin(2 * math.pi * share) + chance.normal(0, 0.02))
    warm = 1 + 0.03 * math.sin(2 * math.pi * share + 1) * np.array([1, 0, -1])
    picture = picture * (drift * warm).astype(np.float32)
    picture = cv2.GaussianBlur(picture, (0, 0), float(chance.uniform(0.40, 0.75)))
    bright = np.clip(picture, 0, None)
    bright = np.where(bright > 0.8, 0.8 + 0.2 * np.tanh((bright - 0.8) / 0.2), bright)
    grain = chance.normal(0, 1, picture.shape) * np.sqrt(0.00002 + 0.00012 * bright)
    seen_as = np.clip(bright + grain, 0, 1) ** (1 / 2.2)
    return np.asarray(255 * seen_as, np.float32)


def save(path: Path, picture: Floats) -> None:
    """Write a JPEG with what a phone says of its lens."""
    image = Image.fromarray(np.rint(picture).astype(np.uint8))
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "TOPs nvdiffrec", "render_photographs.py"
    inner = exif.get_ifd(0x8769)
    inner[0x920A], inner[0xA405] = 5.1, 26
    image.save(path, quality=QUALITY, exif=exif, optimize=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--only", type=int, metavar="N", help="draw photograph N alone")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    total = sum(count for count, _height, _away in ROUNDS)
    number = 0
    for start, (count, height, away) in enumerate(ROUNDS):
        for step in range(count):
            if arguments.only in (None, number):
                angle = 360 * step / count + 9 * start
                path = arguments.folder / f"IMG_{412 + number:04d}.jpg"
                save(path, photograph(number, total, angle, height, away))
                print(f"{path.name}: {number + 1} of {total}", flush=True)
            number += 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
