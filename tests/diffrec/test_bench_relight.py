"""`scripts/bench relight`: its measures on invented maps, its scenes and lights, its tables."""

from __future__ import annotations

import argparse
import importlib
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffrec.data.load import load_views
from diffrec.measure.mesh_faults import measure_mesh
from nvdiffrec_contract.configuration import from_mapping

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "benchmarks"


@pytest.fixture(scope="module")
def relight() -> Iterator[SimpleNamespace]:
    """The benchmark's modules."""
    names = ("assets", "judging", "lights", "measures", "scenes", "tracer", "truth")
    sys.path.insert(0, str(SCRIPTS))
    try:
        modules = {name: importlib.import_module(f"relight.{name}") for name in names}
        yield SimpleNamespace(bench=importlib.import_module("bench_relight"), **modules)
    finally:
        sys.path.remove(str(SCRIPTS))


def _maps(seed: int, shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(seed).uniform(0.05, 0.6, shape).astype(np.float32)


EVERYWHERE = np.ones((2, 16, 16), bool)


@given(slope=st.floats(-0.5, 1.5), seed=st.integers(0, 1000), scale=st.floats(0.2, 1.6))
@settings(deadline=None, max_examples=30)
def test_the_bake_slope_is_the_power_of_visibility(
    relight: SimpleNamespace, slope: float, seed: int, scale: float
) -> None:
    truth = _maps(seed, (2, 16, 16, 3))
    visibility = np.random.default_rng(seed + 1).uniform(0.3, 1, (2, 16, 16)).astype(np.float32)
    painted = truth * scale * visibility[..., None] ** slope
    bright = painted.min(axis=-1) > 0.011
    found = relight.measures.bake_slope(painted, truth, visibility, bright)
    assert found == pytest.approx(slope, abs=1e-4)


def test_without_any_shadow_there_is_no_bake_slope(relight: SimpleNamespace) -> None:
    truth = _maps(0, (2, 16, 16, 3))
    assert math.isnan(
        relight.measures.bake_slope(truth, truth, np.ones((2, 16, 16), np.float32), EVERYWHERE)
    )


def test_an_albedo_of_other_scale_is_the_same(relight: SimpleNamespace) -> None:
    truth = _maps(3, (2, 16, 16, 3))
    factors = np.array([0.5, 0.8, 1.5], np.float32)
    scale = relight.measures.albedo_scale(truth * factors, truth, EVERYWHERE)
    assert scale == pytest.approx(1 / factors, rel=1e-5)
    assert relight.measures.psnr(truth * factors * scale, truth, EVERYWHERE) > 90


def test_psnr_is_of_the_pixels_that_count(relight: SimpleNamespace) -> None:
    truth = np.zeros((1, 4, 4, 3), np.float32)
    found = truth.copy()
    found[0, 0] = 1
    assert relight.measures.psnr(found, truth) == pytest.approx(10 * math.log10(4))
    below = np.ones((1, 4, 4), bool)
    below[0, 0] = False
    assert relight.measures.psnr(found, truth, below) == 100


def test_the_interior_keeps_away_from_rims(relight: SimpleNamespace) -> None:
    coverage = np.zeros((1, 9, 9, 1), np.float32)
    coverage[0, 1:8, 1:8] = 1
    inside = relight.measures.interior(coverage, np.ones_like(coverage))
    assert inside.sum() == 9 and inside[0, 3:6, 3:6].all()


def test_normals_err_by_the_angle_between_them(relight: SimpleNamespace) -> None:
    truth = np.zeros((1, 2, 2, 3), np.float32)
    truth[..., 2] = 2
    tilt = math.radians(7)
    found = np.broadcast_to(np.array([math.sin(tilt), 0, math.cos(tilt)], np.float32), truth.shape)
    where = np.ones((1, 2, 2), bool)
    assert relight.measures.normal_error(found, truth, where) == pytest.approx(7, abs=1e-4)


def test_a_light_beside_itself_and_beside_a_flat_one(relight: SimpleNamespace) -> None:
    sun = relight.lights.panorama("sun", 64)
    same = relight.measures.light_figures(sun, sun)
    assert (same.correlation, same.peak) == pytest.approx((1, 1)) and same.off < 0.01
    dim = relight.measures.light_figures(sun / 8, sun)
    assert (dim.correlation, dim.peak) == pytest.approx((1, 1 / 8), rel=1e-4)
    # A quarter of a turn about the pole: the place of the sun moves with it.
    turned = relight.measures.light_figures(np.roll(sun, 32, axis=1), sun)
    assert turned.peak == pytest.approx(1) and turned.off > 50
    assert relight.measures.light_figures(np.ones_like(sun), sun).correlation == 0


def test_chamfer_is_the_distance_of_parallel_squares(relight: SimpleNamespace) -> None:
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3]])
    lifted = corners + np.array([0, 0, 0.1], np.float32)
    found = relight.measures.chamfer((corners, triangles), (lifted, triangles))
    assert found == pytest.approx(0.1, rel=0.01)


