"""Views of a reference mesh: one at a time and several ahead."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from diffrec.data.rendered import ReferenceMeshViews, ReferenceScene
from diffrec.shading.light import EnvironmentLight
from diffrec.shading.models import Lighting
from diffrec.textured_mesh import load_reference_mesh

SHAPE = "mtllib a.mtl\nusemtl m\nv -1 -1 0\nv 1 -1 0\nv 0 1 0.4\nv 0 0 -1\nf 1 2 3\nf 3 2 4\n"


DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


@pytest.fixture(params=DEVICES)
def scene(tmp_path: Path, request: pytest.FixtureRequest) -> ReferenceScene:
    (tmp_path / "a.mtl").write_text("newmtl m\nKd 0.2 0.4 0.6\nKs 0 0.3 0\n")
    (tmp_path / "a.obj").write_text(SHAPE)
    device = torch.device(request.param)
    known = load_reference_mesh(tmp_path / "a.obj", None, device)
    light = EnvironmentLight(16).to(device)
    with torch.no_grad():
        return ReferenceScene(known.mesh, known.material.to(device), Lighting.of(light))


def views(scene: ReferenceScene, ahead: int | None, seed: int = 3) -> ReferenceMeshViews:
    return ReferenceMeshViews(
        scene, (24, 32), near_far=(0.1, 1000.0), training=True, length=64, seed=seed, ahead=ahead
    )


def test_rendering_ahead_changes_no_view(scene: ReferenceScene) -> None:
    single, several = views(scene, 1), views(scene, 3)
    for _ in range(7):
        one, other = single.batch([0, 1]), several.batch([0, 1])
        assert one.image is not None and other.image is not None
        torch.testing.assert_close(one.camera_from_world, other.camera_from_world, rtol=0, atol=0)
        torch.testing.assert_close(one.image, other.image)
        assert torch.equal(single.generator.get_state(), several.generator.get_state())


def test_a_resumed_run_gets_the_views_that_were_to_come(scene: ReferenceScene) -> None:
    first = views(scene, 4)
    first.batch([0, 1])
    state = first.generator.get_state()
    expected = [first.batch([0, 1]).camera_from_world for _ in range(3)]
    other = views(scene, 4, seed=99)
    other.batch([0, 1])
    other.generator.set_state(state)
    for camera in expected:
        assert torch.equal(other.batch([0, 1]).camera_from_world, camera)


def test_batches_of_another_size_are_drawn_anew(scene: ReferenceScene) -> None:
    several, single = views(scene, 3), views(scene, 1)
    for size in (2, 2, 3, 1):
        expected = single.batch([0] * size).camera_from_world
        assert torch.equal(several.batch([0] * size).camera_from_world, expected)
