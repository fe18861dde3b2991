"""Packed textures on CUDA: three at most, of three channels each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from diffrec.ops.texture import Iteration, warp_fetch, warp_mips
from diffrec.ops.texture.warp_mips import clamp as clamp


def check(textures: Sequence[Tensor]) -> None:
    """Raises ValueError for textures that the kernels do not know."""
    if any(texture.shape[2] != 3 for texture in textures):
        raise ValueError("a pyramid on a GPU takes textures of three channels")
    if len(textures) > 3:
        raise ValueError("a pyramid on a GPU takes three textures at most")


def pack(one: Iteration, textures: Sequence[Tensor], packed: Tensor) -> None:
    warp_mips.pack(textures, packed)


def unpack(one: Iteration, total: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
    return warp_mips.unpack(total, one.height, one.width, len(shapes))


def fetch(
    one: Iteration, packed: Tensor, uv: Tensor, level: Tensor, wanted: Sequence[int]
) -> list[Tensor]:
    return warp_fetch.fetch(packed, one.height, one.width, uv, level, wanted)


def fetch_backward(
    one: Iteration,
    packed: Tensor,
    uv: Tensor,
    level: Tensor,
    gradients: Mapping[int, Tensor],
    to_texels: bool,
    to_uv: bool,
) -> Tensor | None:
    where = (one.height, one.width, uv, level, gradients)
    if to_texels:
        warp_fetch.fetch_backward(one.summed_gradient(), *where)
    return warp_fetch.fetch_backward_uv(packed, *where) if to_uv else None
