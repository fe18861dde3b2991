"""A material as three mip-mapped textures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from diffrec.materials.surface import MaterialRange, MaterialSample, Surface
from diffrec.ops import nvdiffrast
from diffrec.ops.texture import (
    GradientBuffer,
    Pyramid,
    build_mips,
    can_pack,
    clamp_together,
    texture2d,
)

# Random textures lie near the middle of the range, with normals near the smooth one.
RANDOM_NORMAL_TILT = 0.05
# Too short to change any other float32 number of a normal.
_SHORTEST = 1e-12


class TextureMaterial(nn.Module):
    """kd (linear), ks and tangent-space normal, [H, W, 3] each, fetched trilinearly.

    Without `custom_mip` the one parameter of a texture is its finest level and the coarser ones
    are averages of it, made anew whenever it has changed. With it every level is a parameter of
    its own.
    """

    low: Tensor
    high: Tensor

    def __init__(
        self,
        kd: Tensor,
        ks: Tensor,
        normal: Tensor,
        config: Any | None = None,
        *,
        custom_mip: bool | None = None,
    ) -> None:
        """`kd`, `ks`, `normal`: [H, W, 3], sizes may differ; copied, and clamped to the range.

        `config` holds `kd_min` ... `nrm_max` and `custom_mip`; None means the defaults. Raises
        ValueError when a texture is not [H, W, 3].
        """
        super().__init__()
        limits = MaterialRange.of(config)
        if custom_mip is None:
            custom_mip = bool(getattr(config, "custom_mip", False))
        self.raster_backend = "own"  # or nvdiffrast, which fetches then; see `ops`
        self.register_buffer("low", torch.tensor(limits.low, device=kd.device), persistent=False)
        self.register_buffer("high", torch.tensor(limits.high, device=kd.device), persistent=False)
        self._textures = nn.ModuleList()
        for name, image in (("kd", kd), ("ks", ks), ("normal", normal)):
            if image.ndim != 3 or image.shape[2] != 3 or image.numel() == 0:
                raise ValueError(f"texture {name} must be [H, W, 3], not {list(image.shape)}")
            levels = [image.detach().float()]
            if custom_mip:
                levels = build_mips(levels[0])
            self._textures.append(
                nn.ParameterList(
                    nn.Parameter(level.detach().clone(memory_format=torch.contiguous_format))
                    for level in levels
                )
            )
        self.custom_mip = custom_mip
        self._mip_maps: _MipMaps | None = None
        self._gradient_memory: dict[int, GradientBuffer] = {}
        self.clamp_()

    @staticmethod
    def from_images(
        kd: Tensor, ks: Tensor, normal: Tensor, config: Any | None = None
    ) -> TextureMaterial:
        """From read maps [H, W, >=3]: kd already linear, normal already in [-1, 1]."""
        return TextureMaterial(kd[..., :3], ks[..., :3], normal[..., :3], config)

    @staticmethod
    def random(
        config: Any | None = None,
        *,
        resolution: tuple[int, int] | None = None,
        seed: int = 0,
    ) -> TextureMaterial:
        """Uniform noise over the range of kd and ks, smooth normals with a slight tilt.

        `resolution` (H, W) defaults to the configuration's `texture_res`.
        """
        if resolution is None:
            height, width = (1024, 1024) if config is None else config.texture_res[:2]
            resolution = (int(height), int(width))
        generator = torch.Generator().manual_seed(seed)
        limits = MaterialRange.of(config)
        low, high = torch.tensor(limits.low), torch.tensor(limits.high)
        noise = torch.rand((*resolution, 9), generator=generator)
        values = low + noise * (high - low)
        tilt = (noise[..., 6:8] * 2 - 1) * RANDOM_NORMAL_TILT
        normal = torch.cat([tilt, torch.ones_like(tilt[..., :1])], dim=-1)
        return TextureMaterial(values[..., :3], values[..., 3:6], normal, config)

    @property
    def kd(self) -> nn.Parameter:
        """Albedo [H, W, 3], linear RGB; the finest level."""
        return self._levels(0)[0]

    @property
    def ks(self) -> nn.Parameter:
        """Occlusion, roughness, metalness [H, W, 3]; the finest level."""
        return self._levels(1)[0]

    @property
    def normal(self) -> nn.Parameter:
        """Tangent-space normal [H, W, 3] in [-1, 1]; the finest level."""
        return self._levels(2)[0]

    @property
    def normal_levels(self) -> list[nn.Parameter]:
        """The normal map's trained levels, the finest first."""
        return self._levels(2)

    def sample(self, surface: Surface) -> MaterialSample:
        """The material at `surface.uv`; gradients to texels (and uv). Raises ValueError without uv.

        With `surface.lod` None the finest level is read.
        """
        kd, ks, normal = self._fetch(surface, (0, 1, 2))
        return MaterialSample(kd, ks, normal)

    def albedo(self, surface: Surface) -> Tensor:
        """kd [P, 3] alone."""
        return self._fetch(surface, (0,))[0]

    def sample_and_albedo(self, surface: Surface, other: Surface) -> tuple[MaterialSample, Tensor]:
        """`sample(surface)` and `albedo(other)`."""
        return self.sample(surface), self.albedo(other)

    @torch.no_grad()
    def clamp_(self) -> None:
        """Clamp every texture to its range, then bring the normals to unit length."""
        self._mip_maps = None
        finest = [self._levels(index)[0] for index in range(3)]
        same = len({texture.shape for texture in finest}) == 1 and not self.custom_mip
        together = [texture.data for texture in finest]
        if same and clamp_together(together, self.low, self.high, _SHORTEST):
            return
        for index in range(3):
            low, high = (end[3 * index : 3 * index + 3] for end in (self.low, self.high))
            for level in self._levels(index):
                # Whole rows: bounds of three numbers would be broadcast texel by texel.
                width = level.shape[1]
                level.view(level.shape[0], -1).clamp_(low.repeat(width), high.repeat(width))
                if index == 2:
                    _normalise_(level)

    def _levels(self, index: int) -> list[nn.Parameter]:
        levels = self._textures[index]
        assert isinstance(levels, nn.ParameterList)
        return list(levels)

    def _fetch(self, surface: Surface, wanted: tuple[int, ...]) -> list[Tensor]:
        if surface.uv is None:
            raise ValueError("textures need a mesh with texture coordinates, this one has none")
        groups = self._current_mip_maps().groups
        fetched: dict[int, Tensor] = {}
        for group in groups:
            members = [index for index in group.members if index in wanted]
            if members:
                fetched.update(group.fetch(members, surface.uv, surface.lod))
        return [fetched[index] for index in wanted]

    def _current_mip_maps(self) -> _MipMaps:
        """The mip maps; kept as long as nothing has changed and no gradient has passed."""
        parameters = list(self.parameters())
        state = (
            torch.is_grad_enabled(),
            tuple((id(p), p._version, p.requires_grad, p.device) for p in parameters),
        )
        current = self._mip_maps
        if current is None or current.state != state or any(g.spent for g in current.groups):
            current = self._mip_maps = _MipMaps(state, self._new_groups())
        return current

    def _new_groups(self) -> list[_Group]:
        """Textures of one size share their mip maps, channel by channel."""
        by_size: dict[tuple[int, ...], list[int]] = {}
        for index in range(3):
            by_size.setdefault(self._levels(index)[0].shape, []).append(index)
        # The first texture of a group names the memory of the group's gradient.
        return [
            _Group(self, members, self._gradient_memory.setdefault(members[0], GradientBuffer()))
            for members in by_size.values()
        ]


