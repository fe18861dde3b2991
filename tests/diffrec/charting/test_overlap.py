from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffrec.charting.ids import chart_ids, signed_areas, split
from diffrec.charting.overlap import crossing, cut_apart, overlapping


def strip(path: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """A band along a path [N, 2]: its vertices [2 N, 2] and triangles, not mirrored."""
    along = np.gradient(path, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], 1)
    across *= 0.5 * width / np.linalg.norm(across, axis=1, keepdims=True)
    vertices = np.stack([path - across, path + across], 1).reshape(-1, 2)
    k = np.arange(0, 2 * len(path) - 2, 2)
    triangles = np.concatenate([np.stack([k, k + 2, k + 3], 1), np.stack([k, k + 3, k + 1], 1)])
    assert (signed_areas(vertices[triangles]) > 0).all()
    return vertices, triangles


def loop(turns: float, growth: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi * turns, int(60 * turns))
    radius = 10.0 + growth * angle
    return np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None]


@pytest.mark.parametrize(
    ("turns", "growth", "covers"), [(0.9, 0.0, False), (1.3, 0.0, True), (1.3, 1.0, False)]
)
def test_a_band_that_runs_into_itself(turns: float, growth: float, covers: bool) -> None:
    vertices, triangles = strip(loop(turns, growth), 2.0)
    chart = np.zeros(len(triangles), dtype=np.int64)
    other = overlapping(vertices[triangles], chart)
    assert (other >= 0).any() == covers
    # Who is covered says so too.
    assert (other[other[other >= 0]] >= 0).all()
    cut = cut_apart(vertices[triangles], chart, triangles)
    assert len(np.unique(cut)) == (2 if covers else 1)
    assert (overlapping(vertices[triangles], cut) < 0).all()


def test_crossing_finds_what_texels_miss() -> None:
    angle = np.linspace(-0.4, 5.5, 60)
    figure_of_eight = np.stack([5.0 * np.sin(2.0 * angle), 8.0 * np.sin(angle)], 1)
    vertices, triangles = strip(figure_of_eight, 0.2)
    chart = np.zeros(len(triangles), dtype=np.int64)
    flat = vertices[triangles] * 0.1
    assert (overlapping(flat, chart) < 0).all(), "no texel centre is covered twice"
    assert (crossing(flat, chart, triangles) >= 0).any()
    cut = cut_apart(flat, chart, triangles)
    assert cut.max() >= 1
    assert (crossing(flat, cut, triangles) < 0).all()


def test_charts_over_one_another_do_not_count() -> None:
    vertices, triangles = strip(loop(0.5, 0.0), 2.0)
    twice = np.concatenate([vertices, vertices])
    both = np.concatenate([triangles, triangles + len(vertices)])
    chart = chart_ids(both)
    assert chart.max() == 1
    assert np.array_equal(cut_apart(twice[both], chart, both), chart)


def test_a_stack_of_equal_sheets_comes_apart() -> None:
    """Borders that coincide do not cross; texels tell them."""
    vertices, triangles = strip(loop(3.0, 0.0), 2.0)
    cut = cut_apart(vertices[triangles], np.zeros(len(triangles), dtype=np.int64), triangles)
    assert (overlapping(vertices[triangles], cut) < 0).all()
    assert 3 <= len(np.unique(cut)) <= 12


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(3, 80))
def test_anything_comes_apart(seed: int, count: int) -> None:
    """Random triangles on few points, mirrored and empty ones among them."""
    random = np.random.default_rng(seed)
    triangles = random.integers(0, max(count // 2, 3), (count, 3))
    vertices = random.random((int(triangles.max()) + 1, 2)) * 40
    chart = chart_ids(triangles)
    cut = cut_apart(vertices[triangles], chart, triangles)
    assert (overlapping(vertices[triangles], cut) < 0).all()
    assert np.array_equal(np.unique(cut), np.arange(cut.max() + 1))
    texcoords, indices = split(vertices, triangles, cut)
    assert np.array_equal(texcoords[indices], vertices[triangles])
    # No texture coordinate is shared between charts.
    assert len(
        np.unique(np.stack([indices, cut[:, None] + 0 * indices], 2).reshape(-1, 2), axis=0)
    ) == len(texcoords)
