from __future__ import annotations

import pytest
import torch
from torch import Tensor

from diffrec.ops.backends import use_backend
from diffrec.ops.hashgrid import HashGridLayout, hashgrid
from diffrec.ops.hashgrid.layout import INITIAL_RANGE, PRIMES

SMALL = HashGridLayout.geometric(levels=5, coarsest=4, finest=97, log2_entries=10)
FAST = ["numba", "warp"]


def points_and_table(seed: int = 0, count: int = 400) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(count, 3, generator=generator) * 1.2 - 0.1
    # Corners, faces and centres of cells, where rounding decides.
    exact = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.5, 0.25, 1.0], [0.0, 1.0, 0.75]])
    table = torch.randn(SMALL.entries, SMALL.features, generator=generator)
    return torch.cat([points, exact]), table


def test_the_papers_layout() -> None:
    layout = HashGridLayout.geometric()
    assert layout.resolutions[0] == 16
    assert layout.resolutions[-1] == 4096
    growth = 256 ** (1 / 15)
    assert layout.resolutions[7] == int(16 * growth**7)
    assert layout.channels == 32
    # 70 cells have 71^3 corners, below 2^19; 101 cells do not fit.
    assert layout.dense == (True,) * 5 + (False,) * 11
    assert layout.sizes[4] == 71**3
    assert layout.sizes[5] == 2**19
    assert layout.offsets[5] == sum(layout.sizes[:5])
    table = layout.new_table(generator=torch.Generator().manual_seed(1))
    assert table.shape == (layout.entries, 2)
    assert float(table.abs().max()) <= INITIAL_RANGE
    assert float(table.abs().mean()) == pytest.approx(INITIAL_RANGE / 2, rel=1e-2)


@pytest.mark.parametrize(
    "arguments", [{"resolutions": ()}, {"resolutions": (0,)}, {"resolutions": (4,), "features": 0}]
)
def test_a_layout_without_sense_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        HashGridLayout(**arguments)  # type: ignore[arg-type]


def test_a_grid_corner_reads_its_entry() -> None:
    layout = HashGridLayout((4, 64), log2_entries=10)
    table = torch.randn(layout.entries, 2, dtype=torch.float64)
    corner = torch.tensor([1, 2, 3])
    encoded = hashgrid((corner / 4)[None].double(), table, layout)
    assert torch.allclose(encoded[0, :2], table[1 + 5 * (2 + 5 * 3)])
    x, y, z = (corner * 16).tolist()
    row = ((x * PRIMES[0]) ^ (y * PRIMES[1]) ^ (z * PRIMES[2])) % 1024
    assert torch.allclose(encoded[0, 2:], table[125 + row])


