from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffrec.charting.ids import signed_areas
from diffrec.charting.packing import pack_charts, upright
from diffrec.charting.quality import measure_charts


def discs(count: int, seed: int, spread: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Fans of triangles of many sizes and outlines: [F, 3, 2] and their charts [F]."""
    random = np.random.default_rng(seed)
    triangles, chart = [], []
    for number in range(count):
        corners = int(random.integers(3, 12))
        angle = np.sort(random.random(corners)) * 2 * np.pi
        radius = np.exp(random.random() * spread) * (0.3 + random.random(corners))
        ring = np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None] * [1.0, 0.4]
        for k in range(corners):
            fan = np.stack([np.zeros(2), ring[k], ring[(k + 1) % corners]])
            if signed_areas(fan[None])[0] > 1e-6:
                triangles.append(fan)
                chart.append(number)
    _, numbers = np.unique(chart, return_inverse=True)
    return np.stack(triangles), numbers


def assert_packed(flat: np.ndarray, placed: np.ndarray, chart: np.ndarray, texels: int) -> float:
    """The share of texels used."""
    assert placed.min() >= 0
    assert placed.max() <= 1
    # One scale and turns only: sides keep their proportions, areas their sign.
    sides, original = (np.linalg.norm(x - np.roll(x, 1, axis=1), axis=2) for x in (placed, flat))
    ratio = (sides / original)[original > 1e-9]
    assert ratio == pytest.approx(np.full_like(ratio, ratio.mean()), rel=1e-6)
    assert (signed_areas(placed) > 0).all()
    # Vertices are shared within a chart only, as `measure_charts` sees charts.
    keys = np.concatenate([np.repeat(chart, 3)[:, None], flat.reshape(-1, 2)], 1)
    _, first, index = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    uv = placed.reshape(-1, 2)[first] * [1, -1] + [0, 1]
    surface = np.concatenate([flat.reshape(-1, 2), np.zeros((flat.shape[0] * 3, 1))], 1)
    quality = measure_charts(
        surface, np.arange(len(surface)).reshape(-1, 3), uv, index.reshape(-1, 3), texels
    )
    assert quality.overlapping == 0
    assert quality.gap >= 2
    return quality.coverage


@pytest.mark.parametrize(("count", "least"), [(1, 0.15), (12, 0.45), (250, 0.5), (900, 0.4)])
def test_charts_are_apart_and_fill_the_texture(count: int, least: float) -> None:
    flat, chart = discs(count, count)
    assert assert_packed(flat, pack_charts(flat, chart, 512), chart, 512) > least


@settings(max_examples=15)
@given(st.integers(1, 60), st.integers(0, 10**6), st.floats(0.0, 8.0), st.sampled_from([64, 96]))
def test_any_charts_are_apart(count: int, seed: int, spread: float, texels: int) -> None:
    flat, chart = discs(count, seed, spread)
    placed = pack_charts(upright(flat, chart), chart, texels)
    assert_packed(upright(flat, chart), placed, chart, texels)


def test_more_charts_than_texels() -> None:
    flat, chart = discs(1500, 3)
    placed = pack_charts(flat, chart, 16)
    assert np.isfinite(placed).all()
    assert_packed(flat, placed, chart, 256)


def test_charts_without_extent() -> None:
    placed = pack_charts(np.zeros((3, 3, 2)), np.arange(3), 64)
    assert np.isfinite(placed).all()
    assert len(np.unique(placed[:, 0], axis=0)) == 3


def test_upright_makes_the_box_small() -> None:
    strip = np.array([[[0, 0], [4, 4], [3.8, 4.2]], [[0, 0], [3.8, 4.2], [-0.2, 0.2]]])
    turned = upright(strip, np.zeros(2, dtype=np.int64)).reshape(-1, 2)
    width, height = np.ptp(turned, axis=0)
    assert width == pytest.approx(np.hypot(4, 4), rel=1e-6)
    assert height == pytest.approx(np.hypot(0.2, 0.2), rel=1e-6)
