from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from diffrec.materials.field import (
    FIRST_LEVELS,
    TABLE_GRADIENT_SCALE,
    NeuralMaterial,
    level_window,
)
from diffrec.materials.surface import Surface
from diffrec.ops.backends import use_backend
from diffrec.ops.hashgrid import HashGridLayout
from diffrec.ops.hashgrid.reference import hashgrid as hashgrid_reference

LAYOUT = HashGridLayout.geometric(levels=6, coarsest=4, finest=128, log2_entries=12)
BOX = (torch.tensor([-1.0, -2.0, -1.0]), torch.tensor([1.0, 2.0, 3.0]))
RANGES = SimpleNamespace(
    kd_min=(0.1, 0.0, 0.2, 0.0),
    kd_max=(0.3, 1.0, 0.4, 1.0),
    ks_min=(0.0, 0.25, 0.0),
    ks_max=(0.0, 0.5, 1.0),
    nrm_min=(-1.0, -1.0, 0.0),
    nrm_max=(1.0, 1.0, 1.0),
)


def positions(count: int = 300) -> Tensor:
    unit = torch.rand(count, 3, generator=torch.Generator().manual_seed(1))
    return BOX[0] + unit * (BOX[1] - BOX[0])


def material(**settings: object) -> NeuralMaterial:
    return NeuralMaterial(None, BOX, layout=LAYOUT, seed=3, **settings)  # type: ignore[arg-type]


def starting_at(*shares: float) -> NeuralMaterial:
    own = SimpleNamespace(ks_start=shares, coarse_to_fine=0.0)
    config = SimpleNamespace(**vars(RANGES), diffrec=own)
    return NeuralMaterial(config, BOX, layout=LAYOUT, seed=3)


@pytest.mark.parametrize(
    ("field", "kd", "ks", "normal"),
    [
        (material, (0.5, 0.5, 0.5), (0.05, 0.54, 0.05), (0.0, 0.0, 0.5)),
        (
            lambda: starting_at(0.5, 0.2, 0.9),
            (0.2, 0.5, 0.3),
            (0.0, 0.3, 0.9),
            (0.0, 0.0, 0.5),
        ),
    ],
    ids=["default", "asked for"],
)
def test_starts_where_it_is_told_to(
    field: Callable[[], NeuralMaterial],
    kd: tuple[float, ...],
    ks: tuple[float, ...],
    normal: tuple[float, ...],
) -> None:
    sample = field().sample(Surface(positions()))
    for value, wanted in ((sample.kd, kd), (sample.ks, ks), (sample.normal, normal)):
        assert value.shape == (300, 3)
        assert torch.allclose(value, torch.tensor(wanted).expand(300, 3), atol=1e-3)


def test_outputs_keep_the_range_of_the_configuration() -> None:
    field = NeuralMaterial(RANGES, BOX, layout=LAYOUT, seed=3)
    with torch.no_grad():
        field.table.mul_(1e6)
        field.weights[-1].normal_(generator=torch.Generator().manual_seed(4))
        sample = field.sample(Surface(positions()))
    for value, low, high in (
        (sample.kd, RANGES.kd_min[:3], RANGES.kd_max[:3]),
        (sample.ks, RANGES.ks_min, RANGES.ks_max),
        (sample.normal, RANGES.nrm_min, RANGES.nrm_max),
    ):
        assert bool((value >= torch.tensor(low)).all())
        assert bool((value <= torch.tensor(high)).all())
    assert float(sample.normal[:, 0].max() - sample.normal[:, 0].min()) > 1.0


def test_equals_the_formula() -> None:
    field = material()
    with torch.no_grad():
        field.table.mul_(1e4)
    place = positions()
    encoded = hashgrid_reference((place - BOX[0]) / (BOX[1] - BOX[0]), field.table, LAYOUT)
    first, second, last = field.weights
    hidden = torch.relu(torch.relu(encoded @ first.t()) @ second.t())
    unit = torch.sigmoid(hidden @ last.t())
    sample = field.sample(Surface(place))
    assert torch.allclose(sample.kd, unit[:, :3], atol=1e-5)
    assert torch.allclose(sample.ks[:, 1], 0.08 + 0.92 * unit[:, 4], atol=1e-5)
    odds = unit[:, 5] / (1 - unit[:, 5]) * 0.05 / 0.95
    assert torch.allclose(sample.ks[:, 2], odds / (1 + odds), atol=1e-5)
    assert torch.allclose(sample.normal[:, :2], 2 * unit[:, 6:8] - 1, atol=1e-5)
    assert torch.allclose(field.albedo(Surface(place)), sample.kd, atol=1e-6)


