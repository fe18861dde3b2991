"""Cameras are believed where the photographs' points speak for them, and nowhere else."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from diffrec.prepare import cameras, evidence
from diffrec.prepare.evidence import Pair, Shared
from diffrec.prepare.frames import Frame
from diffrec.prepare.solved import Array, Camera, Solved

from . import ballscene

CHANCE = st.integers(0, 2**31)


def turned(camera: Camera, degrees: float, axis: Array, about: Array) -> Camera:
    """A camera turned with its place around a point."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return Camera(camera.lens, turn @ camera.rotation, turn @ (camera.centre - about) + about)


def matched(
    ring: Solved, seed: int, apart: int, noise: float = 0.3, wrong: float = 0.1
) -> dict[Pair, Shared]:
    """Points that cameras up to ``apart`` places from each other share, with noise in pixels; a
    part of them is wrong."""
    chance = np.random.default_rng(seed)
    names = list(ring.cameras)
    found = {}
    for i, a in enumerate(names):
        for step in range(1, apart + 1):
            b = names[(i + step) % len(names)]
            points = ballscene.CENTRE + chance.normal(0, 0.3, (60, 3))
            first, second = (
                ring.project(name, points)[0] + chance.normal(0, noise, (60, 2)) for name in (a, b)
            )
            bad = chance.random(60) < wrong
            second[bad] = chance.uniform([0, 0], [160, 120], (int(bad.sum()), 2))
            found[(a, b)] = Shared(first, second)
    return found


def believed(ring: Solved, cameras: dict[str, Camera], shared: dict[Pair, Shared]) -> set[str]:
    return evidence.believed(evidence.judge(cameras, ring.lenses, shared), cameras)


@settings(max_examples=15)
@given(CHANCE)
def test_right_cameras_are_all_believed(seed: int) -> None:
    ring = ballscene.ring(10)
    assert believed(ring, dict(ring.cameras), matched(ring, seed, 2)) == set(ring.cameras)


@settings(max_examples=25)
@given(CHANCE, st.integers(0, 11), st.floats(8, 170))
def test_one_wrong_camera_is_not(seed: int, which: int, degrees: float) -> None:
    ring = ballscene.ring(12)
    name = list(ring.cameras)[which]
    axis = np.random.default_rng(seed).normal(size=3)
    moved = turned(ring.cameras[name], degrees, axis, ballscene.CENTRE + np.array([0.4, 0, 0]))
    cameras = {**ring.cameras, name: moved}
    assert believed(ring, cameras, matched(ring, seed, 3)) == set(ring.cameras) - {name}


@settings(max_examples=20)
@given(CHANCE, st.floats(8, 60), st.booleans())
def test_of_two_parts_that_do_not_fit_together_one_is_believed(
    seed: int, degrees: float, chain: bool
) -> None:
    """Each part is right in itself; the photographs between them say that they do not fit."""
    ring = ballscene.ring(20)
    names = list(ring.cameras)
    part = names[:7]
    cameras = dict(ring.cameras)
    for name in part:
        cameras[name] = turned(cameras[name], degrees, np.array([1, 2, 3.0]), np.zeros(3))
    shared = matched(ring, seed, 2)
    if chain:  # a weak link holds them together at one end
        few = matched(dataclasses.replace(ring, cameras=cameras), seed, 1)
        pair = (names[6], names[7])
        shared = {
            key: one
            for key, one in shared.items()
            if not (set(key) & set(part[-2:]) and set(key) & set(names[7:9]))
        }
        shared[pair] = Shared(few[pair].first[:20], few[pair].second[:20])
    assert believed(ring, cameras, shared) == set(names[7:])


def test_photographs_that_share_nothing_are_not_believed() -> None:
    ring = ballscene.ring(9)
    alone = "view_04"
    shared = {pair: one for pair, one in matched(ring, 1, 2).items() if alone not in pair}
    assert believed(ring, dict(ring.cameras), shared) == set(ring.cameras) - {alone}


def test_nothing_is_believed_of_nothing() -> None:
    assert evidence.believed({}, []) == set()


def test_points_behind_a_camera_do_not_agree() -> None:
    ring = ballscene.ring(8)
    shared = matched(ring, 3, 1, wrong=0)[("view_00", "view_01")]
    a, b = ring.cameras["view_00"], ring.cameras["view_01"]
    away = Camera(b.lens, b.rotation @ np.diag([-1.0, -1.0, 1.0]) @ np.diag([1, 1, -1.0]), b.centre)
    assert evidence.agreeing(a, b, ring.lenses, shared).mean() > 0.95
    assert evidence.agreeing(a, away, ring.lenses, shared).mean() < 0.3


def test_exif_that_lies_is_told_and_not_believed() -> None:
    lens = ballscene.LENS
    names = list(ballscene.ring(2).cameras)
    for said, told in ((lens.focal[0] * 2, 1), (lens.focal[0] * 1.05, 0), (None, 0)):
        frames = [Frame(name, "", lens.size, 0, said, False, 0.3) for name in names]
        notes = cameras._about_lenses({1: lens}, frames)
        assert len(notes) == told and all("190" in note and "380" in note for note in notes)


@settings(max_examples=20)
@given(CHANCE, st.floats(0.1, 9), st.integers(0, 3))
def test_cameras_are_fitted_onto_others_whatever_a_few_do(
    seed: int, scale: float, astray: int
) -> None:
    chance = np.random.default_rng(seed)
    there = dict(ballscene.ring(10).cameras)
    turn = np.linalg.qr(chance.normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    move = chance.normal(size=3)
    here = {
        name: Camera(1, turn.T @ one.rotation, turn.T @ (one.centre - move) / scale)
        for name, one in there.items()
    }
    for name in list(here)[:astray]:
        here[name] = turned(here[name], 40, chance.normal(size=3), np.zeros(3))
    found = cameras.fitted(here, there)
    assert found is not None
    assert abs(found[0] - scale) < 1e-6 * scale
    assert np.abs(found[1] - turn).max() < 1e-6 and np.abs(found[2] - move).max() < 1e-5
