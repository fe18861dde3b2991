"""The sample's surface: a twisted, three-lobed ring, tilted, with one chart over all of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

AROUND, ACROSS = 160, 64
RING_RADIUS, TUBE_RADIUS = 0.66, 0.25
LOBES, TWISTS = 3, 2
TILT = math.radians(52.0)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Surface:
    """A closed surface of genus 1; world frame y up, within [-1, 1] on every axis.

    positions, normals: [V, 3], normals outward and of unit length, V = AROUND * ACROSS.
    texcoords: [T, 2], origin top left, T = (AROUND + 1) * (ACROSS + 1): the seams are doubled;
    seen from outside the texture is not mirrored.
    triangles, texcoord_triangles: [F, 3] int64, counter-clockwise from outside; normals share
    the positions' indices.
    """

    positions: Array
    normals: Array
    texcoords: Array
    triangles: NDArray[np.int64]
    texcoord_triangles: NDArray[np.int64]


def ring(u: Array, v: Array) -> Array:
    """Points [..., 3] of the surface; ``u`` along the ring and ``v`` around its tube have period 1.

    The cross-section has lobes that wind about the ring, the ring itself swells, and its centre
    line leaves its plane like a saddle's rim.
    """
    along, around = 2 * np.pi * u, 2 * np.pi * v
    swell = 1 + 0.16 * np.cos(along - 0.6)
    lobes = 1 + 0.17 * np.cos(LOBES * around + TWISTS * LOBES * along)
    radius = TUBE_RADIUS * swell * lobes
    outward = RING_RADIUS + radius * np.cos(around)
    x = outward * np.cos(along)
    z = -outward * np.sin(along)
    y = radius * np.sin(around) + 0.10 * np.sin(2 * along)
    c, s = math.cos(TILT), math.sin(TILT)
    return np.stack([x, c * y - s * z, s * y + c * z], axis=-1)


def sample_surface(around: int = AROUND, across: int = ACROSS) -> Surface:
    """The ring as a triangle mesh of ``around`` x ``across`` quadrilaterals."""
    u, v = np.meshgrid(np.arange(around) / around, np.arange(across) / across, indexing="ij")
    step = 1e-5
    du = ring(u + step, v) - ring(u - step, v)
    dv = ring(u, v + step) - ring(u, v - step)
    normals = np.cross(du, dv).reshape(-1, 3)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    texcoords = np.meshgrid(
        np.arange(around + 1) / around, 1 - np.arange(across + 1) / across, indexing="ij"
    )
    i, j = (grid.ravel() for grid in np.meshgrid(range(around), range(across), indexing="ij"))

    def quads(rows: int, columns: int) -> NDArray[np.int64]:
        a = (i % rows) * columns + j % columns
        b = ((i + 1) % rows) * columns + j % columns
        c = ((i + 1) % rows) * columns + (j + 1) % columns
        d = (i % rows) * columns + (j + 1) % columns
        return np.stack([a, b, c, a, c, d], axis=-1).reshape(-1, 3).astype(np.int64)

    return Surface(
        ring(u, v).reshape(-1, 3),
        normals,
        np.stack(texcoords, axis=-1).reshape(-1, 2),
        quads(around, across),
        quads(around + 1, across + 1),
    )


def obj_text(surface: Surface, material_file: str, material: str) -> str:
    """The surface as a Wavefront OBJ, v of the texture coordinates counted from the bottom."""
    lines = [f"mtllib {material_file}"]
    lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in surface.positions]
    lines += [f"vt {u:.6f} {1 - v:.6f}" for u, v in surface.texcoords]
    lines += [f"vn {x:.5f} {y:.5f} {z:.5f}" for x, y, z in surface.normals]
    lines.append(f"usemtl {material}")
    for p, t in zip(surface.triangles + 1, surface.texcoord_triangles + 1, strict=True):
        lines.append("f " + " ".join(f"{a}/{b}/{a}" for a, b in zip(p, t, strict=True)))
    return "\n".join(lines) + "\n"
