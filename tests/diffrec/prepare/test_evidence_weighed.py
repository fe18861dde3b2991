"""What holds a camera is weighed against what contradicts it: chance matches do not refuse a right
one, and they are no excuse for a wrong one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from diffrec.prepare.evidence import Pair, Shared, Verdict
from diffrec.prepare.evidence import believed as believed_of
from diffrec.prepare.solved import Array, Camera, Solved

from . import ballscene
from .test_evidence import CHANCE, believed, matched, turned

COUNT = 12


def by_chance(ring: Solved, seed: int, points: int) -> dict[Pair, Shared]:
    """Points that each camera seems to share with the one across, which it does not see."""
    chance = np.random.default_rng(seed)
    names = list(ring.cameras)
    half = len(names) // 2
    return {
        (names[i], names[i + half]): Shared(
            *(chance.uniform([0, 0], [160, 120], (points, 2)) for _ in range(2))
        )
        for i in range(half)
    }


def shifted(camera: Camera, part: float, seed: int) -> Camera:
    """A camera moved across its axis, by a part of its distance from the object."""
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi)
    across: Array = camera.rotation[:, 0] * np.cos(angle) + camera.rotation[:, 1] * np.sin(angle)
    far = float(np.linalg.norm(camera.centre - ballscene.CENTRE))
    return Camera(camera.lens, camera.rotation, camera.centre + part * far * across)


def mirrored(camera: Camera) -> Camera:
    """A camera as a mirror through the object's middle would have it."""
    flip = np.diag([1.0, -1.0, 1.0])
    about = ballscene.CENTRE
    rotation = flip @ camera.rotation @ np.diag([-1.0, 1.0, 1.0])
    return Camera(camera.lens, rotation, flip @ (camera.centre - about) + about)


@settings(max_examples=25)
@given(CHANCE, st.integers(30, 60))
def test_matches_by_chance_refuse_no_right_camera(seed: int, points: int) -> None:
    ring = ballscene.ring(COUNT)
    shared = {**matched(ring, seed, 3), **by_chance(ring, seed, points)}
    assert believed(ring, dict(ring.cameras), shared) == set(ring.cameras)


WAYS: dict[str, Callable[[Camera, int], Camera]] = {
    "turned": lambda one, seed: turned(
        one, 3, np.random.default_rng(seed).normal(size=3), one.centre
    ),
    "shifted": lambda one, seed: shifted(one, 0.03, seed),
    "mirrored": lambda one, _seed: mirrored(one),
}


@settings(max_examples=60)
@given(CHANCE, st.sampled_from(sorted(WAYS)), st.integers(0, COUNT - 1), st.booleans())
def test_wrong_cameras_are_refused_all_the_same(
    seed: int, way: str, which: int, chance: bool
) -> None:
    ring = ballscene.ring(COUNT)
    name = list(ring.cameras)[which]
    wrong = WAYS[way](ring.cameras[name], seed)
    off = np.linalg.norm(wrong.centre - ring.cameras[name].centre)
    if way == "mirrored" and off < 0.3:  # it lies in the mirror's plane
        return
    shared = matched(ring, seed, 3)
    if chance:
        shared |= by_chance(ring, seed, 30)
    assert name not in believed(ring, {**ring.cameras, name: wrong}, shared)


@settings(max_examples=20)
@given(CHANCE, st.integers(0, COUNT - 1), st.integers(1, COUNT - 1))
def test_swapped_cameras_are_refused_both(seed: int, first: int, step: int) -> None:
    ring = ballscene.ring(COUNT)
    names = list(ring.cameras)
    a, b = names[first], names[(first + step) % COUNT]
    cameras = {**ring.cameras, a: ring.cameras[b], b: ring.cameras[a]}
    assert not {a, b} & believed(ring, cameras, matched(ring, seed, 3))


@given(st.integers(30, 3000), st.integers(30, 3000))
def test_the_more_a_camera_is_held_the_more_may_contradict_it(held: int, against: int) -> None:
    """Verdicts alone: one camera among three that hold it and one that contradicts it."""
    names = "abcde"
    verdicts = {(x, y): Verdict(5000, 5000, 5000) for x in names[:4] for y in names[:4] if x < y}
    for other in "abc":
        verdicts[other, "e"] = Verdict(held, held, held)
    verdicts["d", "e"] = Verdict(against, 0, 0)
    assert ("e" in believed_of(verdicts, names)) == (3 * held >= 4 * against)


@given(st.integers(0, 3), st.floats(0.05, 1), st.floats(0.05, 1))
def test_a_camera_whose_points_lie_farther_off_than_the_others_is_astray(
    which: int, others: float, own: float
) -> None:
    """However near the others' points lie: blur and small pictures are no fault of a camera."""
    names = "abcdefg"
    name = names[which]
    verdicts = {
        (x, y): Verdict(1000, 1000, int(1000 * (own if name in (x, y) else others)))
        for x in names
        for y in names
        if x < y
    }
    middle = (5 * others + own) / 6
    if abs(own - 0.75 * middle) > 0.01:
        kept = believed_of(verdicts, names)
        assert kept == set(names) - ({name} if own < 0.75 * middle else set())
