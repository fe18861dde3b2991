from __future__ import annotations

import numpy as np

from diffrec.charting.ids import chart_ids, signed_areas
from diffrec.charting.overlap import crossing, overlapping
from diffrec.charting.quality import triangle_stretch
from diffrec.charting.relaxation import relaxed


def sheet(size: int, lift: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A bulging sheet: positions [V, 3], its projection [V, 2] and its triangles."""
    u, v = np.meshgrid(*[np.linspace(-1, 1, size)] * 2)
    height = lift * np.cos(0.5 * np.pi * u) * np.cos(0.5 * np.pi * v)
    positions = np.stack([u, v, height], -1).reshape(-1, 3)
    i = np.arange(size * size).reshape(size, size)
    a, b, c, d = (x.reshape(-1) for x in (i[:-1, :-1], i[:-1, 1:], i[1:, 1:], i[1:, :-1]))
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return positions, positions[:, :2].copy(), triangles


def stretch(positions: np.ndarray, triangles: np.ndarray, flat: np.ndarray) -> float:
    level, area = triangle_stretch(positions[triangles], flat)
    scale = np.abs(signed_areas(flat)).sum() / area.sum()
    return float(np.sqrt((level**2 * area).sum() / area.sum() * scale))


def test_a_projection_loses_most_of_its_stretch() -> None:
    positions, flat, triangles = sheet(17, 1.0)
    before = stretch(positions, triangles, flat[triangles])
    texcoords, indices = relaxed(positions[triangles], flat, triangles, 100.0)
    after = stretch(positions, triangles, texcoords[indices])
    assert chart_ids(indices).max() == 0
    assert (after - 1.0) < 0.35 * (before - 1.0)
    assert (signed_areas(texcoords[indices]) > 0).all()
    # As large as on the surface.
    area = triangle_stretch(positions[triangles], texcoords[indices])[1].sum()
    assert 0.9 < signed_areas(texcoords[indices]).sum() / area < 1.1


def test_what_can_be_unrolled_is() -> None:
    """Part of a cylinder, projected from the side, becomes flat without any stretch."""
    positions, _, triangles = sheet(13, 0.0)
    angle = positions[:, 0] * 1.1
    rolled = np.stack([np.sin(angle), positions[:, 1], np.cos(angle)], 1)
    start = rolled[:, :2].copy()
    assert stretch(rolled, triangles, start[triangles]) > 1.05
    texcoords, indices = relaxed(rolled[triangles], start, triangles, 100.0)
    assert stretch(rolled, triangles, texcoords[indices]) < 1.001


def test_noise_is_never_mirrored_and_never_covers_itself() -> None:
    positions, flat, triangles = sheet(20, 0.8)
    random = np.random.default_rng(1)
    rough = positions + random.normal(size=positions.shape) * [0, 0, 0.15]
    texcoords, indices = relaxed(rough[triangles], flat, triangles, 200.0)
    placed = texcoords[indices]
    assert (signed_areas(placed) > 0).all()
    assert (overlapping(placed * 200.0, chart_ids(indices)) < 0).all()
    assert (crossing(placed, chart_ids(indices), indices) < 0).all()
    assert stretch(rough, triangles, placed) < stretch(rough, triangles, flat[triangles])


def test_empty_and_mirrored_triangles_stay() -> None:
    positions, flat, triangles = sheet(5, 0.5)
    extra = np.array([[0, 0, 1], [3, 2, 1], [7, 7, 7]])
    triangles = np.concatenate([triangles, extra])
    texcoords, indices = relaxed(positions[triangles], flat, triangles, 50.0)
    assert np.isfinite(texcoords).all()
    still = np.unique(extra)
    moved = {int(v): texcoords[indices.reshape(-1)[k]] for k, v in enumerate(triangles.reshape(-1))}
    assert all(np.allclose(moved[int(v)], flat[v]) for v in still)


def test_charts_do_not_influence_one_another() -> None:
    """So that the result is the same on any number of cores."""
    positions, flat, triangles = sheet(9, 0.7)
    alone, _ = relaxed(positions[triangles], flat, triangles, 100.0)
    both = np.concatenate([triangles, triangles + len(positions)])
    corner = np.concatenate([positions, positions * [1, 1, -1] + 5])[both]
    pair, indices = relaxed(corner, np.concatenate([flat, flat + 9]), both, 100.0)
    assert np.array_equal(pair[indices[: len(triangles)]], alone[triangles])
