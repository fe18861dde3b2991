"""Even triangles on the same surface."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffrec.cleaning.closest import Surface, nearest
from diffrec.cleaning.remesh import remeshed
from diffrec.cleaning.untangle import untangled
from diffrec.measure.mesh_faults import measure_mesh, smallest_angles


def apart(points: Any, surface: Any) -> Any:
    """Distances of points to a surface."""
    found, anywhere = Surface.of(*surface), np.zeros(3)
    tree = (found.corner, found.facing, found.boxes)
    return np.sqrt([nearest(*tree, point, anywhere, 1e9)[0] for point in points])


@settings(max_examples=12)
@given(
    name=st.sampled_from(["ball", "torus", "disc", "cube", "two"]),
    seed=st.integers(0, 1000),
    rough=st.sampled_from([0.0, 0.1, 0.3]),
)
def test_a_closed_surface_stays_one_with_even_triangles(
    shapes: Any, name: str, seed: int, rough: float
) -> None:
    before = shapes.marched(name, seed, rough)
    after = remeshed(*before)
    assert not shapes.border(after[1])
    assert shapes.euler(after) == shapes.euler(before)
    assert set(after[1].reshape(-1)) == set(range(len(after[0]))), "a vertex without a triangle"
    faults = measure_mesh(*after)
    assert faults.components == measure_mesh(*before).components
    assert 0.6 * len(before[1]) < faults.faces < 1.5 * len(before[1])
    # Of a sheet thinner than a cell, and of small balls with noise, much is edges of the shape.
    rugged = name in ("disc", "two")
    assert faults.slivers < (0.06 if rugged else 0.02) * faults.faces
    cell = 1 / 20
    distances = apart(after[0], before)
    assert distances.mean() < 0.01 * cell and distances.max() < 0.5 * cell
    middles = apart(after[0][after[1]].mean(axis=1), before)
    assert middles.mean() < 0.1 * cell
    assert shapes.volume(after) == pytest.approx(
        shapes.volume(before), rel=0.2 if name == "disc" else 0.06
    )


@settings(max_examples=8)
@given(seed=st.integers(0, 1000), length=st.floats(0.03, 0.2))
def test_an_open_surface_keeps_its_border(shapes: Any, seed: int, length: float) -> None:
    before = shapes.patch(seed)
    after = remeshed(*before, length)
    assert shapes.euler(after) == 1
    assert measure_mesh(*after).components == 1
    ends = {tuple(np.round(after[0][i], 9)) for side in shapes.border(after[1]) for i in side}
    for x, y, _ in ends:
        assert min(x, 1 - x, y, 1 - y) < 1e-9, "the border is where it was"
    assert {(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)} <= {one[:2] for one in ends}


def test_the_wanted_length_is_kept_and_the_result_is_the_same_again(shapes: Any) -> None:
    before = shapes.marched("torus", rough=0.2)
    for length in (0.03, 0.06):
        positions, triangles = remeshed(*before, length)
        corner = positions[triangles]
        sides = np.linalg.norm(corner - np.roll(corner, 1, axis=1), axis=2)
        assert np.mean(sides) == pytest.approx(length, rel=0.15)
        assert np.mean((sides > length * 0.6) & (sides < length * 1.6)) > 0.97
        again = remeshed(*before, length)
        assert np.array_equal(again[0], positions)
        assert np.array_equal(again[1], triangles)


def test_both_sides_of_a_thin_sheet_stay_apart(shapes: Any) -> None:
    before = shapes.marched("disc")
    positions, triangles = remeshed(*before)
    loose, _, left = untangled(positions, triangles)
    assert left == measure_mesh(loose, triangles).intersecting == 0
    assert shapes.volume((loose, triangles)) == pytest.approx(shapes.volume(before), rel=0.2)


def test_odd_meshes_are_left_whole(shapes: Any) -> None:
    tetrahedron = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    sides = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
    for length in (0.0, 0.2, 5.0):
        assert not shapes.border(remeshed(tetrahedron, sides, length)[1])
    # Three sheets at one side, and two that touch in a vertex.
    fins = np.array([[0, 0, 0], [0, 0, 1], [1, 0, 0], [-1, 1, 0], [-1, -1, 0.0]])
    book = np.array([[0, 1, 2], [0, 1, 3], [0, 1, 4], [1, 0, 2]])
    for length in (0.0, 0.3):
        positions, triangles = remeshed(fins, book, length)
        assert np.isfinite(positions).all()
        assert len(triangles) >= 4
    twice = np.concatenate([tetrahedron, tetrahedron[1:] * -1])
    touching = np.concatenate([sides, np.where(sides > 0, sides + 3, 0)[:, ::-1]])
    positions, triangles = remeshed(twice, touching, 0.3)
    assert not shapes.border(triangles)
    assert (positions == 0).all(axis=1).sum() == 1, "where they touch they still touch"
    flat = np.zeros((6, 3))
    triangles = np.array([[0, 1, 2], [2, 1, 3], [2, 3, 4], [4, 3, 5]])
    assert np.array_equal(remeshed(flat, triangles)[0], flat)


def test_the_nearest_point_is_the_nearest(shapes: Any) -> None:
    surface = shapes.marched("torus", rough=0.3, cells=8)
    points = np.random.default_rng(0).uniform(-0.6, 0.6, (40, 3))
    corner = surface[0][surface[1]]
    # Of a dense sample of each triangle, a little farther than the nearest.
    weights = np.array([(i, j, 12 - i - j) for i in range(13) for j in range(13 - i)]) / 12
    dense = np.einsum("wk,fkc->fwc", weights, corner).reshape(-1, 3)
    exact = apart(points, surface)
    sampled = np.linalg.norm(dense[None] - points[:, None], axis=2).min(axis=1)
    assert (exact <= sampled + 1e-12).all()
    assert (sampled - exact < 0.02).all()


def test_the_smallest_angle_is_measured() -> None:
    points = np.array([[0, 0, 0], [1, 0, 0], [0.5, 0.5 * np.tan(np.radians(8)), 0], [0, 1, 0]])
    angles = smallest_angles(points, np.array([[0, 1, 2], [0, 1, 3], [0, 0, 1]]))
    assert angles == pytest.approx([8, 45, 0])