@pytest.mark.parametrize("backend", ["reference", "numba", "warp"])
def test_the_table_learns_from_an_eighth_of_its_gradient(backend: str) -> None:
    field = material()
    place = positions().requires_grad_()
    with torch.no_grad():
        field.table.mul_(1e4)
    with use_backend(backend):
        field.sample(Surface(place)).kd.sum().backward()

    plain = material()
    table = field.table.detach().clone().requires_grad_()
    other = positions().requires_grad_()
    encoded = hashgrid_reference((other - BOX[0]) / (BOX[1] - BOX[0]), table, LAYOUT)
    hidden = torch.relu(torch.relu(encoded @ plain.weights[0].t()) @ plain.weights[1].t())
    torch.sigmoid(hidden @ plain.weights[2][:3].t()).sum().backward()
    assert TABLE_GRADIENT_SCALE == 1 / 8
    pairs = [(field.table.grad, table.grad / 8), (place.grad, other.grad)]
    pairs += [(a.grad, b.grad) for a, b in zip(field.weights, plain.weights, strict=True)]
    for got, expected in pairs:
        assert torch.allclose(got, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def test_gradients_do_not_pile_up_over_iterations() -> None:
    field = material()
    gradients = []
    for _ in range(2):
        field.zero_grad(set_to_none=True)
        field.sample(Surface(positions())).kd.sum().backward()
        assert field.table.grad is not None
        gradients.append(field.table.grad.clone())
    assert torch.equal(*gradients)


def test_learns_a_field_of_color() -> None:
    field = material()
    optimizer = torch.optim.Adam(field.parameters(), lr=0.02)
    place = positions(2000)
    target = 0.5 + 0.4 * torch.sin(place * 2)
    for _ in range(120):
        optimizer.zero_grad(set_to_none=True)
        error = (field.sample(Surface(place)).kd - target).square().mean()
        error.backward()
        optimizer.step()
        field.clamp_()
    assert error.item() < 1e-3


def test_one_seed_one_field_and_a_state_that_travels() -> None:
    first, second = material(), material()
    assert torch.equal(first.table, second.table)
    other = NeuralMaterial(None, (BOX[0] - 1, BOX[1]), layout=LAYOUT, seed=9)
    assert not torch.equal(first.table, other.table)
    other.load_state_dict(first.state_dict())
    place = Surface(positions())
    assert torch.equal(first.sample(place).kd, other.sample(place).kd)


def test_a_flat_box_is_refused() -> None:
    with pytest.raises(ValueError, match="box"):
        NeuralMaterial(None, (BOX[0], BOX[0]), layout=LAYOUT)


def test_untrained_normals_are_the_smooth_one() -> None:
    field = NeuralMaterial(None, BOX, layout=LAYOUT, seed=3)
    with torch.no_grad():
        field.table.normal_(generator=torch.Generator().manual_seed(4))
        normal = field.sample(Surface(positions())).normal
    assert torch.equal(normal, torch.tensor([0.0, 0.0, 0.5]).expand_as(normal))


def coarse_to_fine(share: float) -> NeuralMaterial:
    config = SimpleNamespace(**{**vars(RANGES), "diffrec": SimpleNamespace(coarse_to_fine=share)})
    field = NeuralMaterial(config, BOX, layout=LAYOUT, seed=3)
    with torch.no_grad():
        field.table.mul_(1e4)
    return field


def test_a_level_comes_in_along_half_a_cosine() -> None:
    assert level_window(5, 2.0).tolist() == [1, 1, 0, 0, 0]
    assert level_window(5, 2.5).tolist() == pytest.approx([1, 1, 0.5, 0, 0])
    third = (1 - math.cos(math.pi / 3)) / 2
    assert level_window(3, 1 + 1 / 3).tolist() == pytest.approx([1, third, 0])
    assert level_window(4, 9.0).tolist() == [1, 1, 1, 1]


@settings(max_examples=50, deadline=None)
@given(share=st.floats(0.01, 1), first=st.floats(0, 1), second=st.floats(0, 1))
def test_levels_come_in_one_after_another_and_stay(
    share: float, first: float, second: float
) -> None:
    field = coarse_to_fine(share)
    windows = []
    for progress in sorted((first, second)):
        field.begin(progress)
        windows.append(field.window.reshape(6, 2).clone())
    for window in windows:
        assert torch.equal(window[:, 0], window[:, 1])
        assert bool((window[:FIRST_LEVELS] == 1).all())
        assert bool((window[:-1] >= window[1:]).all())
    assert bool((windows[1] >= windows[0]).all())
    field.begin(share)
    assert bool((field.window == 1).all())


def test_a_window_is_what_the_encoding_is_multiplied_with() -> None:
    field = coarse_to_fine(0.5)
    field.begin(0.2)
    place = positions().double()
    low, high = (end.double() for end in BOX)
    table = field.table.detach().double().requires_grad_()
    weights = [weight.detach().double().requires_grad_() for weight in field.weights]
    encoded = hashgrid_reference((place - low) / (high - low), table, LAYOUT)
    shown = encoded * field.window.double()
    hidden = torch.relu(torch.relu(shown @ weights[0].t()) @ weights[1].t())
    unit = torch.sigmoid(hidden @ weights[2].t())[:, :3]
    expected = torch.tensor(RANGES.kd_min[:3]) + unit * (
        torch.tensor(RANGES.kd_max[:3]) - torch.tensor(RANGES.kd_min[:3])
    )
    found = field.albedo(Surface(positions()))
    assert torch.allclose(found.double(), expected, atol=1e-5)
    expected.sum().backward()
    found.sum().backward()
    for one, other in zip(field.weights, weights, strict=True):
        assert one.grad is not None
        assert other.grad is not None
        largest = float(other.grad.abs().max())
        assert float((one.grad.double() - other.grad).abs().max()) < 1e-4 * largest
    assert field.table.grad is not None
    unseen = LAYOUT.offsets[5]
    assert float(field.table.grad[unseen:].abs().max()) == 0
    assert float(field.table.grad[:unseen].abs().max()) > 0


def test_all_levels_take_part_unless_asked_otherwise_and_before_the_first_iteration() -> None:
    plain, field = material(), coarse_to_fine(0.5)
    plain.begin(0.0)
    assert bool((plain.window == 1).all())
    assert bool((field.window == 1).all())
    assert "window" not in field.state_dict()
