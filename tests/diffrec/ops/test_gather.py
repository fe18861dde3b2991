"""Weighted sums of table rows: the definition, its gradients, agreement of the backends."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from diffrec.ops.backends import use_backend
from diffrec.ops.gather import weighted_gather
from diffrec.ops.gather.reference import weighted_gather as reference

DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
ON = [("numba", "cpu"), *(("warp", device) for device in DEVICES)]


def fetch(seed: int, rows: int = 50, points: int = 400, taps: int = 8, channels: int = 3) -> tuple:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(rows, channels, generator=generator),
        torch.randint(0, rows, (points, taps), generator=generator),
        torch.randn(points, taps, generator=generator),
        torch.randn(points, channels, generator=generator),
    )


def run(
    backend: str, device: str, table: Tensor, index: Tensor, weight: Tensor, gradient: Tensor
) -> list[Tensor]:
    table = table.to(device).requires_grad_()
    weight = weight.to(device).requires_grad_()
    result = use_backend(backend)(weighted_gather)(table, index.to(device), weight)
    result.backward(gradient.to(device))
    assert table.grad is not None
    assert weight.grad is not None
    return [result.detach().cpu(), table.grad.cpu(), weight.grad.cpu()]


def test_a_sum_by_hand() -> None:
    table = torch.tensor([[1.0, 10], [2, 20], [3, 30]])
    index = torch.tensor([[0, 2], [1, 1]])
    weight = torch.tensor([[0.5, 2.0], [1.0, -3.0]])
    expected = torch.tensor([[6.5, 65], [-4, -40]])
    for backend in ("reference", "numba", "warp", None):
        assert torch.equal(use_backend(backend)(weighted_gather)(table, index, weight), expected)


@pytest.mark.parametrize(("backend", "device"), ON)
@pytest.mark.parametrize("shape", [(50, 400, 8, 3), (1, 7, 1, 1), (5000, 33, 4, 9)])
def test_backends_agree_forward_and_backward(
    backend: str, device: str, shape: tuple[int, int, int, int]
) -> None:
    inputs = fetch(1, *shape)
    for found, expected in zip(
        run(backend, device, *inputs), run("reference", "cpu", *inputs), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("backend", "device"), ON)
def test_no_points(backend: str, device: str) -> None:
    result, of_table, of_weight = run(backend, device, *fetch(2, points=0))
    assert result.shape == (0, 3)
    assert of_weight.shape == (0, 8)
    assert not of_table.any()


def test_reference_gradients_are_those_of_finite_differences() -> None:
    table, index, weight, _ = fetch(3, rows=5, points=6, taps=3, channels=2)
    table, weight = table.double().requires_grad_(), weight.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda t, w: reference(t, index, w), (table, weight))
    assert torch.autograd.gradcheck(lambda t, w: weighted_gather(t, index, w), (table, weight))


def test_the_cpu_sums_in_the_same_order_every_time() -> None:
    inputs = fetch(4, rows=3, points=20000)
    first, second = (run("numba", "cpu", *inputs) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@given(st.integers(0, 2**16), st.integers(1, 40), st.integers(0, 60), st.integers(1, 9))
@settings(max_examples=30, deadline=None)
def test_any_shape_agrees_on_the_cpu(seed: int, rows: int, points: int, taps: int) -> None:
    inputs = fetch(seed, rows, points, taps, 1 + seed % 5)
    for found, expected in zip(
        run("numba", "cpu", *inputs), run("reference", "cpu", *inputs), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("index", "weight", "table"),
    [((4, 2), (4, 3), (5, 3)), ((4,), (4,), (5, 3)), ((4, 2), (4, 2), (5,))],
)
def test_shapes_that_do_not_fit_are_named(
    index: tuple[int, ...], weight: tuple[int, ...], table: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="weighted_gather"):
        weighted_gather(torch.zeros(table), torch.zeros(index).long(), torch.zeros(weight))
