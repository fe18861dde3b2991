"""Mip levels and trilinear fetches of textures, by PyTorch and the operation `gather`."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from diffrec.ops.gather import weighted_gather


def build_mips(texture: Tensor, *, levels: int | None = None) -> list[Tensor]:
    """The texture [H, W, C] and its averages over 2 x 2, down to one texel; differentiable.

    An odd last row or column joins no average. `levels`: at most so many.
    """
    result = [texture]
    while max(result[-1].shape[:2]) > 1 and (levels is None or len(result) < levels):
        height, width = result[-1].shape[:2]
        window = (2 if height > 1 else 1, 2 if width > 1 else 1)
        pooled = functional.avg_pool2d(result[-1].permute(2, 0, 1)[None], window)
        result.append(pooled[0].permute(1, 2, 0))
    return result


def texture2d(
    mips: Sequence[Tensor],
    uv: Tensor,
    lod: Tensor | None,
    *,
    wrap: bool = True,
) -> Tensor:
    """Trilinear fetch [P, C] of levels [H, W, C], finest first, at uv [P, 2], v down.

    `lod`: [P], level to read, clamped to those that exist; None reads the finest bilinearly.
    `wrap` repeats the texture, else its border goes on. Gradients to texels, uv and lod.
    """
    if lod is None or len(mips) == 1:
        flat = mips[0].reshape(-1, mips[0].shape[2])
        index, weight = _bilinear(uv, mips[0].shape[0], mips[0].shape[1], wrap)
        return weighted_gather(flat, index, weight)
    table = torch.cat([level.reshape(-1, level.shape[2]) for level in mips])
    sizes, starts = _packed(tuple(tuple(level.shape[:2]) for level in mips), uv.device)
    lower, upper, fraction = levels_of(lod, len(mips))
    taps: list[tuple[Tensor, Tensor]] = []
    for level, share in ((lower, 1 - fraction), (upper, fraction)):
        size = sizes[level]
        index, weight = _bilinear(uv, size[:, 0], size[:, 1], wrap)
        taps.append((index + starts[level][:, None], weight * share[:, None]))
    index = torch.cat([tap[0] for tap in taps], dim=1)
    weight = torch.cat([tap[1] for tap in taps], dim=1)
    return weighted_gather(table, index, weight)


@functools.lru_cache(maxsize=16)
def _packed(sizes: tuple[tuple[int, ...], ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Height and width [levels, 2] of levels that stand one after another, and their first rows.

    Kept, because a recorded iteration cannot send them to the device again.
    """
    amount = torch.tensor(sizes, device=device)
    return amount, (amount.prod(1).cumsum(0) - amount.prod(1)).long()


def levels_of(lod: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Level below and above [P] int64, and the share [P] of the one above."""
    clamped = lod.clamp(0, count - 1)
    lower = clamped.detach().floor().clamp(max=max(count - 2, 0)).long()
    return lower, (lower + 1).clamp(max=count - 1), clamped - lower


def _bilinear(
    uv: Tensor, height: Tensor | int, width: Tensor | int, wrap: bool
) -> tuple[Tensor, Tensor]:
    """Flat indices [P, 4] and weights [P, 4] of the texels around uv."""
    x, y = uv[:, 0] * width - 0.5, uv[:, 1] * height - 0.5
    left, top = x.detach().floor(), y.detach().floor()
    fx, fy = x - left, y - top

    def within(value: Tensor, size: Tensor | int) -> Tensor:
        whole = value.long()
        if wrap:
            return torch.remainder(whole, size)
        last = size - 1 if isinstance(size, Tensor) else torch.tensor(size - 1)
        return torch.minimum(whole.clamp(min=0), last.to(whole))

    columns = (within(left, width), within(left + 1, width))
    rows = (within(top, height), within(top + 1, height))
    index = torch.stack([r * width + c for r in rows for c in columns], dim=1)
    weight = torch.stack([v * u for v in (1 - fy, fy) for u in (1 - fx, fx)], dim=1)
    return index, weight