def test_a_panorama_of_one_radiance_gives_it_to_every_normal(relight: SimpleNamespace) -> None:
    normals = np.array([[0, 1, 0], [0.6, 0, 0.8], [0, -0.6, -0.8]], np.float32)
    found = relight.lights.irradiance(np.full((64, 128, 3), 2, np.float32), normals)
    assert found == pytest.approx(np.full((3, 3), 2), rel=2e-3)
    assert relight.lights.solid_angles(64).sum() * 128 == pytest.approx(4 * math.pi)


def test_scenes_are_closed_and_the_right_way_out(relight: SimpleNamespace) -> None:
    for name, scene in relight.scenes.SCENES.items():
        assert scene.light in relight.lights.LIGHTS
        made = relight.scenes.build(scene)
        faults = measure_mesh(made.positions, made.triangles)
        assert faults.components == len(scene.patches()), name
        assert (faults.open_sides, faults.crowded_sides, faults.intersecting) == (0, 0, 0), name
        assert np.abs(made.positions).max() <= 1
        for patch in scene.patches():
            positions, _, triangles, _ = relight.scenes.grid(patch)
            a, b, c = positions[triangles].transpose(1, 0, 2)
            assert (np.cross(a, b) * c).sum() > 0, name  # six times its volume


def test_views_that_were_written_are_read_where_they_were_taken(
    relight: SimpleNamespace, tmp_path: Path
) -> None:
    poses = relight.truth.poses(4, held_out=True)
    pictures = np.zeros((4, 8, 8, 4), np.float32)
    pictures[:, 2:6, 2:6] = (0.2, 0.4, 0.6, 1)
    for split in ("train", "test"):
        relight.truth.write_views(tmp_path, split, pictures, poses)
    options = argparse.Namespace(size=16, iterations=1, grid=32, device="cpu")
    wanted = relight.bench.configuration(tmp_path, options, 5)
    config = from_mapping(wanted | {"train_res": [8, 8]}, "configuration")
    assert config.diffrec.seed == 5
    _training, held = load_views(config, "cpu", lambda line: None)
    batch = held.batch([0, 1, 2, 3])
    assert np.allclose(batch.camera_from_world.numpy(), poses, atol=1e-5)
    assert np.allclose(batch.image.numpy()[0, 4, 4], (0.2, 0.4, 0.6, 1), atol=0.01)


