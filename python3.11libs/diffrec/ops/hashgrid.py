"""Multi-resolution hash encoding of points in the unit cube.

Source: Müller, Evans, Schied, Keller, *Instant Neural Graphics Primitives with a Multiresolution
Hash Encoding*, SIGGRAPH 2022, section 3. A point is scaled by each level's resolution, the eight
corners of its cell are looked up and blended trilinearly. A level whose (n + 1)^3 corners fit
into the table stores them all (dense); a finer one hashes the corner with the paper's primes.

Dense levels take only the rows that they need, so that the tables of all levels are packed into
one array [entries, features] with an offset per level: 6.3 million rows instead of 8.4 million
for the paper's 16 levels of 2^19.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from diffrec.ops.backends import choose_backend

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


def hashgrid(
    points: Tensor,
    table: Tensor,
    layout: HashGridLayout,
    *,
    backend: str | None = None,
    gradient_buffer: Tensor | None = None,
    gradient_scale: float = 1.0,
) -> Tensor:
    """Encode points [N, 3] in [0, 1]^3 (others are clamped) to [N, levels * features].

    `table`: [entries, features]. Gradients flow to the table, times `gradient_scale`, and to the
    points (zero where they were clamped). The columns are level-major. The result of the compiled
    backends is a transposed view: its columns are contiguous.

    `gradient_buffer`: [entries, features] memory that is kept from one iteration to the next. With
    it the backward pass adds straight into `table.grad` of a leaf table, which becomes this
    buffer, zeroed, when it is None: a CPU would spend more time on a new dense gradient of the
    table's size than on its contents. `torch.autograd.grad` with respect to the table and hooks
    on it see nothing then. The reference backend ignores it.

    The compiled backends know two features in float32; everything else takes the reference.

    Raises ValueError when shapes do not fit.
    """
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"points must be [N, 3], not {list(points.shape)}")
    if table.shape != (layout.entries, layout.features):
        raise ValueError(
            f"the table must be [{layout.entries}, {layout.features}], not {list(table.shape)}"
        )
    chosen = choose_backend(points, backend)
    if chosen == "reference" or table.dtype != torch.float32 or layout.features != 2:
        return hashgrid_reference(points, _scale_gradient(table, gradient_scale), layout)
    if not table.is_leaf:
        gradient_buffer = None
    result: Tensor = _HashGrid.apply(  # type: ignore[no-untyped-call]
        points, table, layout, chosen, gradient_buffer, gradient_scale
    )
    return result


def hashgrid_reference(points: Tensor, table: Tensor, layout: HashGridLayout) -> Tensor:
    """The encoding in plain PyTorch, any device and dtype; arguments as for `hashgrid`."""
    points = points.clamp(0.0, 1.0)
    mask = (1 << layout.log2_entries) - 1
    features = []
    for n, start, dense in zip(layout.resolutions, layout.offsets, layout.dense, strict=True):
        scaled = points * n
        # The last cell is closed, so that x = 1 is its far side.
        cell = scaled.detach().floor().clamp_max(n - 1)
        fraction = scaled - cell
        corner = cell.long()
        value = torch.zeros((), dtype=table.dtype, device=table.device)
        for index in range(8):
            step = [index & 1, index >> 1 & 1, index >> 2]
            x, y, z = (corner[:, axis] + step[axis] for axis in range(3))
            if dense:
                row = x + (n + 1) * (y + (n + 1) * z)
            else:
                # Low bits only: the same in 64 bits as in the paper's 32.
                row = (x * PRIMES[0] ^ y * PRIMES[1] ^ z * PRIMES[2]) & mask
            weight = torch.ones_like(fraction[:, 0])
            for axis in range(3):
                along = fraction[:, axis]
                weight = weight * (along if step[axis] else 1 - along)
            value = value + weight[:, None] * table[start + row]
        features.append(value)
    return torch.cat(features, dim=1)


def _scale_gradient(table: Tensor, scale: float) -> Tensor:
    """The table, with its gradient multiplied by `scale`."""
    if scale == 1.0 or not table.requires_grad:
        return table
    return table.detach() + scale * (table - table.detach())


class _HashGrid(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        points: Tensor,
        table: Tensor,
        layout: HashGridLayout,
        backend: str,
        gradient_buffer: Tensor | None,
        gradient_scale: float,
    ) -> Tensor:
        kernels = _kernels(backend)
        points, detached = points.detach().contiguous(), table.detach().contiguous()
        encoded = detached.new_empty((layout.channels, points.shape[0]))
        slopes = None
        if backend == "numba" and ctx.needs_input_grad[0]:
            slopes = kernels.forward_with_slopes(points, detached, layout, encoded)
        else:
            kernels.forward(points, detached, layout, encoded)
        ctx.save_for_backward(points, detached, slopes)
        # The parameter itself, not a saved tensor: its .grad is written.
        ctx.leaf = None if gradient_buffer is None else table
        ctx.settings = (layout, kernels, gradient_buffer, gradient_scale)
        return encoded.t()

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        points, table, slopes = ctx.saved_tensors
        layout, kernels, buffer, scale = ctx.settings
        # [channels, N], which costs nothing when the MLP worked on columns.
        gradient = gradient.t().contiguous()
        to_points = to_table = None
        if ctx.needs_input_grad[1]:
            leaf = ctx.leaf
            if leaf is None:
                to_table = target = torch.zeros_like(table)
            else:
                if leaf.grad is None:
                    leaf.grad = buffer.zero_()
                target = leaf.grad
            kernels.backward_table(points, gradient, layout, scale, target)
        if ctx.needs_input_grad[0]:
            to_points = torch.empty_like(points)
            if slopes is None:
                kernels.backward_points(points, table, gradient, layout, to_points)
            else:
                kernels.backward_points(points, slopes, gradient, to_points)
        return to_points, to_table, None, None, None, None


def _kernels(backend: str) -> Any:
    """The module of a compiled backend; imported on first use, for both take long to load."""
    if backend == "numba":
        from diffrec.ops import numba_hashgrid

        return numba_hashgrid
    if backend == "warp":
        from diffrec.ops import warp_hashgrid

        return warp_hashgrid
    raise ValueError(f"the hash grid has no backend '{backend}': use reference, numba or warp")
