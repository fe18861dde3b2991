"""Structural similarity on the CPU: formulas of `diffrec.losses.ssim`, rows shared among the cores.

The window is separable: rows are averaged first, then columns, and the gradient goes the same way
back. Loops run along rows, so that a processor takes several pixels at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numba as nb
import numpy as np
import torch
from torch import Tensor


def similarity(
    x: Tensor,
    y: Tensor,
    step: int,
    taps: Sequence[float],
    constants: tuple[float, float],
    wants_gradient: bool,
) -> tuple[Tensor, Tensor | None]:
    """The mean similarity, a scalar, and its gradient for `x`, like it.

    `x`, `y`: [B, H, N] rows of pixels of `step` channels; `taps`: the window along one axis;
    `constants`: C1 and C2.
    """
    batch, height, row = x.shape
    reach = len(taps) - 1
    window = np.array(taps, dtype=np.float32)
    averaged = np.empty((batch, height, 5, row - reach * step), dtype=np.float32)
    slopes = np.empty((batch, height - reach, 3, row - reach * step), dtype=np.float32)
    sums = np.empty((batch, height - reach), dtype=np.float64)
    _rows(x.detach().numpy(), y.detach().numpy(), window, step, averaged)
    of_one = 1.0 / (sums.size * averaged.shape[3])
    c1, c2 = constants
    _columns(averaged, window, np.float32(c1), np.float32(c2), np.float32(of_one), slopes, sums)
    value = torch.tensor(sums.sum() * of_one, dtype=torch.float32)
    if not wants_gradient:
        return value, None
    gradient = torch.empty_like(x)
    _back(x.detach().numpy(), y.detach().numpy(), slopes, window, step, gradient.numpy())
    return value, gradient


@nb.njit(parallel=True, cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _rows(x, y, taps, step, averaged):  # type: ignore[no-untyped-def]
    """Averages of x, y, xx, yy, xy along the rows."""
    height, length = x.shape[1], averaged.shape[3]
    for r in nb.prange(x.shape[0] * height):
        a, b = x[r // height, r % height], y[r // height, r % height]
        out = averaged[r // height, r % height]
        aa, bb, ab = a * a, b * b, a * b
        for k in range(taps.shape[0]):
            w, first = taps[k], k * step
            if k == 0:
                for i in range(length):
                    out[0, i] = w * a[i]
                    out[1, i] = w * b[i]
                    out[2, i] = w * aa[i]
                    out[3, i] = w * bb[i]
                    out[4, i] = w * ab[i]
            else:
                for i in range(length):
                    out[0, i] += w * a[first + i]
                    out[1, i] += w * b[first + i]
                    out[2, i] += w * aa[first + i]
                    out[3, i] += w * bb[first + i]
                    out[4, i] += w * ab[first + i]


@nb.njit(parallel=True, cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _columns(averaged, taps, c1, c2, of_one, slopes, sums):  # type: ignore[no-untyped-def]
    """Averages along the columns, the similarity, and `of_one` times its slopes in the averages of
    x, xx and xy."""
    height, length = sums.shape[1], averaged.shape[3]
    two = np.float32(2)
    for r in nb.prange(sums.size):
        b, row = r // height, r % height
        mean = np.zeros((5, length), dtype=np.float32)
        for k in range(taps.shape[0]):
            w = taps[k]
            for j in range(5):
                source = averaged[b, row + k, j]
                for i in range(length):
                    mean[j, i] += w * source[i]
        alike = np.empty(length, dtype=np.float32)
        out = slopes[b, row]
        for i in range(length):
            mx, my = mean[0, i], mean[1, i]
            mxx, myy, mxy = mean[2, i], mean[3, i], mean[4, i]
            a1 = two * mx * my + c1
            a2 = two * (mxy - mx * my) + c2
            b1 = mx * mx + my * my + c1
            b2 = (mxx - mx * mx) + (myy - my * my) + c2
            of_both = np.float32(1) / (b1 * b2)
            s = a1 * a2 * of_both
            alike[i] = s
            out[0, i] = two * of_one * (my * (a2 - a1) * of_both + s * mx * (b1 - b2) * of_both)
            out[1, i] = -of_one * s * b1 * of_both
            out[2, i] = two * of_one * a1 * of_both
        total = 0.0
        for i in range(length):
            total += np.float64(alike[i])
        sums[b, row] = total


@nb.njit(parallel=True, cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _back(x, y, slopes, taps, step, gradient):  # type: ignore[no-untyped-def]
    """The gradient for x: slopes spread over their windows, times what the averages are of."""
    height, row_length = x.shape[1], x.shape[2]
    inner, length = slopes.shape[1], slopes.shape[3]
    margin = (taps.shape[0] - 1) * step
    two = np.float32(2)
    for r in nb.prange(x.shape[0] * height):
        b, row = r // height, r % height
        # With a margin of zeros, so that every pixel has all its windows.
        spread = np.zeros((3, length + 2 * margin), dtype=np.float32)
        for k in range(taps.shape[0]):
            if 0 <= row - k < inner:
                w = taps[k]
                for j in range(3):
                    source = slopes[b, row - k, j]
                    target = spread[j, margin : margin + length]
                    for i in range(length):
                        target[i] += w * source[i]
        total = np.zeros((3, row_length), dtype=np.float32)
        for k in range(taps.shape[0]):
            w, first = taps[k], margin - k * step
            for j in range(3):
                line, sums = spread[j, first : first + row_length], total[j]
                for i in range(row_length):
                    sums[i] += w * line[i]
        a, c, out = x[b, row], y[b, row], gradient[b, row]
        for i in range(row_length):
            out[i] = total[0, i] + two * a[i] * total[1, i] + c[i] * total[2, i]
