from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from diffrec.charting.ids import chart_ids, neighbours
from diffrec.charting.quality import measure_charts

# A unit square of two triangles in space, and as much of the texture.
POSITIONS = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], dtype=float)
TRIANGLES = np.array([[0, 1, 2], [0, 2, 3]])
# v runs down: counter-clockwise on the surface is clockwise in these numbers.
SQUARE = np.array([[0, 1], [1, 1], [1, 0], [0, 0]]) * 0.5 + 0.25


def measured(texcoords: Any, indices: Any = TRIANGLES, triangles: Any = TRIANGLES) -> Any:
    return measure_charts(POSITIONS, triangles, texcoords, indices, 64)


def test_an_isometric_square() -> None:
    quality = measured(SQUARE)
    assert quality.charts == 1
    assert quality.stretch == pytest.approx(1.0)
    assert quality.stretch_max == pytest.approx(1.0)
    assert quality.seams == pytest.approx(4.0)
    # The 32 texel centres of the diagonal belong to neither triangle.
    assert quality.coverage == pytest.approx((32 * 32 - 32) / 64**2)
    assert (quality.overlapping, quality.flipped, quality.lost) == (0, 0, 0)
    assert quality.gap == 6


@pytest.mark.parametrize("ratio", [2.0, 0.25])
def test_stretch_in_one_direction(ratio: float) -> None:
    """Singular values 1 / s and 1 / (s r): the formula of Sander et al. by hand."""
    quality = measured(SQUARE * [1.0, ratio])
    expected = np.sqrt((1.0 + ratio**-2) / 2.0) * np.sqrt(ratio)
    assert quality.stretch == pytest.approx(expected)
    assert quality.stretch_99 <= quality.stretch_max == pytest.approx(expected)


def test_uneven_texel_density_is_stretch() -> None:
    """One triangle at three times the scale of the other, both without distortion."""
    small, large = SQUARE[[0, 1, 2]] * 0.2, SQUARE[[0, 2, 3]] * 0.6
    quality = measured(np.concatenate([small, large]), np.arange(6).reshape(2, 3))
    density = np.sqrt((0.1**2 + 0.3**2) / 2)
    expected = density * np.sqrt((0.1**-2 + 0.3**-2) / 2)
    assert quality.stretch == pytest.approx(expected)
    assert quality.charts == 2
    assert quality.seams == pytest.approx(4.0 + 2.0 * np.sqrt(2.0))


def test_mirrored_overlapping_and_lost_triangles_are_counted() -> None:
    assert measured(SQUARE[:, ::-1]).flipped == 2
    onto = np.concatenate([SQUARE[[0, 1, 2]], SQUARE[[0, 1, 2]]])
    quality = measured(onto, np.arange(6).reshape(2, 3))
    assert quality.overlapping > 400
    assert quality.gap == 0
    quality = measured(np.concatenate([SQUARE, SQUARE[:1]]), np.array([[0, 1, 2], [4, 4, 4]]))
    assert quality.lost == 1
    assert np.isfinite(quality.stretch)


@pytest.mark.parametrize("gap", [0, 1, 2, 5])
def test_gap_between_charts(gap: int) -> None:
    first = SQUARE[[0, 1, 2]] * 0.5
    # To the right of the first one's column, from a column of its own on.
    right = (np.ceil(first[:, 0].max() * 64) + gap) / 64
    second = first + np.array([right - first[:, 0].min(), 0.0])
    assert measured(np.concatenate([first, second]), np.arange(6).reshape(2, 3)).gap == gap


def test_charts_are_numbered_by_their_first_triangle() -> None:
    indices = np.array([[7, 8, 9], [0, 1, 2], [9, 8, 10], [5, 4, 3], [2, 1, 6]])
    assert chart_ids(indices).tolist() == [0, 1, 0, 2, 1]
    assert sorted(map(sorted, neighbours(indices).tolist())) == [[0, 2], [1, 4]]
