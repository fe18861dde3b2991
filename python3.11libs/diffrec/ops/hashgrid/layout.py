"""Where the levels of a hash grid lie in memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

# Equation 4 of the paper; the first coordinate is left as it is for the sake of the cache.
PRIMES = (1, 2654435761, 805459861)
INITIAL_RANGE = 1e-4


@dataclass(frozen=True)
class HashGridLayout:
    """Where each level's entries lie in the packed table.

    `resolutions`: cells along an edge, per level; `log2_entries`: most rows of one level;
    `features`: columns.
    """

    resolutions: tuple[int, ...]
    log2_entries: int = 19
    features: int = 2

    def __post_init__(self) -> None:
        if not self.resolutions or min(self.resolutions) < 1:
            raise ValueError("a hash grid needs at least one level of at least one cell")
        if not 1 <= self.log2_entries <= 30:
            raise ValueError("log2_entries must lie between 1 and 30")
        if self.features < 1:
            raise ValueError("a hash grid needs at least one feature")

    @staticmethod
    def geometric(
        levels: int = 16,
        coarsest: int = 16,
        finest: int = 4096,
        log2_entries: int = 19,
        features: int = 2,
    ) -> HashGridLayout:
        """Resolutions floor(coarsest * b^l), b such that the last is `finest` (eq. 2 and 3)."""
        growth = 1.0 if levels == 1 else (finest / coarsest) ** (1 / (levels - 1))
        # The small addend keeps rounding from turning 4096 into 4095.
        resolutions = tuple(math.floor(coarsest * growth**level + 1e-6) for level in range(levels))
        return HashGridLayout(resolutions, log2_entries, features)

    @cached_property
    def dense(self) -> tuple[bool, ...]:
        """Whether a level stores every corner."""
        return tuple((n + 1) ** 3 <= 1 << self.log2_entries for n in self.resolutions)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Rows of each level."""
        return tuple(
            (n + 1) ** 3 if dense else 1 << self.log2_entries
            for n, dense in zip(self.resolutions, self.dense, strict=True)
        )

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """First row of each level."""
        starts = [0]
        for size in self.sizes[:-1]:
            starts.append(starts[-1] + size)
        return tuple(starts)

    @property
    def entries(self) -> int:
        """Rows of the packed table."""
        return sum(self.sizes)

    @property
    def channels(self) -> int:
        """Columns of the encoding: levels x features."""
        return len(self.resolutions) * self.features

    @cached_property
    def level_table(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """[levels, 3] int64: resolution, offset, dense or not. What the kernels read."""
        rows = zip(self.resolutions, self.offsets, self.dense, strict=True)
        return np.array([[n, start, int(dense)] for n, start, dense in rows], dtype=np.int64)

    def new_table(
        self, *, generator: torch.Generator | None = None, device: torch.device | str = "cpu"
    ) -> Tensor:
        """[entries, features] float32, uniform in [-1e-4, 1e-4] (section 4 of the paper).

        Drawn on the CPU whatever the device, so that one seed gives one table.
        """
        table = torch.empty(self.entries, self.features)
        return table.uniform_(-INITIAL_RANGE, INITIAL_RANGE, generator=generator).to(device)
