"""Corrections of the cameras and exposures of photographs."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from diffrec import cameras
from diffrec.data.views import ImageViews, View, ViewBatch
from diffrec.geometry.mesh import Mesh
from diffrec.geometry.vertices import VertexGeometry
from diffrec.materials import TextureMaterial
from diffrec.measure import metrics
from diffrec.measure.validation import Pictures
from diffrec.render import render
from diffrec.scene import Scene
from diffrec.shading.light import EnvironmentLight
from diffrec.shading.models import Lighting
from diffrec.training import loop
from diffrec.training.adam import Adam
from diffrec.training.held_out import with_cameras_refined
from diffrec.training.passes import Pass
from diffrec.view_corrections import (
    LARGEST_GAIN,
    LARGEST_TURN,
    ViewCorrections,
    rigid_motions,
)
from nvdiffrec_contract.configuration import Config

SIZE = (48, 48)


def _places(count: int) -> Tensor:
    """Where so many cameras are that look down at the middle from all around."""
    angle = torch.arange(count) * 2 * math.pi / count
    return 3 * torch.stack([angle.cos(), torch.full_like(angle, 0.6), angle.sin()], dim=1)


def test_motions_are_rigid_and_have_exact_gradients() -> None:
    scipy = pytest.importorskip("scipy.spatial.transform")
    generator = torch.Generator().manual_seed(1)
    motion = torch.randn(5, 6, generator=generator, dtype=torch.float64)
    motion[0] = 0
    motion[1] *= 1e-5
    motion.requires_grad_()
    found = rigid_motions(motion, 2.5).detach()
    expected = scipy.Rotation.from_rotvec(motion.detach()[:, :3].numpy()).as_matrix()
    torch.testing.assert_close(found[:, :3, :3], torch.from_numpy(expected))
    torch.testing.assert_close(found[:, :3, 3], 2.5 * motion.detach()[:, 3:])
    assert torch.equal(found[:, 3], torch.tensor([0.0, 0, 0, 1]).double().expand(5, 4))
    assert torch.autograd.gradcheck(lambda value: rigid_motions(value, 2.5), (motion,))


def _square() -> tuple[Mesh, TextureMaterial]:
    """A square with blobs of colour, seen from +z."""
    positions = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3]], dtype=torch.int32)
    texcoords = torch.tensor([[0.0, 1], [1, 1], [1, 0], [0, 0]])
    mesh = Mesh(positions, triangles, texcoords=texcoords, texcoord_triangles=triangles)
    row, column = torch.meshgrid(torch.arange(32) / 32, torch.arange(32) / 32, indexing="ij")
    waves = [torch.sin(9 * row + 3 * column), torch.cos(7 * column), torch.sin(8 * (row - column))]
    albedo = torch.stack(waves, dim=-1) * 0.35 + 0.5
    plain = torch.tensor([0.0, 0.9, 0.0]).expand(32, 32, 3)
    up = torch.tensor([0.0, 0.0, 1.0]).expand(32, 32, 3)
    return mesh.with_normals().with_tangents(), TextureMaterial(albedo, plain, up)


def _views() -> ViewBatch:
    poses = [
        cameras.translation(0.0, 0.0, -3.2) @ cameras.rotation_x(a) @ cameras.rotation_y(b)
        for a, b in ((0.0, 0.0), (0.4, 0.2), (-0.3, 0.5), (0.2, -0.5))
    ]
    pose = torch.stack([one.float() for one in poses])
    projection = cameras.perspective(0.7, 1.0, 0.1, 10.0).float()
    return ViewBatch(
        projection @ pose, pose, cameras.camera_position(pose), None, torch.arange(len(poses))
    )


def _picture(batch: ViewBatch, gains: Tensor | None = None) -> Tensor:
    mesh, material = _square()
    with torch.no_grad():
        light = Lighting.of(EnvironmentLight(16))
    return render(
        mesh,
        material,
        light,
        batch.clip_from_world,
        batch.camera_from_world,
        batch.camera_position,
        SIZE,
        gains=gains,
    ).image


def _learn(corrections: ViewCorrections, values: Tensor, target: Tensor, rate: float) -> None:
    batch = _views()
    adam = Adam([values], rate, lambda i: 0.97**i)  # type: ignore[list-item]
    for iteration in range(80):
        adam.zero_grad()
        image = _picture(corrections.applied(batch), corrections.gains(batch))
        torch.autograd.backward((image - target).square().mean())
        adam.begin(iteration)
        adam.step()
        corrections.clamp_()


def test_wrong_cameras_are_put_right() -> None:
    generator = torch.Generator().manual_seed(2)
    wrong = ViewCorrections(_places(4), 2.0, cameras=True, exposure=False)
    with torch.no_grad():
        wrong.motion.copy_(0.012 * torch.randn(4, 6, generator=generator))
        wrong.clamp_()
        target = _picture(wrong.applied(_views()))
        before = float((_picture(_views()) - target).square().mean())
    corrections = ViewCorrections(_places(4), 2.0, cameras=True, exposure=False)
    _learn(corrections, corrections.motion, target, 2e-3)
    with torch.no_grad():
        after = float((_picture(corrections.applied(_views())) - target).square().mean())
    assert after < 0.05 * before
    turned = (corrections.motion - wrong.motion)[:, :3].detach().norm(dim=1)
    assert float(turned.max()) < 0.5 * float(wrong.motion[:, :3].detach().norm(dim=1).max())


def test_exposures_are_found_and_leave_the_background_alone() -> None:
    factors = torch.tensor([[1.2, 1.0, 0.8], [0.8, 1.0, 1.3], [1.1, 0.9, 1.0], [0.95, 1.1, 0.96]])
    factors = factors / factors.log().mean(dim=0).exp()
    with torch.no_grad():
        plain, target = _picture(_views()), _picture(_views(), factors)
    outside = plain[..., 3] == 0
    assert outside.any() and torch.equal(plain[outside], target[outside])
    corrections = ViewCorrections(_places(4), 2.0, cameras=False, exposure=True)
    _learn(corrections, corrections.gain, target, 2e-2)
    torch.testing.assert_close(corrections.gain.detach().exp(), factors, rtol=0.02, atol=0.0)
    assert corrections.applied(_views()).clip_from_world.equal(_views().clip_from_world)


def test_means_stay_zero_and_corrections_small() -> None:
    corrections = ViewCorrections(_places(6), 1.0, cameras=True, exposure=True)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        corrections.motion.copy_(torch.randn(6, 6, generator=generator) * 0.01 + 0.5)
        corrections.gain.copy_(torch.randn(6, 3, generator=generator) * 0.1 - 2)
    corrections.clamp_()
    assert float(corrections.motion.detach().mean(dim=0).abs().max()) < 1e-6
    assert float(corrections.gain.detach().mean(dim=0).abs().max()) < 1e-6
    with torch.no_grad():
        corrections.motion[0] = 9.0
        corrections.gain[1] = -9.0
    corrections.clamp_()
    assert float(corrections.motion[:, :3].detach().abs().max()) == pytest.approx(LARGEST_TURN)
    assert float(corrections.gain.detach().abs().max()) == pytest.approx(LARGEST_GAIN)
    assert float(corrections.term().detach()) > 0


@given(seed=st.integers(0, 999), count=st.integers(3, 40), grown=st.floats(-0.02, 0.02))
def test_what_the_object_can_follow_is_no_correction(seed: int, count: int, grown: float) -> None:
    """Cameras that move, turn or go back together see what they saw, and those held out do not."""
    draw = torch.Generator().manual_seed(seed)
    places = _places(count) + torch.randn(count, 3, generator=draw)
    corrections = ViewCorrections(places, 2.0, cameras=True, exposure=False)
    with torch.no_grad():
        corrections.motion.copy_(0.002 * torch.randn(count, 6, generator=draw))
        corrections.clamp_()
        kept = corrections.motion.clone()
        # In front of a camera an object that has grown looks as one that came nearer by as much.
        corrections.motion += 0.003 * torch.randn(6, generator=draw)
        corrections.motion[:, 3:] -= grown * (places - places.mean(dim=0)) / 2.0
        corrections.clamp_()
    off = float((corrections.motion - kept).detach().abs().max())
    assert off < 2e-6 or float(corrections.motion.detach().abs().max()) >= LARGEST_TURN * 0.999


@pytest.mark.parametrize(("index", "base"), [(0, None), (1, None), (0, "mesh.obj")])
def test_cameras_wait_for_a_shape_and_exposures_do_not(index: int, base: str | None) -> None:
    mesh, material = _square()
    corrections = ViewCorrections(_places(4), 2.0, cameras=True, exposure=True)
    scene = Scene(VertexGeometry(mesh), material, EnvironmentLight(16), corrections=corrections)
    config = dataclasses.replace(Config(), iter=100, base_mesh=base)
    current = SimpleNamespace(
        index=index,
        warm_up=0,
        final_rate=0.05,
        betas=(0.9, 0.999),
        train_light=False,
        material_share=lambda _progress: 1.0,
    )
    rates = {
        id(one.parameters[0]): one for one in loop._optimizers(config, cast(Pass, current), scene)
    }
    motion, gain = rates[id(corrections.motion)], rates[id(corrections.gain)]
    assert (motion.rate_at(0) > 0) == (index > 0 or base is not None)
    assert motion.rate_at(90) > 0 and gain.rate_at(0) > 0


def test_held_out_views_have_a_second_figure_with_their_cameras_refined() -> None:
    wrong = ViewCorrections(_places(4), 2.0, cameras=True, exposure=False)
    with torch.no_grad():
        wrong.motion.copy_(0.006 * torch.randn(4, 6, generator=torch.Generator().manual_seed(4)))
        pictures = _picture(wrong.applied(_views()))
    mesh, material = _square()
    found = _views()
    lens = cameras.perspective(0.7, 1.0, 0.1, 10.0).float()
    views = ImageViews(
        [
            View(f"{i}.png", pose, lens, lambda i=i: pictures[i].cpu())
            for i, pose in enumerate(found.camera_from_world)
        ],
        "cpu",
        pre_load=True,
    )
    geometry = VertexGeometry(mesh)
    scene = Scene(geometry, material, EnvironmentLight(16))
    learning = [one.requires_grad for one in scene.parameters()]
    config = dataclasses.replace(
        Config(), batch=3, mesh_scale=2.0, train_res=SIZE, background="black"
    )
    lines: list[str] = []
    before = [
        metrics.psnr(row.result, row.reference)
        for row in (Pictures(config, scene).view(views.batch([i])) for i in range(4))
        if row.reference is not None
    ]
    after = with_cameras_refined(config, scene, views, lines.append)
    assert after > sum(before) / 4 + 3
    assert [one.requires_grad for one in scene.parameters()] == learning
    assert all(one.grad is None for one in scene.parameters()), "nothing else has learned"
    (line,) = lines
    assert f"{after:.3f}" in line and "held-out cameras refined too" in line


def test_views_that_do_not_say_which_they_are_are_refused() -> None:
    corrections = ViewCorrections(_places(4), 1.0, cameras=True, exposure=False)
    with pytest.raises(ValueError, match="indices"):
        corrections.applied(dataclasses.replace(_views(), view=None))
