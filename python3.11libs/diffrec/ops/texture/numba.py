"""Packed textures on the CPU, all cores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from diffrec.ops.texture import Iteration
from diffrec.ops.texture import numba_levels as levels


def check(textures: Sequence[Tensor]) -> None:
    """Any number of textures, of any channels."""


def pack(one: Iteration, textures: Sequence[Tensor], packed: Tensor) -> None:
    texels = tuple(
        texture.reshape(-1, texture.shape[2]).contiguous().numpy() for texture in textures
    )
    levels.copy_in(texels, packed.numpy())
    levels.average(packed.numpy(), one.levels)


def unpack(one: Iteration, total: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
    levels.spread(total.numpy(), one.levels)
    results = [total.new_empty(shape) for shape in shapes]
    texels = tuple(result.view(-1, result.shape[2]).numpy() for result in results)
    levels.copy_out(total.numpy(), texels)
    return results


def fetch(
    one: Iteration, packed: Tensor, uv: Tensor, level: Tensor, wanted: Sequence[int]
) -> list[Tensor]:
    begin, end = one.span(wanted)
    values = packed.new_empty((uv.shape[0], end - begin))
    arrays = (packed.numpy(), one.levels, uv.numpy(), level.numpy(), values.numpy())
    levels.fetch(*arrays, begin)
    return [
        values[:, one.starts[index] - begin : one.starts[index + 1] - begin] for index in wanted
    ]


def fetch_backward(
    one: Iteration,
    packed: Tensor,
    uv: Tensor,
    level: Tensor,
    gradients: Mapping[int, Tensor],
    to_texels: bool,
    to_uv: bool,
) -> Tensor | None:
    begin, _ = one.span(gradients)
    parts = []
    for index in range(min(gradients), max(gradients) + 1):
        nothing = (uv.shape[0], one.starts[index + 1] - one.starts[index])
        parts.append(gradients[index] if index in gradients else uv.new_zeros(nothing))
    gradient = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
    arrays = (one.levels, uv.numpy(), level.numpy(), gradient.numpy())
    if to_texels:
        levels.fetch_backward(one.summed_gradient().numpy(), *arrays, begin)
    if not to_uv:
        return None
    slope = torch.empty_like(uv)
    levels.fetch_backward_uv(packed.numpy(), *arrays, begin, slope.numpy())
    return slope
