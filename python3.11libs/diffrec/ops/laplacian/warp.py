# Kernels are in Warp's language: int(0) declares a variable that changes in a loop, annotations are
# not types, and vectors and arrays have operations that their Python stand-ins lack.
# ruff: noqa: UP018
# mypy: disable-error-code="index, valid-type, no-untyped-def, misc, operator, arg-type"
"""The squared uniform Laplacian with NVIDIA Warp, a vertex gathering from its neighbours.

With L the Laplacian, D the degrees and A the adjacency, L = D^-1 A - 1. The value is the mean of
y^2 for y = L x, its gradient 2 / V (A - D) D^-1 y: both visit a vertex and its neighbours, nothing
is added atomically and nothing varies from run to run.
"""

from __future__ import annotations

import torch
import warp as wp
from torch import Tensor

from diffrec.ops.warp import launch, start_warp

start_warp()
wp.set_module_options({"enable_backward": False})

_THREADS = 1 << 15


def squared(
    values: Tensor, start: Tensor | None, offsets: Tensor, neighbors: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean over V vertices of |L (values - start)|^2, and D^-1 L (values - start) [V, C].

    `neighbors`: [2 E] int32; those of vertex i stand from `offsets`[i] to `offsets`[i + 1], int32.
    """
    count, device = values.shape[0], values.device
    threads = max(1, min(_THREADS, count))
    sums = torch.empty(threads, dtype=torch.float32, device=device)
    scaled = torch.empty(tuple(values.shape), dtype=torch.float32, device=device)
    inputs = [
        values.detach().contiguous(),
        values.new_empty((0, 1)) if start is None else start.detach().contiguous(),
        offsets,
        neighbors,
        threads,
        sums,
        scaled,
    ]
    launch(_squared, threads, inputs, device)
    return sums.sum(), scaled


def squared_backward(scaled: Tensor, offsets: Tensor, neighbors: Tensor, grad: Tensor) -> Tensor:
    """Gradient [V, C] for the values; `grad`: the scalar's."""
    result = torch.empty_like(scaled)
    inputs = [scaled, offsets, neighbors, grad.reshape(1).contiguous(), result]
    launch(_squared_backward, tuple(scaled.shape), inputs, scaled.device)
    return result


@wp.kernel
def _squared(
    values: wp.array2d(dtype=wp.float32),
    start: wp.array2d(dtype=wp.float32),
    offsets: wp.array(dtype=wp.int32),
    neighbors: wp.array(dtype=wp.int32),
    threads: int,
    sums: wp.array(dtype=wp.float32),
    scaled: wp.array2d(dtype=wp.float32),
):
    thread = wp.tid()
    total = wp.float64(0.0)
    i = int(thread)
    while i < values.shape[0]:
        first = offsets[i]
        last = offsets[i + 1]
        inverse = 1.0 / float(wp.max(last - first, 1))
        for k in range(values.shape[1]):
            # Differences along edges, so that a constant gives exactly zero.
            own = values[i, k]
            if start.shape[0] > 0:
                own = own - start[i, k]
            summed = float(0.0)
            for j in range(first, last):
                other = values[neighbors[j], k]
                if start.shape[0] > 0:
                    other = other - start[neighbors[j], k]
                summed += other - own
            laplacian = summed * inverse
            total += wp.float64(laplacian * laplacian)
            scaled[i, k] = laplacian * inverse
        i += threads
    sums[thread] = float(total / wp.float64(values.shape[0]))


@wp.kernel
def _squared_backward(
    scaled: wp.array2d(dtype=wp.float32),
    offsets: wp.array(dtype=wp.int32),
    neighbors: wp.array(dtype=wp.int32),
    grad: wp.array(dtype=wp.float32),
    result: wp.array2d(dtype=wp.float32),
):
    i, k = wp.tid()
    own = scaled[i, k]
    summed = float(0.0)
    for j in range(offsets[i], offsets[i + 1]):
        summed += scaled[neighbors[j], k] - own
    result[i, k] = summed * grad[0] * (2.0 / float(scaled.shape[0]))
