"""Trilinear fetches of cube maps on the CPU: `texture.texture_cube` in one pass, with gradients.

Formulas: `cubemap.bilinear_levels`; operation by operation the same, in float32. Gradients of
texels are summed by the thread that owns them, so results do not depend on the order of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

from diffrec.ops import cubemap
from diffrec.ops.gather.numba import scatter


def fetch(levels: Sequence[Tensor], directions: Tensor, lod: Tensor | None) -> Tensor:
    """[P, C] of levels [6, R, R, C] along directions [P, 3]; gradients to all three."""
    if lod is None or len(levels) == 1:
        levels, lod = levels[:1], None
    sizes = tuple(level.shape[1] for level in levels)
    flat = [level.reshape(-1, level.shape[3]) for level in levels]
    table = flat[0] if len(flat) == 1 else torch.cat(flat)
    result: Tensor = _Fetch.apply(table, directions, lod, sizes)  # type: ignore[no-untyped-call]
    return result


class _Fetch(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, table: Tensor, directions: Tensor, lod: Tensor | None, sizes: tuple[int, ...]
    ) -> Tensor:
        table = table.contiguous()
        directions = directions.contiguous()
        taps = 4 if lod is None else 8
        count, channels = len(directions), table.shape[1]
        level = torch.zeros(0) if lod is None else lod.float().contiguous()
        index = torch.empty((count, taps), dtype=torch.int32)
        weight = torch.empty((count, taps), dtype=torch.float32)
        result = torch.empty((count, channels), dtype=torch.float32)
        bordered, starts = cubemap.bordered_tables(sizes, "cpu")
        _forward(
            table.numpy(),
            directions.numpy(),
            level.numpy(),
            np.array(sizes),
            bordered.numpy(),
            starts.numpy(),
            index.numpy(),
            weight.numpy(),
            result.numpy(),
        )
        ctx.save_for_backward(table, directions, level, index, weight)
        ctx.sizes = sizes
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        table, directions, level, index, weight = ctx.saved_tensors
        gradient = gradient.contiguous()
        of_table = of_directions = of_lod = None
        if ctx.needs_input_grad[0]:
            of_table = torch.zeros_like(table)
            scatter(
                index.numpy(),
                weight.numpy(),
                gradient.numpy(),
                of_table.numpy(),
                numba.get_num_threads(),
            )
        if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
            of_directions, of_lod = torch.empty_like(directions), torch.empty_like(level)
            _backward(
                table.numpy(),
                directions.numpy(),
                level.numpy(),
                np.array(ctx.sizes),
                index.numpy(),
                gradient.numpy(),
                of_directions.numpy(),
                of_lod.numpy(),
            )
        return of_table, of_directions, of_lod if len(level) else None, None


@njit(cache=True)
def _project(x: Any, y: Any, z: Any) -> tuple[int, Any, Any, Any]:
    """Face, s, t and 1 / |major|; the first of equal components is the major one."""
    ax = abs(x)
    ay = abs(y)
    az = abs(z)
    least: Any = np.float32(1e-20)
    one: Any = np.float32(1)
    if not (ay > ax or az > ax):
        scale = one / max(ax, least)
        if x < 0:
            return 1, z * scale, -y * scale, scale
        return 0, -z * scale, -y * scale, scale
    if not az > ay:
        scale = one / max(ay, least)
        if y < 0:
            return 3, x * scale, -z * scale, scale
        return 2, x * scale, z * scale, scale
    scale = one / max(az, least)
    if z < 0:
        return 5, -x * scale, -y * scale, scale
    return 4, x * scale, -y * scale, scale


@njit(cache=True)
def _cell(s: Any, size: int) -> tuple[int, Any]:
    """First column of two in the bordered table, and the share of the second."""
    place = (s + np.float32(1)) * np.float32(0.5) * np.float32(size) + np.float32(0.5)
    left = np.floor(place)
    column = 0
    if left > 0:  # false for what is not a number, which must not become an index
        column = int(min(left, np.float32(size)))
    return column, place - left


@njit(cache=True)
def _lower(lod: Any, count: int) -> tuple[int, Any]:
    """The level below, and the share of the one above."""
    if np.isnan(lod):
        return 0, lod
    level: Any = min(max(lod, np.float32(0)), np.float32(count - 1))
    lower = min(int(np.floor(level)), max(count - 2, 0))
    return lower, level - np.float32(lower)


@njit(parallel=True, cache=True)
def _forward(
    table: Any,
    directions: Any,
    lod: Any,
    sizes: Any,
    bordered: Any,
    starts: Any,
    index: Any,
    weight: Any,
    result: Any,
) -> None:
    channels = table.shape[1]
    one = np.float32(1)
    halves = index.shape[1] // 4
    for p in prange(directions.shape[0]):
        face, s, t, _ = _project(directions[p, 0], directions[p, 1], directions[p, 2])
        lower = 0
        fraction = np.float32(0)
        if halves == 2:
            lower, fraction = _lower(lod[p], sizes.shape[0])
        for half in range(halves):
            size = sizes[lower + half]
            share = one - fraction if half == 0 else fraction
            column, fx = _cell(s, size)
            row, fy = _cell(t, size)
            padded = size + 2
            corner = starts[lower + half] + (face * padded + row) * padded + column
            k = half * 4
            index[p, k] = bordered[corner]
            index[p, k + 1] = bordered[corner + 1]
            index[p, k + 2] = bordered[corner + padded]
            index[p, k + 3] = bordered[corner + padded + 1]
            weight[p, k] = (one - fy) * (one - fx) * share
            weight[p, k + 1] = (one - fy) * fx * share
            weight[p, k + 2] = fy * (one - fx) * share
            weight[p, k + 3] = fy * fx * share
        for c in range(channels):
            total = np.float32(0)
            for k in range(index.shape[1]):
                total += weight[p, k] * table[index[p, k], c]
            result[p, c] = total


@njit(parallel=True, cache=True)
def _backward(
    table: Any,
    directions: Any,
    lod: Any,
    sizes: Any,
    index: Any,
    gradient: Any,
    of_directions: Any,
    of_lod: Any,
) -> None:
    channels = table.shape[1]
    one = np.float32(1)
    halves = index.shape[1] // 4
    for p in prange(directions.shape[0]):
        face, s, t, scale = _project(directions[p, 0], directions[p, 1], directions[p, 2])
        lower = 0
        fraction = np.float32(0)
        if halves == 2:
            lower, fraction = _lower(lod[p], sizes.shape[0])
        of_s = np.float32(0)
        of_t = np.float32(0)
        of_level = np.float32(0)
        for half in range(halves):
            size = sizes[lower + half]
            share = one - fraction if half == 0 else fraction
            _, fx = _cell(s, size)
            _, fy = _cell(t, size)
            # Products of the incoming gradient with the four texels.
            k = half * 4
            a = np.float32(0)
            b = np.float32(0)
            d = np.float32(0)
            e = np.float32(0)
            for c in range(channels):
                g = gradient[p, c]
                a += g * table[index[p, k], c]
                b += g * table[index[p, k + 1], c]
                d += g * table[index[p, k + 2], c]
                e += g * table[index[p, k + 3], c]
            stretch = share * np.float32(0.5) * np.float32(size)
            of_s += ((b - a) * (one - fy) + (e - d) * fy) * stretch
            of_t += ((d - a) * (one - fx) + (e - b) * fx) * stretch
            value = (a * (one - fx) + b * fx) * (one - fy) + (d * (one - fx) + e * fx) * fy
            of_level += value if half == 1 else -value
        if halves == 2:
            inside = lod[p] >= 0 and lod[p] <= np.float32(sizes.shape[0] - 1)
            of_lod[p] = of_level if inside else np.float32(0)
        of_s *= scale
        of_t *= scale
        # s and t are ratios: along the major axis they shrink as it grows.
        along = -(s * of_s + t * of_t)
        if face == 0:
            of_directions[p, 0] = along
            of_directions[p, 1] = -of_t
            of_directions[p, 2] = -of_s
        elif face == 1:
            of_directions[p, 0] = -along
            of_directions[p, 1] = -of_t
            of_directions[p, 2] = of_s
        elif face == 2:
            of_directions[p, 0] = of_s
            of_directions[p, 1] = along
            of_directions[p, 2] = of_t
        elif face == 3:
            of_directions[p, 0] = of_s
            of_directions[p, 1] = -along
            of_directions[p, 2] = -of_t
        elif face == 4:
            of_directions[p, 0] = of_s
            of_directions[p, 1] = -of_t
            of_directions[p, 2] = along
        else:
            of_directions[p, 0] = -of_s
            of_directions[p, 1] = -of_t
            of_directions[p, 2] = -along
