"""The network's own gradients, against autograd's."""

from __future__ import annotations

import pytest
import torch

from diffrec.ops import network as network_module
from diffrec.ops.network import network


def operands(seed: int, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    sizes = [(8, 50), (6, 8), (6, 6), (3, 6)]
    return [torch.randn(*size, generator=random, dtype=dtype).requires_grad_() for size in sizes]


def test_the_written_gradients_are_those_of_autograd() -> None:
    found, expected = operands(1), operands(1)
    value = network_module._Network.apply(*found)  # type: ignore[no-untyped-call]
    wanted = network(*expected)
    torch.testing.assert_close(value, wanted)
    weight = torch.randn(value.shape, dtype=value.dtype, generator=torch.Generator().manual_seed(2))
    (value * weight).sum().backward()
    (wanted * weight).sum().backward()
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_tensor_cores_are_switched_on_for_the_products_alone() -> None:
    def setting() -> object:
        matmul = torch.backends.cuda.matmul
        return getattr(matmul, "fp32_precision", None) or matmul.allow_tf32

    before = setting()
    with pytest.raises(RuntimeError), network_module._tensor_cores():
        assert setting() in ("tf32", True)
        raise RuntimeError
    assert setting() == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_a_gpu_it_is_exact_to_a_thousandth() -> None:
    exact = operands(3)
    rounded = [x.detach().float().cuda().requires_grad_() for x in exact]
    expected, found = network(*exact), network(*rounded)
    assert float((found.cpu() - expected).abs().max() / expected.abs().max()) < 2e-3
    expected.sum().backward()
    found.sum().backward()
    for one, other in zip(rounded, exact, strict=True):
        assert one.grad is not None and other.grad is not None
        apart = (one.grad.cpu() - other.grad).abs().max() / other.grad.abs().max()
        assert float(apart) < 1e-2