def test_a_dense_level_reproduces_a_linear_function() -> None:
    layout = HashGridLayout((7,), log2_entries=10)
    axis = torch.arange(8, dtype=torch.float64) / 7
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    table = torch.stack([x + 2 * y - z, 0.5 - x * y * z], dim=-1).reshape(-1, 2)
    points = torch.rand(200, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    encoded = hashgrid(points, table, layout)
    assert torch.allclose(encoded[:, 0], points @ torch.tensor([1.0, 2.0, -1.0]).double())


def test_points_outside_are_clamped_and_get_no_gradient() -> None:
    _, table = points_and_table()
    outside = torch.tensor([[-0.5, 0.3, 2.0]], dtype=torch.float64, requires_grad=True)
    encoded = hashgrid(outside, table.double(), SMALL)
    inside = torch.tensor([[0.0, 0.3, 1.0]], dtype=torch.float64)
    assert torch.equal(encoded, hashgrid(inside, table.double(), SMALL))
    (gradient,) = torch.autograd.grad(encoded.sum(), outside)
    assert gradient[0, 0] == 0
    assert gradient[0, 2] == 0
    assert gradient[0, 1] != 0


def test_gradients_match_finite_differences() -> None:
    layout = HashGridLayout((2, 9), log2_entries=6)
    generator = torch.Generator().manual_seed(5)
    # Away from the faces between cells, where the slope jumps.
    cells = torch.randint(0, 9, (6, 3), generator=generator)
    points = (cells + 0.2 + 0.1 * torch.rand(6, 3, generator=generator)) / 9
    points = points.double().requires_grad_()
    table = torch.randn(layout.entries, 2, dtype=torch.float64, generator=generator)
    table.requires_grad_()
    assert torch.autograd.gradcheck(lambda p, t: hashgrid(p, t, layout), (points, table))


@pytest.mark.parametrize("backend", FAST)
def test_backends_agree_forward_and_backward(backend: str) -> None:
    points, table = points_and_table()
    weights = torch.randn(points.shape[0], SMALL.channels)
    results = []
    for name in ("reference", backend):
        p, t = points.clone().requires_grad_(), table.clone().requires_grad_()
        encoded = use_backend(name)(hashgrid)(p, t, SMALL, gradient_scale=0.125)
        results.append((encoded.detach(), *torch.autograd.grad(encoded, (p, t), weights)))
    for expected, got in zip(*results, strict=True):
        assert torch.allclose(got, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_agrees_with_the_reference() -> None:
    points, table = points_and_table(count=5000)
    weights = torch.randn(points.shape[0], SMALL.channels)
    results = []
    for name, device in (("reference", "cpu"), ("warp", "cuda")):
        p, t = (value.to(device).requires_grad_() for value in (points, table))
        encoded = use_backend(name)(hashgrid)(p, t, SMALL)
        gradients = torch.autograd.grad(encoded, (p, t), weights.to(device))
        results.append([value.detach().cpu() for value in (encoded, *gradients)])
    for expected, got in zip(*results, strict=True):
        assert torch.allclose(got, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("backend", FAST)
def test_no_points(backend: str) -> None:
    _, table = points_and_table()
    assert use_backend(backend)(hashgrid)(torch.zeros(0, 3), table, SMALL).shape == (
        0,
        SMALL.channels,
    )


def test_numba_is_deterministic() -> None:
    points, table = points_and_table(count=20000)
    weights = torch.randn(points.shape[0], SMALL.channels)

    def gradients() -> tuple[Tensor, ...]:
        p, t = points.clone().requires_grad_(), table.clone().requires_grad_()
        return torch.autograd.grad(use_backend("numba")(hashgrid)(p, t, SMALL), (p, t), weights)

    assert all(torch.equal(a, b) for a, b in zip(gradients(), gradients(), strict=True))


def test_a_kept_gradient_buffer_gives_the_same_gradient() -> None:
    points, table = points_and_table()
    table.requires_grad_()
    hashgrid(points, table, SMALL).square().sum().backward()
    assert table.grad is not None
    expected = table.grad.clone()
    buffer = torch.full_like(table, 7.0, requires_grad=False)
    for _ in range(2):
        table.grad = None
        # Two calls in one graph: their gradients add up.
        half = points.shape[0] // 2
        first, second = (
            hashgrid(part, table, SMALL, gradient_buffer=buffer).square().sum()
            for part in (points[:half], points[half:])
        )
        (first + second).backward()
        assert table.grad is buffer
        assert torch.allclose(buffer, expected, rtol=1e-5, atol=1e-6)


def test_a_table_of_another_width_takes_the_reference() -> None:
    layout = HashGridLayout((4, 8), log2_entries=9, features=3)
    points, _ = points_and_table()
    table = torch.randn(layout.entries, 3)
    assert hashgrid(points, table, layout).shape == (points.shape[0], 6)


def test_wrong_shapes_are_named() -> None:
    points, table = points_and_table()
    with pytest.raises(ValueError, match=r"\[N, 3\]"):
        hashgrid(points[:, :2], table, SMALL)
    with pytest.raises(ValueError, match="table"):
        hashgrid(points, table[1:], SMALL)
