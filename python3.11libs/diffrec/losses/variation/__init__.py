"""Total variation of the light and of the textures: terms that keep noise out of them.

Rudin, Osher, Fatemi, *Nonlinear total variation based noise removal algorithms*, 1992, with the
absolute difference of neighbours rounded off at its foot (Charbonnier et al. 1994): edges are
spared as by the absolute value, but equal neighbours rest, where a sign would make Adam step to
and fro. Terms are means over the pairs of neighbours that count, so that their weights mean the
same at every resolution.

The fast kernels make the gradients with the value.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from diffrec.geometry.mesh import Mesh
from diffrec.materials.bake import covered_texels
from diffrec.materials.textures import TextureMaterial
from diffrec.ops.backends import Operation
from diffrec.ops.cubemap import edge_texels

_operation = Operation(__name__)

#: Differences well below this one count by their square: what eight bits cannot tell apart.
FOOT = 1 / 255

#: The same for the light: gentle slopes stay slopes, where the absolute value makes steps of them.
LIGHT_FOOT = 0.05

RIGHT, BELOW = 1, 2


def rounded(difference: Tensor, foot: float = FOOT) -> Tensor:
    """sqrt(d^2 + foot^2) - foot."""
    return (difference.square() + foot**2).sqrt() - foot


# The light


def light_variation(base: Tensor) -> Tensor:
    """Mean difference of neighbouring texels of a light [6, R, R, 3], across edges too; a scalar.

    Of log(1 + radiance): in the dark, where noise is to go, that is the radiance itself; but a sun,
    a thousand times as bright, counts seven times and not a thousand times, and would otherwise be
    what the term melts first.
    """
    kernels = _operation.kernels(base)
    if kernels is None:
        return light_variation_reference(base)
    result: Tensor = _LightVariation.apply(base, kernels)  # type: ignore[no-untyped-call]
    return result


def light_variation_reference(base: Tensor) -> Tensor:
    """`light_variation` in plain PyTorch, any device and dtype."""
    bright = torch.log1p(base)
    first, second = edge_pairs(base.shape[1], str(base.device))
    flat = bright.reshape(-1, 3)
    total = (
        rounded(bright[:, 1:] - bright[:, :-1], LIGHT_FOOT).sum()
        + rounded(bright[:, :, 1:] - bright[:, :, :-1], LIGHT_FOOT).sum()
        + rounded(flat[first] - flat[second], LIGHT_FOOT).sum()
    )
    return total / light_pairs(base.shape[1])


def light_pairs(size: int) -> int:
    """Numbers that are compared in a cube map of this edge: two pairs a texel, three channels."""
    return 12 * size * size * 3


@functools.lru_cache(maxsize=4)
def edge_pairs(size: int, device: str) -> tuple[Tensor, Tensor]:
    """Flat indices [12 R] twice: the texels that meet at the edges of a cube, each pair once."""
    own, other = edge_texels(size, torch.device(device))
    once = own < other
    return own[once], other[once]


class _LightVariation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, base: Tensor, kernels: Any) -> Tensor:
        of_each = 1 / light_pairs(base.shape[1])
        value, gradient = kernels.light(base.contiguous(), LIGHT_FOOT, of_each)
        ctx.save_for_backward(gradient)
        result: Tensor = value
        return result

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return gradient.mul_(grad), None


# Textures


@dataclass(frozen=True)
class Pairs:
    """Which neighbouring texels of a texture are compared.

    `marks`: [H, W, 3] uint8, the same for each channel, `RIGHT` where a texel and the one to its
    right count, plus `BELOW` for the one below. `count`: pairs that count.
    """

    marks: Tensor
    count: int

    @staticmethod
    def within(inside: Tensor) -> Pairs:
        """Pairs of texels [H, W] that are both inside. Between our charts lie free texels, so that
        both are of one chart; those of a mesh that brings its own may touch."""
        marks = torch.zeros(inside.shape, dtype=torch.uint8, device=inside.device)
        marks[:, :-1] += RIGHT * (inside[:, :-1] & inside[:, 1:])
        marks[:-1] += BELOW * (inside[:-1] & inside[1:])
        count = int((marks & RIGHT).bool().sum() + (marks & BELOW).bool().sum())
        return Pairs(marks[..., None].expand(*marks.shape, 3).contiguous(), count)


class TextureVariation:
    """The weighted variation of kd, ks and normal map inside the charts of a mesh."""

    def __init__(self, material: TextureMaterial, mesh: Mesh, weight: float) -> None:
        """Raises DiffrecError when the mesh has no texture coordinates or they cover no texel."""
        self._material = material
        self._weight = weight
        by_size: dict[tuple[int, int], Pairs] = {}
        self._pairs: list[Pairs] = []
        for texture in (material.kd, material.ks, material.normal):
            size = (texture.shape[0], texture.shape[1])
            if size not in by_size:
                by_size[size] = Pairs.within(covered_texels(mesh, size).to(texture.device))
            self._pairs.append(by_size[size])

    def __call__(self) -> Tensor:
        """The weighted sum of the three means, a scalar."""
        material = self._material
        textures = (material.kd, material.ks, material.normal)
        return texture_variation(textures, self._pairs) * self._weight


def texture_variation(textures: Sequence[Tensor], pairs: Sequence[Pairs]) -> Tensor:
    """Sum over textures [H, W, 3] of the mean difference of the pairs that count; a scalar."""
    kernels = _operation.kernels(textures[0])
    if kernels is None:
        terms = [
            texture_variation_reference(texture, one)
            for texture, one in zip(textures, pairs, strict=True)
        ]
        return torch.stack(terms).sum()
    result: Tensor = _TextureVariation.apply(  # type: ignore[no-untyped-call]
        kernels, tuple(pairs), *textures
    )
    return result


def texture_variation_reference(texture: Tensor, pairs: Pairs) -> Tensor:
    """`texture_variation` of one texture in plain PyTorch, any device and dtype."""
    right, below = ((pairs.marks & bit).bool() for bit in (RIGHT, BELOW))
    total = (rounded(texture[:, 1:] - texture[:, :-1]) * right[:, :-1]).sum()
    total = total + (rounded(texture[1:] - texture[:-1]) * below[:-1]).sum()
    return total / max(1, 3 * pairs.count)


class _TextureVariation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, kernels: Any, pairs: tuple[Pairs, ...], *textures: Tensor) -> Tensor:
        value, gradients = kernels.textures(
            [texture.contiguous() for texture in textures],
            [one.marks for one in pairs],
            FOOT,
            [1 / max(1, 3 * one.count) for one in pairs],
        )
        ctx.save_for_backward(*gradients)
        result: Tensor = value
        return result

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        # In place: on a CPU memory is what this costs. A second backward pass would be refused.
        return (None, None, *(gradient.mul_(grad) for gradient in ctx.saved_tensors))
