"""The benchmark's objects: grids bent into shape, painted with arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffrec.sample.pictures import textures
from diffrec.sample.shape import ring

Floats = NDArray[np.float64]
Bend = Callable[[Floats, Floats], Floats]
Paint = Callable[[Floats, Floats], tuple[Floats, Floats, Floats]]

TEXTURE = 256


@dataclass(frozen=True)
class Patch:
    """A closed part of an object: a grid over u, of period 1, and v.

    bend: points [..., 3] of (u, v), du x dv outward; paint: sRGB albedo [..., 3], roughness and
    metalness of (u, v); turns: v has period 1 too, else its two ends are poles.
    """

    bend: Bend
    paint: Paint
    turns: bool
    cells: tuple[int, int] = (128, 48)


@dataclass(frozen=True)
class Painted:
    """Positions [V, 3], texture coordinates [T, 2] with v down, triangles and theirs [F, 3], and
    the maps: sRGB albedo and (occlusion, roughness, metalness), [H, W, 3] each."""

    positions: Floats
    texcoords: Floats
    triangles: NDArray[np.int64]
    texcoord_triangles: NDArray[np.int64]
    kd: NDArray[np.float32]
    ks: NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """An object and the light that its pictures are taken under. `what`: in a few words."""

    what: str
    light: str
    patches: Callable[[], list[Patch]]


def build(scene: Scene) -> Painted:
    """The object as one mesh, its patches side by side in the texture."""
    patches = scene.patches()
    side = TEXTURE * (2 if len(patches) == 1 else 1)
    parts: list[tuple[Any, ...]] = []
    points = corners = 0
    for number, patch in enumerate(patches):
        positions, texcoords, faces, texcoord_faces = grid(patch)
        texcoords[:, 0] = (number + texcoords[:, 0]) / len(patches)
        u, v = np.meshgrid((np.arange(side) + 0.5) / side, (np.arange(side) + 0.5) / side)
        kd, roughness, metalness = patch.paint(u, v)
        shape = (*u.shape, 1)
        others = (np.broadcast_to(x, u.shape)[..., None] for x in (roughness, metalness))
        ks = np.concatenate([np.zeros(shape), *others], axis=-1)
        maps = np.broadcast_to(kd, (*u.shape, 3)), ks
        parts.append((positions, texcoords, faces + points, texcoord_faces + corners, *maps))
        points, corners = points + len(positions), corners + len(texcoords)
    lists = (np.concatenate([one[i] for one in parts]) for i in range(4))
    kd, ks = (np.concatenate([one[i] for one in parts], axis=1) for i in (4, 5))
    pictures = (one.astype(np.float32) for one in (kd, ks.clip(0, 1)))
    return Painted(*lists, *pictures)


def grid(patch: Patch) -> tuple[Floats, Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Positions, texture coordinates and both lists of triangles of a patch of its own."""
    around, across = patch.cells
    i, j = np.meshgrid(np.arange(around + 1), np.arange(across + 1), indexing="ij")
    u, v = i / around, j / across
    points = patch.bend(u % 1, v % 1 if patch.turns else v).reshape(-1, 3)
    number = (i % around) * (across + 1) + (j % across if patch.turns else j)
    if not patch.turns:  # each end is one point
        number = np.where(j == 0, 0, np.where(j == across, across, number))
    number = number.reshape(-1)
    used, place = np.unique(number, return_inverse=True)
    at = np.arange((around + 1) * (across + 1)).reshape(around + 1, across + 1)
    a, b, c, d = at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]
    quads = np.stack([a, b, c, a, c, d], axis=-1).reshape(-1, 3)
    faces = place[quads]
    flat = (
        (faces[:, 0] == faces[:, 1]) | (faces[:, 1] == faces[:, 2]) | (faces[:, 0] == faces[:, 2])
    )
    texcoords = np.stack([u, v], axis=-1).reshape(-1, 2)
    return points[used], texcoords, faces[~flat].astype(np.int64), quads[~flat]


# -- paints -------------------------------------------------------------------------------------
def plain(colour: tuple[float, float, float], roughness: float, metalness: float = 0.0) -> Paint:
    """One material all over."""
    return lambda u, _v: (np.broadcast_to(np.array(colour), (*u.shape, 3)),
                          np.full(u.shape, roughness), np.full(u.shape, metalness))  # fmt: skip


def chequers(
    first: tuple[float, float, float],
    second: tuple[float, float, float],
    roughness: tuple[float, float],
    metalness: tuple[float, float] = (0.0, 0.0),
    count: tuple[int, int] = (8, 4),
) -> Paint:
    """Two materials in turn; `count` of fields along u and v."""

    def paint(u: Floats, v: Floats) -> tuple[Floats, Floats, Floats]:
        odd = (np.floor(count[0] * u) + np.floor(count[1] * v)) % 2 == 1
        kd = np.where(odd[..., None], np.array(second), np.array(first))
        return kd, np.where(odd, *roughness[::-1]), np.where(odd, *metalness[::-1])

    return paint


def _sample_paint(u: Floats, _v: Floats) -> tuple[Floats, Floats, Floats]:
    kd, ks = textures(u.shape[0])
    # The sample's v begins at the other end.
    kd, ks = kd[::-1], ks[::-1]
    return kd.astype(np.float64), ks[..., 1].astype(np.float64), ks[..., 2].astype(np.float64)


