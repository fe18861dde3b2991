"""Which triangles pass through others, and their loosening."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffrec.cleaning.intersections import intersecting
from diffrec.cleaning.untangle import untangled
from diffrec.measure.mesh_faults import measure_mesh


def crosses(one: Any, other: Any) -> bool:
    """Whether two triangles have a line in common: where their planes meet, by intervals."""
    normals = [np.cross(t[1] - t[0], t[2] - t[0]) for t in (one, other)]
    along = np.cross(*normals)
    spans = []
    for t, plane, point in ((one, normals[1], other[0]), (other, normals[0], one[0])):
        height = (t - point) @ plane
        ends = []
        for k in range(3):
            a, b = height[k], height[(k + 1) % 3]
            if a * b < 0:
                ends.append((t[k] + (t[(k + 1) % 3] - t[k]) * a / (a - b)) @ along)
        if not ends:
            return False
        spans.append((min(ends), max(ends)))
    (a, b), (c, d) = spans
    return bool(max(a, c) < min(b, d))


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), count=st.integers(2, 20), size=st.floats(0.05, 2.0))
def test_loose_triangles_meet_as_by_their_planes(seed: int, count: int, size: float) -> None:
    draw = np.random.default_rng(seed)
    corner = draw.uniform(-1, 1, (count, 1, 3)) + size * draw.normal(size=(count, 3, 3))
    wanted = [any(crosses(a, b) for b in corner if b is not a) for a in corner]
    moved = corner.reshape(-1, 3) * 37.0 + 1000.0
    assert intersecting(moved, np.arange(3 * count).reshape(-1, 3)).tolist() == wanted


@pytest.mark.parametrize("name", ["ball", "disc", "cube"])
def test_a_whole_surface_meets_nothing(shapes: Any, name: str) -> None:
    surface = shapes.marched(name, rough=0.2)
    assert not intersecting(*surface).any()
    # A vertex that is pulled through the other side takes its triangles through it.
    positions, triangles = surface
    positions = positions.copy()
    vertex = int(np.argmin(np.hypot(*positions[:, :2].T) + (positions[:, 2] < 0)))
    positions[vertex] -= [0.013, 0.007, 1.3 * np.ptp(positions[:, 2])]
    found = intersecting(positions, triangles)
    assert found[(triangles == vertex).any(axis=1)].all()
    assert found.sum() > (triangles == vertex).sum()


def test_neighbours_that_fold_over_one_vertex_are_found() -> None:
    # Two triangles with one corner in common, the second of which leans through the first.
    points = np.array([[0, 0, 0], [1, -1, 0], [1, 1, 0], [1, 0, 1], [0.5, 0, -1.0]])
    assert intersecting(points, np.array([[0, 1, 2], [0, 3, 4]])).tolist() == [True, True]
    points[4] = [-1, 0, 1]
    assert not intersecting(points, np.array([[0, 1, 2], [0, 3, 4]])).any()


@settings(max_examples=10)
@given(seed=st.integers(0, 1000))
def test_knots_are_loosened_and_the_rest_stays(shapes: Any, seed: int) -> None:
    positions, triangles = shapes.marched("torus", rough=0.1)
    draw = np.random.default_rng(seed)
    tangled = positions.copy()
    chosen = draw.choice(len(positions), 6, replace=False)
    tangled[chosen] += draw.normal(size=(6, 3)) * 0.06
    moved, before, after = untangled(tangled, triangles)
    assert before == intersecting(tangled, triangles).sum()
    assert after == 0 == measure_mesh(moved, triangles).intersecting
    assert np.mean((moved != tangled).any(axis=1)) < 0.3
    same, before, after = untangled(positions, triangles)
    assert (before, after) == (0, 0)
    assert np.array_equal(same, positions)


def test_faults_are_counted(shapes: Any) -> None:
    positions, triangles = shapes.marched("two")
    faults = measure_mesh(positions, triangles)
    assert faults.components == 2
    assert faults.shards == len(triangles) // 2
    assert (faults.open_sides, faults.crowded_sides, faults.intersecting) == (0, 0, 0)
    assert "2 components" in str(faults)
    opened = measure_mesh(positions, triangles[1:])
    assert opened.open_sides == 3
    doubled = measure_mesh(positions, np.concatenate([triangles, triangles[:1]]))
    assert doubled.crowded_sides == 3
    assert measure_mesh(positions, triangles[:0]).faces == 0
