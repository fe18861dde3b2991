"""`weighted_gather` on the CPU, all cores."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor


def forward(table: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """[N, C], [P, K], [P, K] -> [P, C]."""
    result = torch.empty((index.shape[0], table.shape[1]), dtype=torch.float32)
    _forward(table.detach().numpy(), index.numpy(), weight.detach().numpy(), result.numpy())
    return result


def backward_table(table: Tensor, index: Tensor, weight: Tensor, gradient: Tensor) -> Tensor:
    """Gradient of the table, [N, C]."""
    result = torch.zeros_like(table)
    threads = numba.get_num_threads()
    scatter(index.numpy(), weight.detach().numpy(), gradient.numpy(), result.numpy(), threads)
    return result


def backward_weight(table: Tensor, index: Tensor, gradient: Tensor) -> Tensor:
    """Gradient of the weights, [P, K]."""
    result = torch.empty(index.shape, dtype=torch.float32)
    _weights(table.detach().numpy(), index.numpy(), gradient.numpy(), result.numpy())
    return result


@numba.njit(parallel=True, cache=True)
def _forward(table: Any, index: Any, weight: Any, result: Any) -> None:
    channels = table.shape[1]
    for p in numba.prange(index.shape[0]):
        for c in range(channels):
            result[p, c] = np.float32(0)
        for k in range(index.shape[1]):
            w = weight[p, k]
            if w != 0:
                row = index[p, k]
                for c in range(channels):
                    result[p, c] += w * table[row, c]


@numba.njit(parallel=True, cache=True)
def scatter(index: Any, weight: Any, gradient: Any, result: Any, threads: int) -> None:
    # A thread owns a range of rows and passes over all pixels: no races, the same sum every time.
    rows = result.shape[0]
    channels = result.shape[1]
    for t in numba.prange(threads):
        first = rows * t // threads
        last = rows * (t + 1) // threads
        for p in range(index.shape[0]):
            for k in range(index.shape[1]):
                row = index[p, k]
                if first <= row < last:
                    w = weight[p, k]
                    for c in range(channels):
                        result[row, c] += w * gradient[p, c]


@numba.njit(parallel=True, cache=True)
def _weights(table: Any, index: Any, gradient: Any, result: Any) -> None:
    for p in numba.prange(index.shape[0]):
        for k in range(index.shape[1]):
            row = index[p, k]
            total = np.float32(0)
            for c in range(table.shape[1]):
                total += gradient[p, c] * table[row, c]
            result[p, k] = total
