"""Placement and pictures: the data set shows the object in the middle, upright, undistorted."""

from __future__ import annotations

import json
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from diffrec.data import describe
from diffrec.prepare import masks, pictures, placement, report, undistortion
from diffrec.prepare.frames import Frames
from diffrec.prepare.placement import MESH_SCALE, SIDE, Placement
from diffrec.prepare.solved import Array, Camera, Lens, Solved
from diffrec.prepare.steps import Progress
from nvdiffrec_contract.configuration import from_mapping

from . import ballscene
from .conftest import Prepared

pytest.importorskip("PIL", reason="Pillow comes with the extra photographs")

DISTORTED = Lens((120, 160), (170.0, 174.0), (71.0, 66.0), (0.12, -0.05, 0.002, -0.001))
WIDER = Lens((160, 120), (150.0, 150.0), (63.0, 78.0), (-0.08, 0.0, 0.0, 0.0))


def moved(solved: Solved, scale: float, turn: Array, move: Array) -> Solved:
    """The same in another world, as a solver is free to choose it, with points on the ball."""
    ways = np.random.default_rng(0).normal(size=(400, 3))
    ball = ballscene.CENTRE + ballscene.RADIUS * ways / np.linalg.norm(ways, axis=1, keepdims=True)
    cameras = {
        name: Camera(one.lens, turn @ one.rotation, scale * turn @ one.centre + move)
        for name, one in solved.cameras.items()
    }
    points = scale * ball @ turn.T + move
    return Solved(solved.lenses, cameras, points, ())


def rotation(seed: int) -> Array:
    found = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    return np.asarray(found * np.linalg.det(found))


@pytest.mark.parametrize("seed", range(2))
def test_the_object_is_placed_alike_in_every_world(
    prepared: Callable[..., Prepared], seed: int
) -> None:
    one = prepared(12)
    world = moved(one.solved, 3.0 + seed, rotation(seed), np.array([5.0, -2, seed]))
    coverage = {name: mask.astype(np.float32) / 255 for name, mask in one.truth.items()}
    found = placement.place(world, coverage)
    middle = (3.0 + seed) * rotation(seed) @ ballscene.CENTRE + [5.0, -2, seed]
    assert np.abs(found.points(middle[None])).max() < 0.12
    assert found.box.max() == pytest.approx(SIDE) and SIDE < MESH_SCALE
    # Twice the radius, as large as the hull of a ball seen from a ring is.
    assert found.scale * (3.0 + seed) * 2 * ballscene.RADIUS == pytest.approx(SIDE, rel=0.15)
    up = found.turn @ rotation(seed) @ [0, 0, 1.0]
    assert up @ [0, 0, 1.0] > np.cos(np.radians(3))
    forward = found.turn @ world.cameras["view_00"].rotation[:, 2]
    assert forward[1] > 0 and abs(forward[0]) < 1e-6


def test_placement_is_saved_with_the_way_back(tmp_path: pytest.TempPathFactory) -> None:
    path = tmp_path / "placement.json"  # type: ignore[operator]
    placed = Placement(0.4, rotation(9), np.array([1.0, 2, 3]), np.array([1.7, 1.0, 0.5]))
    placement.save(path, placed)
    again = placement.load(path)
    points = np.random.default_rng(1).normal(size=(5, 3))
    assert np.abs(again.points(points) - placed.points(points)).max() < 1e-9
    document = json.loads(path.read_text())
    there, back = (np.array(document[name]) for name in ("mesh_from_solver", "solver_from_mesh"))
    assert np.abs(there @ back - np.eye(4)).max() < 1e-9
    # z up becomes y up
    mesh = (there @ [*points[0], 1])[:3]
    x, y, z = placed.points(points[:1])[0]
    assert np.abs(mesh - [x, z, -y]).max() < 1e-9


