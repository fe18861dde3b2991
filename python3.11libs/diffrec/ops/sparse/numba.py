"""Products and transposes of sparse matrices on the CPU, all cores.

They are compressed by rows: `start` [N + 1], `column` and `value` [E].
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor


def product(start: Tensor, column: Tensor, value: Tensor, texels: Tensor) -> Tensor:
    """Sparse matrix [N, M] times texels [M, C], float32."""
    result = torch.empty((len(start) - 1, texels.shape[1]), dtype=torch.float32)
    kernel = _product3 if texels.shape[1] == 3 else _product
    kernel(
        start.numpy(),
        column.numpy(),
        value.numpy(),
        texels.detach().contiguous().numpy(),
        result.numpy(),
    )
    return result


def transpose(
    start: Tensor, column: Tensor, value: Tensor, width: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The transposed matrix, its columns sorted; `width`: columns of the original."""
    amount = torch.bincount(column, minlength=width)
    turned = torch.zeros(width + 1, dtype=torch.int64)
    torch.cumsum(amount, 0, out=turned[1:])
    rows, values = torch.empty_like(column), torch.empty_like(value)
    _transpose(
        start.numpy(),
        column.numpy(),
        value.numpy(),
        turned.clone().numpy(),
        rows.numpy(),
        values.numpy(),
    )
    return turned.to(start.dtype), rows, values


@njit(parallel=True, cache=True)
def _product(start: Any, column: Any, value: Any, texels: Any, result: Any) -> None:
    channels = texels.shape[1]
    for row in prange(result.shape[0]):
        for c in range(channels):
            result[row, c] = np.float32(0)
        for e in range(start[row], start[row + 1]):
            for c in range(channels):
                result[row, c] += value[e] * texels[column[e], c]


@njit(parallel=True, cache=True)
def _product3(start: Any, column: Any, value: Any, texels: Any, result: Any) -> None:
    for row in prange(result.shape[0]):
        r = np.float32(0)
        g = np.float32(0)
        b = np.float32(0)
        for e in range(start[row], start[row + 1]):
            w = value[e]
            k = column[e]
            r += w * texels[k, 0]
            g += w * texels[k, 1]
            b += w * texels[k, 2]
        result[row, 0] = r
        result[row, 1] = g
        result[row, 2] = b


@njit(cache=True)
def _transpose(start: Any, column: Any, value: Any, position: Any, rows: Any, values: Any) -> None:
    for row in range(start.shape[0] - 1):
        for e in range(start[row], start[row + 1]):
            place = position[column[e]]
            position[column[e]] = place + 1
            rows[place] = row
            values[place] = value[e]