def test_the_truth_judged_as_a_result_is_right(
    relight: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without shadows, where a picture takes no Mitsuba; under one small light."""
    monkeypatch.setattr(relight.assets, "LIGHT_RESOLUTION", 32)
    monkeypatch.setattr(relight.judging, "OTHERS", ("studio",))
    scene, size = relight.scenes.SCENES["metal"], 24
    relight.assets.write_asset(tmp_path, relight.scenes.build(scene))
    asset, light = relight.assets.read_asset(tmp_path), relight.lights.panorama(scene.light)
    poses = relight.truth.poses(2, held_out=True)
    looks = relight.assets.look(asset, light, poses, size)
    kind = relight.truth.SHADOWLESS
    relit = {
        name: relight.truth.joined(
            relight.assets.look(asset, relight.lights.panorama(name), poses[:1], size)
        )
        for name in relight.judging.OTHERS
    }
    visibility = np.random.default_rng(0).uniform(0.2, 1, looks.coverage.shape[:3])
    truth = relight.truth.Truth(
        "metal", relight.truth.Extent(size, 1, 2, 1, 1), asset, light, poses, looks,
        visibility.astype(np.float32), {kind: relit}, {},
    )  # fmt: skip
    found = relight.judging.judge_asset(truth, kind, asset, light, 30.0)
    assert set(found) == set(relight.judging.MEASURES)
    assert min(found[name] for name in ("relit", "frame", "own", "albedo")) > 60
    for name in ("roughness", "metalness", "occlusion", "slope", "normal", "chamfer", "components"):
        assert found[name] == pytest.approx(0, abs=1e-3), name
    assert (found["correlation"], found["peak"]) == pytest.approx((1, 1))
    # What is rougher by 0.3 all over, and has a painted shadow, is found out.
    spoilt = replace(asset, ks=asset.ks + torch.tensor([0.4, 0.3, 0]))
    worse = relight.judging.judge_asset(truth, kind, spoilt, light, 30.0)
    assert worse["roughness"] == pytest.approx(0.09, rel=0.05)
    assert worse["occlusion"] == pytest.approx(0.4, rel=0.05)
    assert worse["relit"] < found["relit"] - 10


def test_a_ball_alone_gets_all_light_that_its_normals_face(
    relight: SimpleNamespace, tmp_path: Path
) -> None:
    """Mitsuba's cameras, panorama and mesh are ours: nothing shades a ball but itself."""
    pytest.importorskip("mitsuba")
    scenes, size = relight.scenes, 24
    painted = scenes.plain((0.5, 0.5, 0.5), 0.5)
    patch = scenes.Patch(scenes.ball((0.2, 0.1, 0), 0.7), painted, False, (32, 24))
    relight.assets.write_asset(tmp_path, scenes.build(scenes.Scene("", "", lambda: [patch])))
    asset, light = relight.assets.read_asset(tmp_path), relight.lights.panorama("window")
    poses = relight.truth.poses(2)
    looks = relight.assets.look(asset, light, poses, size)
    seen = relight.tracer.seen_of_light(asset, light, poses, size, 64)
    assert np.abs(seen[..., 3] - looks.coverage[..., 0]).mean() < 0.01
    inside = relight.measures.interior(looks.coverage, seen[..., 3:])
    normals = looks.smooth[inside]
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    wanted = relight.lights.irradiance(light, normals)
    assert np.abs(seen[inside][:, :3] / wanted - 1).mean() < 0.1
    assert seen[inside].mean(axis=0)[:3] == pytest.approx(wanted.mean(axis=0), rel=0.02)


def test_the_table_has_means_and_the_worst(relight: SimpleNamespace) -> None:
    figures: dict[str, float] = dict.fromkeys(relight.judging.MEASURES, 1.0)
    runs = [figures | {"relit": value, "slope": slope} for value, slope in ((20, -0.3), (24, 0.1))]
    text = relight.bench.tables({("bowl", relight.truth.PATH): runs}, ["sample", "bowl"])
    lines = text.splitlines()
    assert lines[0] == "| path traced pictures | bowl |"
    assert "| relighting, interior, PSNR | 22.00, worst 20.00 |" in lines
    assert "| bake slope, albedo and occlusion | -0.10, worst -0.30 |" in lines
    json.dumps(runs)