def _bowl_paint(u: Floats, v: Floats) -> tuple[Floats, Floats, Floats]:
    """Red, green, white and blue sectors inside, cream outside."""
    sectors = np.array([(0.80, 0.12, 0.10), (0.90, 0.88, 0.84), (0.12, 0.62, 0.20),
                        (0.90, 0.88, 0.84), (0.15, 0.25, 0.75), (0.90, 0.88, 0.84)])  # fmt: skip
    inside = sectors[np.floor(6 * u).astype(int) % 6]
    kd = np.where((v > 0.52)[..., None], inside, np.array((0.85, 0.76, 0.60)))
    return kd, np.where(v > 0.52, 0.6, 0.4), np.zeros(u.shape)


# -- shapes -------------------------------------------------------------------------------------
def ball(middle: tuple[float, float, float], radius: float) -> Bend:
    """A sphere; v from its lower pole to its upper."""

    def bend(u: Floats, v: Floats) -> Floats:
        along, tilt = 2 * np.pi * u, np.pi * (v - 0.5)
        c = np.cos(tilt)
        way = np.stack([c * np.sin(along), np.sin(tilt), c * np.cos(along)], axis=-1)
        return np.array(middle) + radius * way

    return bend


def _bowl(u: Floats, v: Floats) -> Floats:
    """A deep cup: its wall goes up outside and down inside."""
    knots = np.array([0, 0.12, 0.30, 0.46, 0.5, 0.54, 0.70, 0.88, 1.0])
    radius = np.interp(v, knots, [0, 0.46, 0.62, 0.72, 0.70, 0.64, 0.53, 0.38, 0])
    height = np.interp(v, knots, [-0.70, -0.70, -0.1, 0.62, 0.68, 0.62, -0.1, -0.58, -0.58])
    along = 2 * np.pi * u
    return np.stack([radius * np.sin(along), height, radius * np.cos(along)], axis=-1)


def _knot(u: Floats, v: Floats) -> Floats:
    """A thin tube along a trefoil knot."""

    def line(t: Floats) -> Floats:
        a = 2 * np.pi * t
        r = 0.62 + 0.26 * np.cos(3 * a)
        return np.stack([r * np.cos(2 * a), 0.34 * np.sin(3 * a), r * np.sin(2 * a)], axis=-1)

    step = 1e-4
    ahead = line(u + step) - line(u - step)
    ahead /= np.linalg.norm(ahead, axis=-1, keepdims=True)
    out = line(u) - ahead * (line(u) * ahead).sum(axis=-1, keepdims=True)
    out /= np.linalg.norm(out, axis=-1, keepdims=True)
    beside = np.cross(ahead, out)
    angle = (-2 * np.pi * v)[..., None]
    return np.asarray(line(u) + 0.065 * (np.cos(angle) * out + np.sin(angle) * beside))


def _plate(u: Floats, v: Floats) -> Floats:
    """A thin round plate under the knot."""
    tilt, along = np.pi * (v - 0.5), 2 * np.pi * u
    radius = 0.95 * np.sign(np.cos(tilt)) * np.abs(np.cos(tilt)) ** 0.25
    height = -0.62 + 0.03 * np.sin(tilt)
    return np.stack([radius * np.sin(along), height, radius * np.cos(along)], axis=-1)


def _vase(u: Floats, v: Floats) -> Floats:
    """A white body of five deep folds."""
    way = ball((0, 0, 0), 1)(u, v)
    folds = np.cos(np.pi * (v - 0.5)) ** 2 * np.cos(5 * 2 * np.pi * u + 2.5 * way[..., 1])
    waist = 0.12 * np.cos(5 * way[..., 1])
    return np.asarray(way * (0.70 + 0.16 * folds + waist)[..., None])


SCENES = {
    "sample": Scene("the sample's ring", "sun", lambda: [
        Patch(ring, _sample_paint, True, (160, 64))]),
    "bowl": Scene("a deep cup of coloured sectors", "sun", lambda: [
        Patch(_bowl, _bowl_paint, False, (96, 64))]),
    "thin": Scene("a thin knot over a thin plate", "sun", lambda: [
        Patch(_knot, chequers((0.75, 0.2, 0.15), (0.9, 0.85, 0.7), (0.35, 0.6), count=(8, 2)),
              True, (320, 16)),
        Patch(_plate, chequers((0.3, 0.42, 0.3), (0.75, 0.75, 0.7), (0.5, 0.7)), False)]),
    "metal": Scene("metal beside dielectric", "sun", lambda: [
        Patch(ball((-0.47, -0.05, 0.1), 0.44),
              chequers((0.92, 0.74, 0.40), (0.80, 0.80, 0.82), (0.2, 0.4), (1.0, 1.0)), False,
              (64, 48)),
        Patch(ball((0.47, 0.0, -0.1), 0.44),
              chequers((0.12, 0.35, 0.6), (0.85, 0.82, 0.75), (0.25, 0.6)), False, (64, 48))]),
    "white": Scene("a white object under coloured light", "coloured", lambda: [
        Patch(_vase, plain((0.90, 0.90, 0.90), 0.55), False, (128, 64))]),
}  # fmt: skip
