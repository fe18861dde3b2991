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

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from diffrec.ops.backends import Operation
from diffrec.ops.hashgrid import reference
from diffrec.ops.hashgrid.layout import HashGridLayout as HashGridLayout

_operation = Operation(__name__)


def hashgrid(
    points: Tensor,
    table: Tensor,
    layout: HashGridLayout,
    *,
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
    kernels = _operation.kernels(points)
    if kernels is None or table.dtype != torch.float32 or layout.features != 2:
        return reference.hashgrid(points, _scale_gradient(table, gradient_scale), layout)
    if not table.is_leaf:
        gradient_buffer = None
    result: Tensor = _HashGrid.apply(  # type: ignore[no-untyped-call]
        points, table, layout, kernels, gradient_buffer, gradient_scale
    )
    return result


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
        kernels: Any,
        gradient_buffer: Tensor | None,
        gradient_scale: float,
    ) -> Tensor:
        points, detached = points.detach().contiguous(), table.detach().contiguous()
        encoded = detached.new_empty((layout.channels, points.shape[0]))
        slopes = None
        if ctx.needs_input_grad[0] and hasattr(kernels, "forward_with_slopes"):
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
