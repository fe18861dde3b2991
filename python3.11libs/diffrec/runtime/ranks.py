"""One run on several devices: what each process does, and what they tell each other.

`torchrun` starts the processes (ranks) and names them in the environment. Each has a copy of the
whole scene and makes its part of every batch; the gradients are added up, so that all copies stay
the same and equal that of a single process on the whole batch. Rank 0 alone writes and logs.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from diffrec.errors import DiffrecError
from diffrec.runtime.local_rank import local_rank
from diffrec.runtime.processor_cores import usable_cores

T = TypeVar("T")

# The others wait for rank 0 while it validates, charts and exports.
PATIENCE = datetime.timedelta(hours=6)


class Ranks:
    """The processes of a run; this one is number `rank` of `count`."""

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank = rank
        self.count = count
        self._words: dist.ProcessGroup | None = None

    @property
    def leads(self) -> bool:
        """Whether this process writes and logs."""
        return self.rank == 0

    def check(self, batch: int) -> None:
        """Raises DiffrecError when there is not a view for every process."""
        if batch < self.count:
            raise DiffrecError(
                f"batch {batch} cannot be shared by {self.count} processes: set batch to "
                f"{self.count} or more, or start fewer processes (torchrun --nproc-per-node)"
            )

    def part(self, batch: int) -> slice:
        """Which views of a batch this process makes."""
        return slice(self.rank * batch // self.count, (self.rank + 1) * batch // self.count)

    def weight(self, batch: int) -> float:
        """Share of this process in a mean over a batch."""
        part = self.part(batch)
        return float(part.stop - part.start) / batch

    def rows(self, count: int) -> tuple[int, int] | None:
        """Where `count` rows of this process stand among those of all, in the order of ranks.

        (rows before them, all rows); None with one process. Every process has to call it.
        """
        if self.count == 1:
            return None
        counts = self._gathered(torch.tensor([count]))[:, 0].tolist()
        return sum(counts[: self.rank]), sum(counts)

    def add_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Replace every gradient by the sum of all processes'; a missing one counts as zero."""
        if self.count == 1:
            return
        gradients = []
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(parameter.grad)
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        torch._foreach_copy_(
            gradients,
            [part.view(gradient.shape) for part, gradient in zip(parts, gradients, strict=True)],
        )

    def sums(self, values: Sequence[float]) -> list[float]:
        """The sums of numbers over all processes, the same in each."""
        if self.count == 1:
            return list(values)
        summed: list[float] = (
            self._gathered(torch.tensor(values, dtype=torch.float64)).sum(0).tolist()
        )
        return summed

    def of_first(self, make: Callable[[], T]) -> T:
        """What rank 0 makes, in every process; tensors arrive on the CPU where that is not rank 0.

        An error there is raised here too.
        """
        if self.count == 1:
            return make()
        answer: list[object] = [None, None]
        mine: T | None = None
        error: BaseException | None = None
        if self.leads:
            try:
                mine = make()
                answer[0] = _on_cpu(mine)
            except Exception as raised:
                error, answer[1] = raised, str(raised)
        dist.broadcast_object_list(answer, src=0, group=self._words)
        if error is not None:
            raise error
        if answer[1] is not None:
            raise DiffrecError(f"the first process failed: {answer[1]}")
        if self.leads:
            assert mine is not None or answer[0] is None
            return mine  # type: ignore[return-value]
        return answer[0]  # type: ignore[return-value]

    def same(self, tensors: Sequence[Tensor]) -> None:
        """Give every process the values of rank 0, in place."""
        if self.count > 1:
            for tensor in tensors:
                dist.broadcast(tensor.detach(), src=0)

    def _gathered(self, values: Tensor) -> Tensor:
        """[ranks, N] of a small tensor on the CPU."""
        found = [torch.empty_like(values) for _ in range(self.count)]
        dist.all_gather(found, values, group=self._words)
        return torch.stack(found)


ALONE = Ranks()


def share_cores(environ: MutableMapping[str, str] | None = None) -> int:
    """Give each of this machine's processes its share of the cores; how many threads that is.

    torchrun leaves each a single thread, on which what the CPU does for a GPU takes minutes.
    """
    environ = os.environ if environ is None else environ
    try:
        processes = max(1, int(environ.get("LOCAL_WORLD_SIZE") or environ["WORLD_SIZE"]))
    except (KeyError, ValueError):
        processes = 1
    threads = max(1, usable_cores() // processes)
    torch.set_num_threads(threads)
    environ.setdefault("NUMBA_NUM_THREADS", str(threads))  # read when Numba is loaded
    return threads


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """The processes that torchrun started, as long as the context lasts; else this one alone.

    Raises DiffrecError when they do not find each other.
    """
    if local_rank() is None:
        yield ALONE
        return
    on_gpu = device.type == "cuda"
    try:
        dist.init_process_group(
            "nccl" if on_gpu else "gloo", timeout=PATIENCE, device_id=device if on_gpu else None
        )
    except (RuntimeError, ValueError) as error:
        raise DiffrecError(
            f"the processes do not find each other: {error}. Start them with torchrun."
        ) from None
    try:
        ranks = Ranks(dist.get_rank(), dist.get_world_size())
        # Small numbers and rank 0's results go from CPU to CPU, without a wait for the device.
        ranks._words = dist.new_group(backend="gloo", timeout=PATIENCE)
        yield ranks
    finally:
        dist.destroy_process_group()


def _on_cpu(value: object) -> object:
    """The same with its tensors on the CPU, through plain containers and dataclasses."""
    from dataclasses import fields, is_dataclass, replace

    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, tuple | list):
        return type(value)([_on_cpu(one) for one in value])
    if isinstance(value, dict):
        return {key: _on_cpu(one) for key, one in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{one.name: _on_cpu(getattr(value, one.name)) for one in fields(value)}
        )
    return value
