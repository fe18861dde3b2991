"""Surfaces to clean, as marching tetrahedra leave them, and what a surface must not lose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from diffrec.geometry.dmtet import marching_tetrahedra
from diffrec.ops.tetrahedra.grid import tetrahedral_grid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Surface = tuple[Floats, Ints]


def _ball(p: Floats) -> Floats:
    return np.linalg.norm(p, axis=1) - 0.37


def _torus(p: Floats) -> Floats:
    return np.hypot(np.hypot(p[:, 0], p[:, 1]) - 0.3, p[:, 2]) - 0.11


def _disc(p: Floats) -> Floats:
    return np.maximum(np.hypot(p[:, 0], p[:, 1]) - 0.4, np.abs(p[:, 2]) - 0.022)


def _cube(p: Floats) -> Floats:
    return np.abs(p).max(axis=1) - 0.31


def _two(p: Floats) -> Floats:
    apart = np.array([0.21, 0.0, 0.0])
    return np.minimum(*(np.linalg.norm(p + sign * apart, axis=1) - 0.17 for sign in (1, -1)))


CLOSED: dict[str, Callable[[Floats], Floats]] = {
    "ball": _ball,
    "torus": _torus,
    "disc": _disc,
    "cube": _cube,
    "two": _two,
}


class Shapes:
    """Surfaces, and what can be said of them."""

    closed = tuple(CLOSED)

    @staticmethod
    def marched(name: str, seed: int = 0, rough: float = 0.0, cells: int = 20) -> Surface:
        """A closed surface; rough: noise of the distances, in cells."""
        grid = tetrahedral_grid(cells)
        points = grid.vertices.double().numpy()
        noise = np.random.default_rng(seed).normal(size=len(points)) * rough / cells
        sdf = torch.from_numpy(CLOSED[name](points) + noise).float()
        mesh = marching_tetrahedra(grid, grid.vertices, sdf)
        return mesh.positions.double().numpy(), mesh.triangles.numpy()

    @staticmethod
    def patch(seed: int = 0, side: int = 18) -> Surface:
        """An open, wavy square with uneven triangles."""
        draw = np.random.default_rng(seed)
        x, y = np.meshgrid(np.linspace(0, 1, side), np.linspace(0, 1, side), indexing="ij")
        inner = np.zeros((side, side))
        inner[1:-1, 1:-1] = 0.4 / side
        x, y = (one + draw.uniform(-1, 1, (side, side)) * inner for one in (x, y))
        positions = np.stack([x, y, 0.1 * np.sin(5 * x) * np.cos(4 * y)], axis=2).reshape(-1, 3)
        number = np.arange(side * side).reshape(side, side)
        a, b, c, d = number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]
        halves = [np.stack(half, axis=2).reshape(-1, 3) for half in ((a, b, c), (a, c, d))]
        return positions, np.concatenate(halves)

    @staticmethod
    def border(triangles: Ints) -> set[tuple[int, int]]:
        """The sides of one triangle; AssertionError where the surface is none."""
        assert (triangles != np.roll(triangles, 1, axis=1)).all(), "a side from a vertex to itself"
        sides = [(int(t[k]), int(t[(k + 1) % 3])) for t in triangles for k in range(3)]
        assert max(Counter(sides).values()) == 1, "two triangles run the same way along a side"
        known = set(sides)
        return {side for side in known if side[::-1] not in known}

    @staticmethod
    def euler(surface: Surface) -> int:
        """Vertices - sides + triangles."""
        triangles = surface[1]
        sides = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        return len(np.unique(triangles)) - len(np.unique(sides, axis=0)) + len(triangles)

    @staticmethod
    def volume(surface: Surface) -> float:
        """Inside a closed surface."""
        a, b, c = surface[0][surface[1]].transpose(1, 0, 2)
        return float(np.einsum("fc,fc->", a, np.cross(b, c)) / 6)


@pytest.fixture(scope="session")
def shapes() -> Shapes:
    """Surfaces to clean."""
    return Shapes()
