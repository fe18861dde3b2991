from __future__ import annotations

import pytest
import torch

from diffrec.geometry.regularisers import UniformLaplacian

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
