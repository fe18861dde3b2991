"""Exact filters of a small cube map whose weight depends on the angle alone.

The 48 symmetries of a cube (permutations of the axes and their signs) take texels to texels and
change no angle. So the weights of one output texel serve all that a symmetry takes it to, for the
input texels that it takes along. Of a matrix of 6144 rows 136 are left, which stay in a processor's
cache; every symmetry's view of the input is a set of columns, and one matrix product does them all.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from diffrec.ops import cubemap
from diffrec.ops.cubemap.lobes import exact_rows


def symmetries() -> Tensor:
    """The 48 matrices [48, 3, 3] float64 that take a cube to itself; the first changes nothing."""
    found = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrix = torch.zeros(3, 3, dtype=torch.float64)
            matrix[range(3), order] = torch.tensor(signs, dtype=torch.float64)
            found.append(matrix)
    return torch.stack(found)


def texel_permutations(size: int, device: torch.device | None = None) -> Tensor:
    """[48, 6 R^2] int64: the texel that each symmetry takes every texel to."""
    directions = cubemap.texel_directions(size, torch.float64, device).reshape(-1, 3)
    turned = torch.einsum("gij,pj->gpi", symmetries().to(directions.device), directions)
    return cubemap.nearest_texel(turned.reshape(-1, 3), size).view(len(turned), -1)


class WideFilter:
    """GGX lobes and the cosine lobe, from one cube map of an edge of `size` to several.

    `outputs`: of each its edge, and its roughness or None for the cosine lobe; see
    `lobes.exact_rows`, whose rows these are. A linear operator with its transpose.
    """

    def __init__(
        self, size: int, outputs: Sequence[tuple[int, float | None]], device: torch.device
    ) -> None:
        taken = texel_permutations(size, device)
        self._texels = taken.shape[1]
        # Column (input texel, symmetry): what lies where the symmetry takes the texel.
        self._columns = taken.t().reshape(-1)
        back = torch.empty_like(taken)
        back.scatter_(1, taken, torch.arange(self._texels, device=device).expand_as(taken))
        # And the columns that an input texel stands in.
        self._back = back.t() * len(taken) + torch.arange(len(taken), device=device)
        rows: list[Tensor] = []
        self._places: list[Tensor] = []
        for edge, roughness in outputs:
            to = taken if edge == size else texel_permutations(edge, device)
            # Of the texels that symmetries take to each other the first stands for all.
            first = to.amin(0)
            chosen, which = torch.unique(first, return_inverse=True)
            symmetry = (to[:, first] == torch.arange(to.shape[1], device=device)).int().argmax(0)
            begun = sum(len(one) for one in rows)
            self._places.append((begun + which) * len(to) + symmetry)
            directions = cubemap.texel_directions(edge, torch.float64, device).reshape(-1, 3)
            rows.append(exact_rows(directions[chosen], size, roughness).float())
        self._matrix = torch.cat(rows)
        self._place = torch.cat(self._places)

    def __call__(self, texels: Tensor) -> list[Tensor]:
        """[6 Ro^2, C] of every output, of texels [6 R^2, C] float32; differentiable."""
        filtered: Tensor = _Apply.apply(texels, self)  # type: ignore[no-untyped-call]
        return list(torch.split(filtered, [len(place) for place in self._places]))

    def forward(self, texels: Tensor) -> Tensor:
        """All outputs one after another."""
        channels = texels.shape[1]
        seen = texels.index_select(0, self._columns).view(self._texels, -1)
        return (self._matrix @ seen).view(-1, channels).index_select(0, self._place)

    def backward(self, gradient: Tensor) -> Tensor:
        """The gradient of the texels, of that for all outputs one after another."""
        channels = gradient.shape[1]
        symmetries = self._back.shape[1]
        # No two outputs have one place.
        spread = gradient.new_zeros((len(self._matrix) * symmetries, channels))
        spread.index_copy_(0, self._place, gradient)
        seen = self._matrix.t() @ spread.view(len(self._matrix), -1)
        gathered = seen.view(-1, channels).index_select(0, self._back.reshape(-1))
        return gathered.view(self._texels, symmetries, channels).sum(1)


class _Apply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, texels: Tensor, operator: WideFilter) -> Tensor:
        ctx.operator = operator
        return operator.forward(texels)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.operator.backward(gradient.contiguous()), None
