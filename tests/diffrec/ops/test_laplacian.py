from __future__ import annotations

import pytest
import torch

from diffrec.ops.backends import use_backend
from diffrec.ops.laplacian import UniformLaplacian

# A square pyramid: the tip 4 over the ring 0..3.
PYRAMID = torch.tensor([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])
CORNERS = torch.tensor([[1.0, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0], [0, 0, 2]])


def test_tip_of_a_pyramid() -> None:
    found = UniformLaplacian(PYRAMID, 5).laplacian(CORNERS)
    assert torch.allclose(found[4], torch.tensor([0.0, 0, -2]))
    # Corner 0: neighbours 1, 3 and the tip.
    assert torch.allclose(found[0], torch.tensor([-1.0, 0, 2 / 3]))


def test_agrees_with_a_dense_matrix() -> None:
    adjacency = torch.zeros(5, 5, dtype=torch.float64)
    for a, b, c in PYRAMID.tolist():
        for i, j in ((a, b), (b, c), (c, a)):
            adjacency[i, j] = adjacency[j, i] = 1
    matrix = adjacency / adjacency.sum(1, keepdim=True) - torch.eye(5, dtype=torch.float64)
    values = CORNERS.double()
    expected = (matrix @ values).square().sum(1).mean()
    assert UniformLaplacian(PYRAMID, 5)(values).item() == pytest.approx(expected.item(), rel=1e-7)


def test_translation_costs_nothing_and_lone_vertices_neither() -> None:
    smooth = UniformLaplacian(PYRAMID, 7)
    assert smooth(torch.full((7, 3), 0.3)).item() == 0.0
    values = torch.zeros(7, 3)
    values[6] = 100.0
    assert smooth(values).item() == 0.0


def test_gradients_agree_with_finite_differences() -> None:
    values = CORNERS.double().requires_grad_()
    assert torch.autograd.gradcheck(UniformLaplacian(PYRAMID, 5), (values,))


@pytest.mark.parametrize("device", ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"])
@pytest.mark.parametrize("displaced", [False, True])
def test_the_kernels_agree(displaced: bool, device: str) -> None:
    generator = torch.Generator().manual_seed(1)
    triangles = torch.randint(0, 40_000, (50_000, 3), generator=generator)
    values = torch.randn(40_001, 3, generator=generator)  # more than the kernel has threads
    start = values + 0.1 * torch.randn(values.shape, generator=generator) if displaced else None
    laplacian = UniformLaplacian(triangles, len(values))
    exact = values.double().requires_grad_(True)
    expected = laplacian(exact, None if start is None else start.double())
    (3 * expected).backward()
    there = values.to(device).requires_grad_(True)
    found = use_backend("warp")(laplacian.to(device))(
        there, None if start is None else start.to(device)
    )
    (3 * found).backward()
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert there.grad is not None and exact.grad is not None
    scale = float(exact.grad.abs().max())
    torch.testing.assert_close(there.grad.double().cpu(), exact.grad, rtol=1e-4, atol=1e-6 * scale)


def test_the_kernels_too_charge_nothing_for_translation_and_lone_vertices() -> None:
    smooth = UniformLaplacian(PYRAMID, 7)
    values = torch.full((7, 3), 0.3)
    values[6] = 100.0
    assert use_backend("warp")(smooth)(values).item() == 0.0
    assert use_backend("warp")(smooth)(values, values).item() == 0.0
