"""An iteration with lists of fixed length does what one with lists of the right length does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from diffrec.config import Config
from diffrec.data.load import load_views
from diffrec.data.views import ViewBatch
from diffrec.geometry.dmtet import DMTetGeometry
from diffrec.geometry.vertices import VertexGeometry
from diffrec.iteration import Iteration, PassPlan, Scene
from diffrec.materials import NeuralMaterial, Surface, TextureMaterial
from diffrec.ops import backends
from diffrec.ops.hashgrid import HashGridLayout
from diffrec.ops.room import Room, Sizes, covered_within
from diffrec.reference import load_reference_mesh
from diffrec.shading.light import EnvironmentLight

CPU = torch.device("cpu")
WITH_BACKENDS = (
    "ops.hashgrid",
    "ops.pyramid",
    "ops.rasterize",
    "ops.surface",
    "ops.antialias",
    "materials.textures",
    "shading.points",
    "geometry.frames",
    "geometry.dmtet",
    "geometry.regularisers",
    "losses",
)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    covered=st.sampled_from([0.0, 0.3, 1.0]),
    rows=st.integers(1, 80),
)
def test_covered_pixels_fill_the_rows_there_are(seed: int, covered: float, rows: int) -> None:
    random = torch.Generator().manual_seed(seed)
    seen = torch.rand(2, 4, 7, generator=random) < covered
    triangle = torch.where(seen, 5, -1).int()
    depth = torch.where(seen, 0.5, torch.inf)
    expected = torch.nonzero(seen.view(-1)).view(-1)
    room = Room(Sizes(rows), CPU)
    pixels = covered_within(triangle, depth, room)
    found, left_out = expected[:rows], expected[rows:]
    assert torch.equal(pixels[: len(found)], found)
    assert pixels[len(found) :].tolist() == [-1] * (rows - len(found))
    assert room.needed()[0].pixels == len(expected)
    assert room.needed()[0].pixels == 0  # since the last question
    kept = seen.view(-1).clone()
    kept[left_out] = False
    assert torch.equal(triangle.view(-1) >= 0, kept)
    assert torch.equal(depth.view(-1).isfinite(), kept)


@pytest.fixture
def on_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernels of CUDA, on the CPU, and jitter that does not depend on the number of rows."""

    def warp(tensor: Tensor, backend: str | None = None, **options: object) -> str:
        chosen = backends.choose_backend(tensor, backend, **options)  # type: ignore[arg-type]
        return "warp" if chosen == "numba" or backend is None else chosen

    for module in WITH_BACKENDS:
        monkeypatch.setattr(f"diffrec.{module}.choose_backend", warp)

    def moved(self: Surface, *_: object) -> Surface:
        uv = None if self.uv is None else self.uv.detach() + 0.003
        return Surface(self.position.detach() + 0.004, uv, self.lod)

    monkeypatch.setattr(Surface, "jittered", moved)


@pytest.fixture
def config(sample: Path) -> Config:
    return dataclasses.replace(
        Config(),
        ref_mesh=str(sample / "sample.obj"),
        envmap=str(sample / "sky.hdr"),
        train_res=(40, 56),
        batch=2,
        dmtet_grid=16,
        iter=10,
    )


Made = tuple[PassPlan, Scene]


def first_pass(config: Config) -> Made:
    grid = DMTetGeometry(config.dmtet_grid, config.mesh_scale)
    with torch.no_grad():
        grid.sdf.copy_(grid.grid_vertices.norm(dim=1) - 0.55)
    layout = HashGridLayout.geometric(levels=4, log2_entries=10)
    field = NeuralMaterial(config, grid.box(), layout=layout, seed=1)
    plan = PassPlan(0, "", grid.regulariser, grid.weight, train_light=True, most=grid.most())
    return plan, Scene(grid, field, EnvironmentLight(16))


def second_pass(config: Config) -> Made:
    free = VertexGeometry(load_reference_mesh(Path(str(config.ref_mesh)), None, CPU).mesh)
    textures = TextureMaterial.random(config, resolution=(64, 64))
    plan = PassPlan(
        1, "", lambda w: free.regulariser() * w, lambda _: 1.0, train_light=True, most=Sizes(0)
    )
    return plan, Scene(free, textures, EnvironmentLight(16))


def batch_of(config: Config) -> ViewBatch:
    views, _ = load_views(config, CPU, lambda _: None)
    return views.batch(range(config.batch))


def gradients(
    config: Config, made: Made, batch: ViewBatch, room: Room | None
) -> tuple[list[Tensor], Sizes]:
    """Both terms and the gradients of everything trained."""
    plan, scene = made
    noise = torch.Generator().manual_seed(1)
    iteration = Iteration(config, plan, scene, [], noise)
    iteration.begin(7)
    image, regulariser = iteration._terms(batch, room)
    torch.autograd.backward(image + regulariser)
    found = [p.grad for p in scene.parameters() if p.grad is not None]
    assert len(found) > 4
    return [image.detach(), regulariser.detach(), *found], iteration.sizes


@pytest.mark.usefixtures("on_kernels")
@pytest.mark.parametrize("make", [first_pass, second_pass])
@pytest.mark.parametrize("spare", [0, 1, 300])
def test_rows_that_are_not_needed_take_part_in_nothing(
    make: Callable[[Config], Made], spare: int, config: Config
) -> None:
    batch = batch_of(config)
    expected, need = gradients(config, make(config), batch, None)
    assert need.pixels > 300 and float(expected[0]) > 0
    sizes = Sizes(need.pixels + spare, need.crossings + spare, need.triangles + spare)
    room = Room(sizes, CPU)
    found, _ = gradients(config, make(config), batch, room)
    for value, wanted in zip(found, expected, strict=True):
        scale = float(wanted.abs().max())
        torch.testing.assert_close(value, wanted, rtol=1e-4, atol=1e-5 * scale)
    needed, _ = room.needed()
    assert needed.pixels == need.pixels
    if make is first_pass:
        assert (needed.crossings, needed.triangles) == (need.crossings, need.triangles)


@pytest.mark.usefixtures("on_kernels")
@pytest.mark.parametrize("make", [first_pass, second_pass])
def test_lists_that_overflow_do_no_harm_and_say_so(
    make: Callable[[Config], Made], config: Config
) -> None:
    batch = batch_of(config)
    _, need = gradients(config, make(config), batch, None)
    room = Room(Sizes(need.pixels // 2, need.crossings * 3 // 4, need.triangles // 2), CPU)
    found, _ = gradients(config, make(config), batch, room)
    assert all(bool(value.isfinite().all()) for value in found)
    needed, _ = room.needed()
    assert not needed.fits(room.sizes)
    if make is first_pass:
        assert (needed.crossings, needed.triangles) == (need.crossings, need.triangles)


@pytest.mark.usefixtures("on_kernels")
def test_a_vanished_surface_is_noted(config: Config) -> None:
    plan, scene = first_pass(config)
    with torch.no_grad():
        assert isinstance(scene.geometry, DMTetGeometry)
        scene.geometry.sdf.fill_(1.0)
    room = Room(Sizes(500, 400, 600), CPU)
    found, _ = gradients(config, (plan, scene), batch_of(config), room)
    assert all(bool(value.isfinite().all()) for value in found)
    assert room.needed() == (Sizes(0, 0, 0), 0)