@dataclass(frozen=True)
class _MipMaps:
    """Mip maps of all textures, shared by the samples of one iteration, and what they are of."""

    state: object
    groups: list[_Group]


class _Use:
    """Whether gradients have gone through."""

    def __init__(self) -> None:
        self.ended = False

    def end(self, _gradient: Tensor) -> None:
        self.ended = True


class _Group:
    """Mip maps of the textures of one size: packed, or a list of levels for the reference.

    `spent`: gradients have gone through, and the graph is freed.
    """

    def __init__(
        self, material: TextureMaterial, members: list[int], buffer: GradientBuffer
    ) -> None:
        self.members = members
        textures = [material._levels(index) for index in members]
        self._size = max(textures[0][0].shape[:2])
        self._pyramid: Pyramid | None = None
        self._levels: list[Tensor] = []
        self._finest: list[Tensor] = []  # for nvdiffrast, which makes the other levels itself
        # Apart from the group, which holds the graph: a hook must not keep it alive.
        self._use = _Use()
        if material.raster_backend == "nvdiffrast" and not material.custom_mip:
            self._finest = [levels[0] for levels in textures]
            return
        if can_pack(textures[0][0]) and not material.custom_mip:
            self._pyramid = Pyramid([levels[0] for levels in textures], buffer)
            return
        self._levels = [torch.cat(level, dim=-1) for level in zip(*textures, strict=True)]
        for level in self._levels[: len(self._levels) if material.custom_mip else 1]:
            if level.requires_grad:
                level.register_hook(self._use.end)  # type: ignore[no-untyped-call]
        if not material.custom_mip:
            self._levels = build_mips(self._levels[0])

    @property
    def spent(self) -> bool:
        return self._use.ended if self._pyramid is None else self._pyramid.spent

    def fetch(self, wanted: list[int], uv: Tensor, lod: Tensor | None) -> dict[int, Tensor]:
        """[P, 3] of the members that are wanted, by their indices."""
        if lod is not None:
            lod = lod + math.log2(self._size)
        if self._pyramid is not None:
            places = [self.members.index(index) for index in wanted]
            return dict(zip(wanted, self._pyramid.fetch(uv, lod, places), strict=True))
        if self._finest:
            values = nvdiffrast.fetch(self._finest, uv, lod)
        else:
            values = texture2d(self._levels, uv, lod)
        # Unbinding joins the gradients in one copy, where slices would add zeros to zeros.
        channels = values.reshape(-1, len(self.members), 3).unbind(1)
        fetched = dict(zip(self.members, channels, strict=True))
        return {index: fetched[index] for index in wanted}


def _normalise_(normal: Tensor) -> None:
    """Unit length in place; a vector of no length becomes (0, 0, 1)."""
    normal[..., 2] += _SHORTEST
    functional.normalize(normal, dim=-1, eps=_SHORTEST, out=normal)
