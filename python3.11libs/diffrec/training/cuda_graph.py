"""An iteration as one CUDA graph.

Starting the hundred kernels of an iteration one by one takes a processor longer than a GPU takes to
run them. Recorded once and started as a whole they take what the GPU needs. A recording always
does the same work on the same memory: batches are copied to one place, and the lists whose lengths
depend on what is seen have a fixed length, see `diffrec.ops.fixedlengths`. When they overflow or
much of them stays empty, the iteration is recorded anew with other lengths. Until an overflow is
noticed, at the next reading of the loss, the last pixels of the last view do not count, or
triangles lack.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from diffrec.data.views import ViewBatch
from diffrec.geometry.dmtet import EMPTY_SURFACE
from diffrec.geometry.mesh import EmptyMeshError
from diffrec.ops.fixedlengths import FixedLengths, Sizes
from diffrec.training.iteration import Iteration

PLAIN_ITERATIONS = 4  # before the first recording: kernels are loaded, and the lengths get known
SPARE = 1.15  # length of a list over what it needed
WASTE = 1.5  # length over need from which it is made shorter
CALM_READINGS = 2  # that have to agree about that
GRAIN = 1024  # lengths are multiples of it


class RecordedIteration:
    """`Iteration.work` on CUDA, recorded after a few plain ones; plain again where that fails."""

    def __init__(self, iteration: Iteration, most: Sizes, log: Callable[[str], None]) -> None:
        """`most`: lengths beyond which no list can ever grow."""
        self._iteration = iteration
        self._most = most
        self._log = log
        self._plain = 0
        self._recordable = True
        self._seen = Sizes(0)
        self._needs: deque[Sizes] = deque(maxlen=CALM_READINGS)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._lengths: FixedLengths | None = None
        self._batch: ViewBatch | None = None
        self._changed: list[Tensor] = [p.detach() for p in iteration.scene.parameters()]

    def work(self, batch: ViewBatch) -> None:
        """As `Iteration.work`; a recorded one never raises EmptyMeshError, see `check`."""
        ready = self._plain >= PLAIN_ITERATIONS and self._recordable
        if self._graph is None and ready:
            self._record(batch, _with_spare(self._seen, self._most))
        if self._graph is None:
            self._iteration.work(batch)
            self._seen = self._seen.largest(self._iteration.sizes)
            self._plain += 1
            return
        self._take(batch)
        self._graph.replay()
        # PyTorch does not see what a graph writes.
        for tensor in self._changed:
            increment_version(tensor)

    def check(self) -> None:
        """Look whether the lists still fit; waits for CUDA.

        Raises EmptyMeshError when an iteration since the last call had no surface.
        """
        if self._graph is None or self._lengths is None or self._batch is None:
            return
        need, fewest_crossings = self._lengths.needed()
        if self._most.crossings and fewest_crossings == 0:
            raise EmptyMeshError(*EMPTY_SURFACE)
        if not need.pixels:  # nothing was seen, which says nothing about the lists
            return
        self._needs.append(need)
        lengths = self._lengths.sizes
        if not need.fits(lengths):
            self._needs.clear()
            self._record(self._batch, _with_spare(lengths.largest(need), self._most))
        elif len(self._needs) == CALM_READINGS:
            smaller = _with_spare(functools.reduce(Sizes.largest, self._needs), self._most)
            if any(now > WASTE / SPARE * then for now, then in zip(lengths, smaller, strict=True)):
                self._needs.clear()
                self._record(self._batch, smaller)

    def _record(self, batch: ViewBatch, sizes: Sizes) -> None:
        iteration = self._iteration
        if self._graph is not None:
            self._graph.reset()  # so that its memory is free for the next one
            self._graph = None
        lengths = FixedLengths(sizes, batch.clip_from_world.device)
        if self._batch is None:
            self._batch = ViewBatch(
                *(None if one is None else one.clone() for one in _tensors(batch))  # type: ignore[arg-type]
            )
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(iteration.noise)
        try:
            # Other threads may go on with what they do on the device.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                iteration.work(self._batch, lengths)
        except (RuntimeError, torch.cuda.OutOfMemoryError) as error:
            self._recordable = False
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            self._log(f"Iterations are not recorded as a CUDA graph: {reason}")
            return
        self._graph, self._lengths = graph, lengths

    def _take(self, batch: ViewBatch) -> None:
        assert self._batch is not None
        for place, given in zip(_tensors(self._batch), _tensors(batch), strict=True):
            if place is not None and given is not None:
                place.copy_(given, non_blocking=True)


def _tensors(batch: ViewBatch) -> list[Tensor | None]:
    return [getattr(batch, field.name) for field in dataclasses.fields(batch)]


def _with_spare(need: Sizes, most: Sizes) -> Sizes:
    """Lengths that hold what is needed and some more, but never more than can be needed."""

    def length(needed: int, limit: int) -> int:
        return min(limit, math.ceil(SPARE * needed / GRAIN) * GRAIN)

    return Sizes(*map(length, need, most))
