"""Wide filters by the symmetries of the cube, against the whole matrices."""

from __future__ import annotations

import pytest
import torch

from diffrec.ops import cubemap
from diffrec.ops.cubemap.lobes import exact_rows
from diffrec.ops.cubemap.widefilter import WideFilter, symmetries, texel_permutations

CPU = torch.device("cpu")
DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


def test_the_symmetries_are_a_group_of_48_orthogonal_matrices() -> None:
    matrices = symmetries()
    assert matrices.shape == (48, 3, 3)
    identity = torch.eye(3, dtype=torch.float64)
    assert torch.equal(matrices[0], identity)
    assert torch.equal(matrices @ matrices.transpose(1, 2), identity.expand(48, 3, 3))
    known = {tuple(matrix.flatten().tolist()) for matrix in matrices}
    assert len(known) == 48
    products = torch.einsum("aij,bjk->abik", matrices, matrices).reshape(-1, 9)
    assert {tuple(product.tolist()) for product in products} == known


@pytest.mark.parametrize("size", [1, 2, 4, 16])
def test_symmetries_take_texels_to_texels(size: int) -> None:
    found = texel_permutations(size)
    directions = cubemap.texel_directions(size, torch.float64).reshape(-1, 3)
    for matrix, taken in zip(symmetries(), found, strict=True):
        assert torch.equal(taken.sort().values, torch.arange(6 * size * size))
        torch.testing.assert_close(directions @ matrix.T, directions[taken], rtol=0, atol=1e-12)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [2, 8, 16])
def test_values_and_gradient_are_those_of_the_whole_matrix(size: int, device: str) -> None:
    outputs = [(2 * size, 0.5), (size, 1.0), (size, None)]
    operator = WideFilter(size, outputs, torch.device(device))
    generator = torch.Generator().manual_seed(size)
    texels = torch.rand(6 * size * size, 3, generator=generator) ** 20
    exact = texels.double().requires_grad_()
    expected = [dense_filter(edge, size, roughness) @ exact for edge, roughness in outputs]
    mine = texels.to(device).requires_grad_()
    found = operator(mine)
    weights = [torch.randn(one.shape, generator=generator) for one in expected]
    torch.autograd.backward(expected, [weight.double() for weight in weights])
    torch.autograd.backward(found, [weight.to(device) for weight in weights])
    for one, other in zip([*found, mine.grad], [*expected, exact.grad], strict=True):
        assert one is not None and other is not None
        torch.testing.assert_close(one.cpu().double(), other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 4])
def test_any_number_of_channels(channels: int) -> None:
    operator = WideFilter(4, [(4, 0.7)], CPU)
    texels = torch.rand(96, channels, generator=torch.Generator().manual_seed(1))
    (found,) = operator(texels)
    expected = dense_filter(4, 4, 0.7) @ texels.double()
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)


def dense_filter(size_out: int, size_in: int, roughness: float | None) -> torch.Tensor:
    """The exact filter of a whole cube map, [6 Ro^2, 6 Ri^2]."""
    directions = cubemap.texel_directions(size_out, torch.float64).reshape(-1, 3)
    return exact_rows(directions, size_in, roughness)
