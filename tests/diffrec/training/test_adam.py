"""Our Adam against PyTorch's."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from diffrec.training.adam import Adam, LogAdam


def _parameters(seed: int) -> list[nn.Parameter]:
    random = torch.Generator().manual_seed(seed)
    return [
        nn.Parameter(torch.randn(5, 3, generator=random)),
        nn.Parameter(torch.randn(7, generator=random)),
    ]


def _step_both(
    ours: list[nn.Parameter],
    theirs: list[nn.Parameter],
    adam: Adam,
    reference: torch.optim.Optimizer,
    iteration: int,
) -> None:
    random = torch.Generator().manual_seed(100 + iteration)
    for own, other in zip(ours, theirs, strict=True):
        gradient = torch.randn(own.shape, generator=random)
        own.grad, other.grad = gradient.clone(), gradient.clone()
    adam.begin(iteration)
    adam.step()
    for group in reference.param_groups:
        group["lr"] = adam.rate_at(iteration)
    reference.step()


def test_it_is_adam_with_a_scheduled_rate() -> None:
    ours, theirs = _parameters(1), _parameters(1)
    adam = Adam(ours, 0.03, lambda i: 0.9**i, betas=(0.7, 0.9))
    reference = torch.optim.Adam(theirs, lr=0.03, betas=(0.7, 0.9))
    for iteration in range(20):
        _step_both(ours, theirs, adam, reference, iteration)
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-6)


def test_in_logarithms_it_is_adam_over_the_logarithm() -> None:
    wanted = torch.tensor([300.0, 0.002, 0.5, 1.0])
    own = nn.Parameter(torch.full((4,), 0.5))
    logarithm = nn.Parameter(own.detach().log())
    adam = LogAdam([own], 0.05, lambda i: 0.99**i, smallest=1e-6)
    reference = torch.optim.Adam([logarithm], lr=0.05)

    def loss(value: torch.Tensor) -> torch.Tensor:
        return ((value - wanted) ** 2 / (1 + wanted)).sum()

    for iteration in range(60):
        adam.zero_grad()
        reference.zero_grad()
        torch.autograd.backward(loss(own))
        torch.autograd.backward(loss(logarithm.exp()))
        adam.begin(iteration)
        adam.step()
        for group in reference.param_groups:
            group["lr"] = adam.rate_at(iteration)
        reference.step()
    torch.testing.assert_close(own.detach(), logarithm.detach().exp(), rtol=1e-4, atol=1e-6)


def test_in_logarithms_what_is_dark_stays_above_the_smallest_and_comes_back() -> None:
    own = nn.Parameter(torch.full((2,), 2e-3))
    adam = LogAdam([own], 0.1, lambda _: 1.0, smallest=1e-3)
    for iteration in range(40):
        own.grad = torch.ones_like(own)
        adam.begin(iteration)
        adam.step()
    assert own.tolist() == pytest.approx([1e-3, 1e-3])
    for iteration in range(300):
        own.grad = -torch.ones_like(own)
        adam.begin(iteration)
        adam.step()
    assert float(own.detach().min()) > 1.0


def test_in_logarithms_the_state_is_all_there_is() -> None:
    one, two = (nn.Parameter(torch.tensor([0.5, 7.0])) for _ in range(2))
    first = LogAdam([one], 0.1, lambda _: 1.0, smallest=1e-4)
    second = LogAdam([two], 0.3, lambda _: 1.0, smallest=1e-4)

    def steps(adam: LogAdam, value: nn.Parameter, iterations: range) -> None:
        for iteration in iterations:
            value.grad = torch.sin(value.detach() + iteration)
            adam.begin(iteration)
            adam.step()

    steps(first, one, range(5))
    second.restore(first.state())
    two.data.copy_(one.data)
    steps(first, one, range(5, 9))
    steps(second, two, range(5, 9))
    assert torch.equal(one, two)


def test_a_parameter_without_gradient_stays_and_counts_no_step() -> None:
    one, two = _parameters(2)
    before = two.detach().clone()
    adam = Adam([one, two], 0.1, lambda _: 1.0)
    one.grad = torch.ones_like(one)
    adam.begin(0)
    adam.step()
    assert torch.equal(two, before)
    steps = adam.tensors()[-2:]
    assert [float(count) for count in steps] == [1.0, 0.0]


def test_restored_it_goes_on_as_if_nothing_had_been() -> None:
    ours, theirs = _parameters(3), _parameters(3)
    adam = Adam(ours, 0.03, lambda i: 1.0 / (1 + i))
    reference = torch.optim.Adam(theirs, lr=0.03)
    for iteration in range(5):
        _step_both(ours, theirs, adam, reference, iteration)
    copies = [nn.Parameter(p.detach().clone()) for p in ours]
    other = Adam(copies, 1.0, lambda i: 1.0 / (1 + i))
    other.restore(adam.state())
    for iteration in range(5, 10):
        _step_both(copies, theirs, other, reference, iteration)
    for own, expected in zip(copies, theirs, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "damage",
    [
        lambda s: s.update(rate=float("nan")),
        lambda s: s.update(rate=-1.0),
        lambda s: s.update(tensors=s["tensors"][:-1]),
        lambda s: s["tensors"].__setitem__(0, torch.zeros(9)),
        lambda s: s["tensors"].__setitem__(0, "moments"),
    ],
)
def test_what_is_no_state_of_it_changes_nothing(damage: object) -> None:
    parameters = _parameters(4)
    adam = Adam(parameters, 0.1, lambda _: 1.0)
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    adam.begin(0)
    adam.step()
    before = [tensor.clone() for tensor in adam.tensors()]
    saved = {"rate": 0.5, "tensors": [torch.zeros_like(t) for t in before]}
    damage(saved)  # type: ignore[operator]
    with pytest.raises(ValueError):
        adam.restore(saved)
    assert adam.rate == 0.1
    assert all(torch.equal(a, b) for a, b in zip(adam.tensors(), before, strict=True))


def test_it_does_not_load_pytorchs_compiler() -> None:
    code = (
        "import sys, torch\n"
        "from diffrec.training.adam import Adam\n"
        "p = torch.nn.Parameter(torch.ones(3))\n"
        "adam = Adam([p], 0.1, lambda i: 1.0)\n"
        "p.grad = torch.ones(3)\n"
        "adam.begin(0); adam.step()\n"
        "print(float(p[0]) < 1, 'torch._dynamo' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
