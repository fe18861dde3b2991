"""The registry of implementations: which is chosen, and that one more is one more file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import diffrec.ops.gather
from diffrec.ops.backends import Operation, use_backend
from diffrec.ops.gather import weighted_gather

SINGLE, DOUBLE = torch.zeros(1), torch.zeros(1, dtype=torch.float64)


def chosen(operation: Operation, tensor: torch.Tensor) -> str:
    kernels = operation.kernels(tensor)
    return "reference" if kernels is None else str(kernels.__name__).rpartition(".")[2]


def test_the_backend_follows_device_and_precision() -> None:
    operation = Operation("diffrec.ops.gather")
    assert chosen(operation, SINGLE) == "numba"
    assert chosen(operation, DOUBLE) == "reference"
    assert chosen(operation, torch.zeros(1, device="meta")) == "reference"
    with use_backend("warp"):
        assert chosen(operation, SINGLE) == "warp"
        assert chosen(operation, DOUBLE) == "reference"
        with use_backend(None):
            assert chosen(operation, SINGLE) == "numba"
        with pytest.raises(ZeroDivisionError), use_backend("reference"):
            assert chosen(operation, SINGLE) == "reference"
            raise ZeroDivisionError
        assert chosen(operation, SINGLE) == "warp"
    assert chosen(operation, SINGLE) == "numba"


def test_an_operation_without_a_backend_takes_its_reference() -> None:
    operation = Operation("diffrec.ops.surface")
    for name in ("reference", "numba", None):
        with use_backend(name):
            assert chosen(operation, SINGLE) == "reference"
    with use_backend("warp"):
        assert chosen(operation, SINGLE) == "warp"


def test_a_backend_that_cannot_be_is_named() -> None:
    with (
        pytest.raises(ValueError, match=r"'opengl'.*numba, reference, warp"),
        use_backend("opengl"),
    ):
        pass
    with pytest.raises(ValueError, match="CPU tensors only"), use_backend("numba"):
        Operation("diffrec.ops.gather").kernels(torch.zeros(1, device="meta"))


TOY = """
import torch

calls = []


def forward(table, index, weight):
    calls.append("forward")
    return (table[index] * weight[..., None]).sum(1)


def backward_table(table, index, weight, gradient):
    calls.append("backward")
    shares = (weight[..., None] * gradient[:, None]).reshape(-1, table.shape[1])
    return torch.zeros_like(table).index_add(0, index.reshape(-1), shares)
"""


def test_a_backend_is_one_file_beside_the_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else knows of it: not the interface, not the registry."""
    table = torch.rand(5, 3, requires_grad=True)
    index = torch.tensor([[0, 4], [1, 1]])
    weight = torch.rand(2, 2)
    with pytest.raises(ValueError, match="does not exist"), use_backend("toy"):
        pass
    (tmp_path / "toy.py").write_text(TOY)
    folders = [*diffrec.ops.gather.__path__, str(tmp_path)]
    monkeypatch.setattr(diffrec.ops.gather, "__path__", folders)
    with use_backend("toy"):
        found = weighted_gather(table, index, weight)
    (of_table,) = torch.autograd.grad(found.sum(), table)
    import diffrec.ops.gather.toy as toy  # type: ignore[import-not-found]

    assert toy.calls == ["forward", "backward"], "its gradient too, though made outside"
    expected = weighted_gather(table, index, weight)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(of_table, torch.autograd.grad(expected.sum(), table)[0])
