"""An iteration with lists of fixed length does what one with lists of the right length does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from diffrec.data.views import ViewBatch
from diffrec.geometry.dmtet import DMTetGeometry
from diffrec.ops.fixedlengths import FixedLengths, Sizes, covered_within
from diffrec.scene import Scene
from diffrec.training.iteration import Iteration
from diffrec.training.passes import Pass
from nvdiffrec_contract.configuration import Config

CPU = torch.device("cpu")

Made = tuple[Pass, Scene]
Make = Callable[[Config], Made]


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
    lengths = FixedLengths(Sizes(rows), CPU)
    pixels = covered_within(triangle, depth, lengths)
    found, left_out = expected[:rows], expected[rows:]
    assert torch.equal(pixels[: len(found)], found)
    assert pixels[len(found) :].tolist() == [-1] * (rows - len(found))
    assert lengths.needed()[0].pixels == len(expected)
    assert lengths.needed()[0].pixels == 0  # since the last question
    kept = seen.view(-1).clone()
    kept[left_out] = False
    assert torch.equal(triangle.view(-1) >= 0, kept)
    assert torch.equal(depth.view(-1).isfinite(), kept)


def gradients(
    config: Config, made: Made, batch: ViewBatch, lengths: FixedLengths | None
) -> tuple[list[Tensor], Sizes]:
    """Both terms and the gradients of everything trained."""
    plan, scene = made
    noise = torch.Generator().manual_seed(1)
    iteration = Iteration(config, plan, scene, [], noise)
    iteration.begin(7)
    image, regulariser = iteration._terms(batch, lengths)
    torch.autograd.backward(image + regulariser)
    found = [p.grad for p in scene.parameters() if p.grad is not None]
    assert len(found) > 4
    return [image.detach(), regulariser.detach(), *found], iteration.sizes


@pytest.mark.usefixtures("on_kernels")
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("spare", [0, 1, 300])
def test_rows_that_are_not_needed_take_part_in_nothing(
    number: int,
    spare: int,
    small_config: Config,
    small_passes: list[Make],
    small_batches: list[ViewBatch],
) -> None:
    config, make, batch = small_config, small_passes[number], small_batches[0]
    expected, need = gradients(config, make(config), batch, None)
    assert need.pixels > 300 and float(expected[0]) > 0
    sizes = Sizes(need.pixels + spare, need.crossings + spare, need.triangles + spare)
    lengths = FixedLengths(sizes, CPU)
    found, _ = gradients(config, make(config), batch, lengths)
    for value, wanted in zip(found, expected, strict=True):
        scale = float(wanted.abs().max())
        torch.testing.assert_close(value, wanted, rtol=1e-4, atol=1e-5 * scale)
    needed, _ = lengths.needed()
    assert needed.pixels == need.pixels
    if number == 0:
        assert (needed.crossings, needed.triangles) == (need.crossings, need.triangles)


@pytest.mark.usefixtures("on_kernels")
@pytest.mark.parametrize("number", [0, 1])
def test_lists_that_overflow_do_no_harm_and_say_so(
    number: int,
    small_config: Config,
    small_passes: list[Make],
    small_batches: list[ViewBatch],
) -> None:
    config, make, batch = small_config, small_passes[number], small_batches[0]
    _, need = gradients(config, make(config), batch, None)
    lengths = FixedLengths(
        Sizes(need.pixels // 2, need.crossings * 3 // 4, need.triangles // 2), CPU
    )
    found, _ = gradients(config, make(config), batch, lengths)
    assert all(bool(value.isfinite().all()) for value in found)
    needed, _ = lengths.needed()
    assert not needed.fits(lengths.sizes)
    if number == 0:
        assert (needed.crossings, needed.triangles) == (need.crossings, need.triangles)


@pytest.mark.usefixtures("on_kernels")
def test_a_vanished_surface_is_noted(
    small_config: Config, small_passes: list[Make], small_batches: list[ViewBatch]
) -> None:
    plan, scene = small_passes[0](small_config)
    with torch.no_grad():
        assert isinstance(scene.geometry, DMTetGeometry)
        scene.geometry.sdf.fill_(1.0)
    lengths = FixedLengths(Sizes(500, 400, 600), CPU)
    found, _ = gradients(small_config, (plan, scene), small_batches[0], lengths)
    assert all(bool(value.isfinite().all()) for value in found)
    assert lengths.needed() == (Sizes(0, 0, 0), 0)
