"""Adam with a scheduled learning rate, all of whose state stays in place on the device.

PyTorch's own classes would do but for two things: the first one that is made loads PyTorch's
compiler, which takes seconds, and a step that is recorded as a CUDA graph needs its rate in the
device's memory. The arithmetic is PyTorch's fused operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

Schedule = Callable[[int], float]
"""The share of the learning rate that an iteration uses."""

_EPSILON = 1e-8


class Adam:
    """Adam (Kingma and Ba 2015) over some parameters, float32 and on one device.

    `parameters`: what is trained. `rate`: the learning rate where the schedule is 1; it may be
    changed. `betas`: decay of the two moments.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        rate: float,
        schedule: Schedule,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        self.parameters = list(parameters)
        self.rate = rate
        self._schedule = schedule
        self._betas = betas
        device = self.parameters[0].device
        # CUDA's kernel reads single precision.
        precision = torch.float32 if device.type == "cuda" else torch.float64
        self._present = torch.zeros((), dtype=precision, device=device)
        self._first = [torch.zeros_like(p, requires_grad=False) for p in self.parameters]
        self._second = [torch.zeros_like(p, requires_grad=False) for p in self.parameters]
        self._steps = [torch.zeros((), device=device) for _ in self.parameters]

    def begin(self, iteration: int) -> None:
        """Take the rate of this iteration; to be called before its `step`."""
        self._present.fill_(self.rate_at(iteration))

    def rate_at(self, iteration: int) -> float:
        """The learning rate of an iteration."""
        return self.rate * self._schedule(iteration)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters that have gradients."""
        moved = [i for i, p in enumerate(self.parameters) if p.grad is not None]
        if not moved:
            return
        steps = [self._steps[i] for i in moved]
        torch._foreach_add_(steps, 1.0)
        self._move(
            [self.parameters[i] for i in moved],
            [g for i in moved if (g := self.parameters[i].grad) is not None],
            moved,
            steps,
        )

    def _move(
        self, values: list[Tensor], gradients: list[Tensor], moved: list[int], steps: list[Tensor]
    ) -> None:
        torch._fused_adam_(
            values,
            gradients,
            [self._first[i] for i in moved],
            [self._second[i] for i in moved],
            [],
            steps,
            lr=self._present,
            beta1=self._betas[0],
            beta2=self._betas[1],
            weight_decay=0.0,
            eps=_EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def tensors(self) -> list[Tensor]:
        """What a step changes besides the parameters: the moments and the numbers of steps."""
        return [*self._first, *self._second, *self._steps]

    def state(self) -> dict[str, Any]:
        """Rate and tensors, which are this object's own."""
        return {"rate": self.rate, "tensors": self.tensors()}

    @torch.no_grad()
    def restore(self, saved: Mapping[str, Any]) -> None:
        """Become what `state` was asked of, in the same memory.

        Raises ValueError where that does not fit, TypeError or KeyError where it is no state.
        """
        rate = float(saved["rate"])
        if not 0 <= rate < float("inf"):
            raise ValueError("a learning rate that is none")
        own, values = self.tensors(), saved["tensors"]
        if len(values) != len(own):
            raise ValueError(f"{len(values)} tensors of an optimizer in place of {len(own)}")
        for tensor, value in zip(own, values, strict=True):
            if not isinstance(value, Tensor) or value.shape != tensor.shape:
                raise ValueError("an optimizer's tensor of another shape")
        self.rate = rate
        for tensor, value in zip(own, values, strict=True):
            tensor.copy_(value)


class LogAdam(Adam):
    """Adam over the logarithms of its parameters, which stay positive.

    A step multiplies: its size is a share of the value, so that a lamp can become a thousand
    times as bright as its surroundings in as many steps as it takes to become a thousandth.
    The gradient to log x is x times the gradient to x. `smallest`: values stay above it, since
    what has reached 0 could not come back.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        rate: float,
        schedule: Schedule,
        betas: tuple[float, float] = (0.9, 0.999),
        *,
        smallest: float,
    ) -> None:
        super().__init__(parameters, rate, schedule, betas)
        self._smallest = smallest

    def _move(
        self, values: list[Tensor], gradients: list[Tensor], moved: list[int], steps: list[Tensor]
    ) -> None:
        # Adam does not look at what it moves: changes made to zeros are those of the logarithms.
        changes = [torch.zeros_like(value, requires_grad=False) for value in values]
        super()._move(changes, list(torch._foreach_mul(gradients, values)), moved, steps)
        torch._foreach_exp_(changes)
        torch._foreach_mul_(values, changes)
        torch._foreach_clamp_min_(values, self._smallest)
