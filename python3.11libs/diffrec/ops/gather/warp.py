# Annotations of kernels are Warp's, not types.
# mypy: disable-error-code="valid-type, no-untyped-def"
"""`weighted_gather` in Warp, for CUDA; the same kernels run on the CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from diffrec.ops.warp import launch, start_warp

wp: Any = start_warp()
wp.set_module_options({"enable_backward": False})


@wp.kernel
def _forward(
    table: wp.array2d(dtype=wp.float32),
    index: wp.array2d(dtype=wp.int64),
    weight: wp.array2d(dtype=wp.float32),
    result: wp.array2d(dtype=wp.float32),
):
    p, c = wp.tid()
    total = wp.float32(0.0)
    for k in range(index.shape[1]):
        total += weight[p, k] * table[wp.int32(index[p, k]), c]
    result[p, c] = total


@wp.kernel
def _scatter(
    index: wp.array2d(dtype=wp.int64),
    weight: wp.array2d(dtype=wp.float32),
    gradient: wp.array2d(dtype=wp.float32),
    result: wp.array2d(dtype=wp.float32),
):
    p, c = wp.tid()
    g = gradient[p, c]
    for k in range(index.shape[1]):
        wp.atomic_add(result, wp.int32(index[p, k]), c, weight[p, k] * g)


@wp.kernel
def _weights(
    table: wp.array2d(dtype=wp.float32),
    index: wp.array2d(dtype=wp.int64),
    gradient: wp.array2d(dtype=wp.float32),
    result: wp.array2d(dtype=wp.float32),
):
    p, k = wp.tid()
    row = wp.int32(index[p, k])
    total = wp.float32(0.0)
    for c in range(table.shape[1]):
        total += gradient[p, c] * table[row, c]
    result[p, k] = total


def forward(table: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """[N, C], [P, K], [P, K] -> [P, C]."""
    result = table.new_empty((index.shape[0], table.shape[1]))
    launch(_forward, result.shape, (table, index, weight, result), table.device)
    return result


def backward_table(table: Tensor, index: Tensor, weight: Tensor, gradient: Tensor) -> Tensor:
    """Gradient of the table, [N, C]; atomic, so the order of its sums is open on CUDA."""
    result = torch.zeros_like(table)
    launch(_scatter, gradient.shape, (index, weight, gradient, result), table.device)
    return result


def backward_weight(table: Tensor, index: Tensor, gradient: Tensor) -> Tensor:
    """Gradient of the weights, [P, K]."""
    result = table.new_empty(index.shape)
    launch(_weights, index.shape, (table, index, gradient, result), table.device)
    return result
