"""Lenses and cameras: pixels and rays, and what is saved."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from diffrec.prepare import solved
from diffrec.prepare.solved import Lens, Solved

from . import ballscene

LENSES = st.builds(
    lambda f, dx, dy, k1, k2, p1: Lens(
        (480, 640), (f, f * 1.02), (320 + dx, 240 + dy), (k1, k2, p1, -p1)
    ),
    st.floats(600, 3000),
    st.floats(-60, 60),
    st.floats(-60, 60),
    st.floats(-0.15, 0.15),
    st.floats(-0.03, 0.03),
    st.floats(-0.003, 0.003),
)


@given(LENSES, st.integers(0, 2**31))
def test_pixels_and_rays_are_each_others_inverse(lens: Lens, seed: int) -> None:
    pixels = np.random.default_rng(seed).uniform([0, 0], [640, 480], (20, 2))
    assert np.abs(lens.pixels(lens.rays(pixels)) - pixels).max() < 0.01


@given(LENSES, st.integers(0, 2**31))
def test_pixels_are_those_of_opencv(lens: Lens, seed: int) -> None:
    rays = np.random.default_rng(seed).uniform(-0.4, 0.4, (20, 2))
    points = np.concatenate([rays, np.ones((20, 1))], axis=1)
    zero = np.zeros(3)
    there = cv2.projectPoints(points, zero, zero, lens.matrix, lens.coefficients)[0][:, 0] + 0.5
    assert np.abs(lens.pixels(rays) - there).max() < 1e-6


@given(LENSES, st.floats(0.2, 3.0))
def test_a_resized_lens_sees_the_same(lens: Lens, scale: float) -> None:
    size = (round(480 * scale), round(640 * scale))
    other = lens.resized(size)
    rays = np.array([[0.1, -0.2], [0.0, 0.0], [-0.15, 0.05]])
    ratio = np.array([size[1] / 640, size[0] / 480])
    assert np.abs(other.pixels(rays) - lens.pixels(rays) * ratio).max() < 1e-6


def test_the_cameras_look_at_the_ball() -> None:
    assert np.abs(
        solved.nearest_point_to_axes(ballscene.ring(9).cameras) - ballscene.CENTRE
    ).max() < 1e-6  # fmt: skip


def test_one_camera_that_looks_elsewhere_hardly_moves_that_point() -> None:
    found = ballscene.ring(12)
    away, aside = np.array([2.0, 0, 0.5]), np.array([0, 1.5, 0])
    astray = ballscene.looking(ballscene.CENTRE + away, ballscene.CENTRE + aside)
    cameras = {**found.cameras, "astray": astray}
    assert np.abs(solved.nearest_point_to_axes(cameras) - ballscene.CENTRE).max() < 0.05


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    ring = ballscene.ring(5)
    seen = (("view_00", "view_03"), ("view_01", "view_02", "view_04"))
    whole = Solved(
        ring.lenses, ring.cameras, np.array([[1.0, 2, 3], [4, 5, 6]]), seen, {"x": "why"}, ("note",)
    )
    path = tmp_path / "cameras.json"
    whole.save(path)
    again = solved.load(path)
    assert again.lenses == whole.lenses and again.seen == seen
    assert again.refused == {"x": "why"} and again.notes == ("note",)
    for name, camera in whole.cameras.items():
        assert np.array_equal(again.cameras[name].rotation, camera.rotation)
        assert np.array_equal(again.cameras[name].centre, camera.centre)
    assert np.array_equal(again.points, whole.points)
