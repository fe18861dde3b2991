"""Sums over blocks of texels and filling from them, in plain PyTorch."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def weighted_sums(image: Tensor, weight: Tensor) -> Tensor:
    """The definition, in plain PyTorch."""
    return halved((image * weight[..., None]).permute(2, 0, 1).contiguous())


def halved(planes: Tensor) -> Tensor:
    """Sums of the 2 x 2 texels of [..., H, W]."""
    height, width = planes.shape[-2:]
    if height % 2 or width % 2:
        planes = functional.pad(planes, (0, width % 2, 0, height % 2))
    upper, lower = planes[..., ::2, :], planes[..., 1::2, :]
    total = upper[..., ::2] + upper[..., 1::2]
    return total.add_(lower[..., ::2]).add_(lower[..., 1::2])


def filled(image: Tensor, known: Tensor, background: Tensor) -> Tensor:
    """The definition, in plain PyTorch."""
    unknown = (~known.reshape(-1)).nonzero()[:, 0]
    width = known.shape[1]
    row, column = unknown // width // 2, unknown % width // 2
    place = row * background.shape[2] + column
    result = image.reshape(-1, image.shape[2]).clone()
    texels = background.permute(1, 2, 0).contiguous().flatten(0, 1)
    result.index_copy_(0, unknown, texels.index_select(0, place))
    return result.reshape(image.shape)
