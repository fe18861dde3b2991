"""What a material is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

# Standard deviations of the noise of the albedo's smoothness term (Munkberg et al. 2022).
POSITION_NOISE = 0.01
UV_NOISE = 0.005


@dataclass(frozen=True)
class Surface:
    """P visible surface points.

    `position`: [P, 3], world. `uv`: [P, 2] with v down, or None on a mesh without UVs. `lod`: [P],
    log2 of a pixel's footprint in uv units, or None for the finest level; a texture adds the log2
    of its own size. `triangle`: [P], rows of the mesh's triangles; None where no material asks.
    """

    position: Tensor
    uv: Tensor | None = None
    lod: Tensor | None = None
    triangle: Tensor | None = None

    def jittered(
        self, generator: torch.Generator | None = None, rows: tuple[int, int] | None = None
    ) -> Surface:
        """The points moved by normal noise: 0.01 in the world, 0.005 in uv.

        `rows`: how many points stand before these ones, and how many there are in all, where
        these are a part; noise is drawn for all.

        Cut off from the graph: that the albedo be smooth is no reason to move the surface.
        """

        def moved(value: Tensor, deviation: float) -> Tensor:
            before, count = (0, len(value)) if rows is None else rows
            noise = torch.randn(
                (count, *value.shape[1:]),
                dtype=value.dtype,
                device=value.device,
                generator=generator,
            )
            noise = noise[before : before + len(value)]
            return value.detach() + deviation * noise

        uv = None if self.uv is None else moved(self.uv, UV_NOISE)
        return Surface(moved(self.position, POSITION_NOISE), uv, self.lod, self.triangle)


@dataclass(frozen=True)
class MaterialSample:
    """The material at P points, each [P, 3].

    `kd`: albedo, linear RGB. `ks`: occlusion, roughness, metalness, linear. `normal`: tangent
    space in [-1, 1], +y up (OpenGL); not necessarily of unit length.
    """

    kd: Tensor
    ks: Tensor
    normal: Tensor


class Material(Protocol):
    """A trainable material."""

    def sample(self, surface: Surface) -> MaterialSample:
        """The material at the surface points, differentiable."""

    def albedo(self, surface: Surface) -> Tensor:
        """kd [P, 3] alone, differentiable."""

    def sample_and_albedo(self, surface: Surface, other: Surface) -> tuple[MaterialSample, Tensor]:
        """`sample(surface)` and `albedo(other)`, for as little as both together can cost."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """The trainable tensors."""

    def clamp_(self) -> None:
        """Bring the parameters back into their range; called after every optimiser step."""


@dataclass(frozen=True)
class MaterialRange:
    """Smallest and largest value of each of the nine channels, kd ks normal."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    @staticmethod
    def of(config: Any | None = None) -> MaterialRange:
        """From `kd_min`, `kd_max`, `ks_min` ... `nrm_max` of a configuration, or the defaults.

        A fourth number (alpha) is ignored. Raises ValueError when one has fewer than three.
        """

        def channels(end: str, defaults: dict[str, Sequence[float]]) -> tuple[float, ...]:
            result: list[float] = []
            for name, default in defaults.items():
                value = default if config is None else getattr(config, f"{name}_{end}")
                if len(value) < 3:
                    raise ValueError(f"{name}_{end} needs three numbers, it has {len(value)}")
                result += [float(number) for number in value[:3]]
            return tuple(result)

        return MaterialRange(
            channels("min", {"kd": (0, 0, 0), "ks": (0, 0.08, 0), "nrm": (-1, -1, 0)}),
            channels("max", {"kd": (1, 1, 1), "ks": (1, 1, 1), "nrm": (1, 1, 1)}),
        )