@pytest.mark.parametrize("lens", [ballscene.LENS, DISTORTED, WIDER])
def test_pictures_are_what_one_pinhole_would_have_seen(
    prepared: Callable[..., Prepared], silent: Progress, lens: Lens
) -> None:
    one = prepared(9, lens=lens, alpha=True)
    masks.make(one.asked, one.frames, one.solved, silent)
    coverage = placement.coverage_of(one.out, one.solved)
    placed = placement.place(one.solved, coverage)
    window = undistortion.window_of(one.solved, coverage, 800)
    undistortion.write(one.asked, one.frames, one.solved, placed, window, silent)
    height, width = window.size
    pinhole = Lens(window.size, (window.focal, window.focal), (width / 2, height / 2))
    for name in ("view_00", "view_04"):
        wanted, mask = ballscene.photograph(one.solved.cameras[name], pinhole)
        found = pictures.read(one.out / "images" / f"{name}.png")[0]
        assert ((found[..., 3] > 127) & (mask > 127)).sum() > 0.97 * (mask > 127).sum()
        assert ((found[..., 3] > 127) & (mask < 127)).sum() < 0.02 * (mask > 127).sum()
        inside = cv2.erode(mask, np.ones((9, 9))) > 0
        seen, drawn = (
            cv2.cvtColor(one[..., :3], cv2.COLOR_BGR2GRAY).astype(np.float32)
            for one in (found, wanted)
        )
        mean = float(drawn[inside].mean())
        shift, _response = cv2.phaseCorrelate(
            np.where(inside, seen - mean, 0), np.where(inside, drawn - mean, 0)
        )
        assert np.hypot(*shift) < 0.2
    # The trainer's own reader finds the same cameras: the ball's middle falls on itself.
    said = describe(one.out)
    assert said.kind == "nerf_synthetic" and not said.problems and said.nvdiffrec
    camera = said.cameras[0]
    pose = np.array(camera.camera_to_world)
    x, y, z = pose[:, :3].T @ (placed.points(ballscene.CENTRE[None])[0] - pose[:, 3])
    pixel = np.array([-x / z * camera.focal[0] + camera.centre[0],
                      y / z * camera.focal[1] + camera.centre[1]])  # fmt: skip
    direct = Solved({1: pinhole}, one.solved.cameras, one.solved.points, ())
    assert np.abs(pixel - direct.project("view_00", ballscene.CENTRE[None])[0][0]).max() < 0.01


def test_the_window_holds_the_object_and_ends_where_a_photograph_cuts_it(
    prepared: Callable[..., Prepared],
) -> None:
    one = prepared(8)
    coverage = {name: mask.astype(np.float32) / 255 for name, mask in one.truth.items()}
    whole = undistortion.window_of(one.solved, coverage, 800)
    half_angle = ballscene.RADIUS / np.sqrt(2.2**2 - ballscene.RADIUS**2)
    assert half_angle < whole.reach[1] < 1.35 * half_angle
    assert all(side % undistortion.MULTIPLE == 0 for side in whole.size)
    cut = {**coverage, "view_03": np.ones((120, 160), np.float32)}
    frame = np.array([80, 60]) / 190
    assert (undistortion.window_of(one.solved, cut, 800).reach <= frame + 0.02).all()
    assert max(undistortion.window_of(one.solved, coverage, 64).size) <= 64


def test_the_configuration_is_one(prepared: Callable[..., Prepared]) -> None:
    one = prepared(8)
    window = undistortion.Window((0.3, 0.2), (96, 144))
    made = undistortion.configuration(one.asked, window, MESH_SCALE)
    config = from_mapping(made, "train.json")
    assert config.train_res == (96, 144) and config.mesh_scale == MESH_SCALE
    assert config.ref_mesh == str(one.out)


def test_the_report_names_what_was_left_out(prepared: Callable[..., Prepared]) -> None:
    one = prepared(8, alpha=True)
    known = {name: one.solved.cameras[name] for name in list(one.solved.cameras)[:6]}
    solved = Solved(one.solved.lenses, known, np.zeros((0, 3)), (), {"view_07": "no points"})
    chosen = Frames(one.frames, (("blurry.jpg", "blurred"),))
    made = report.write(one.out, chosen, solved, None, None)
    text = made[2].read_text()
    assert "blurry.jpg: blurred" in text and "view_07: no points" in text
    assert "6 cameras believed" in text
    for path in made[:2]:
        picture = cv2.imread(str(path))
        assert min(picture.shape[:2]) > 200 and picture.std() > 5
