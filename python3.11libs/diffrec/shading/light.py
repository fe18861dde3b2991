"""The environment light: a cube map of radiance."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from diffrec.ops import cubemap
from diffrec.ops.cubefilter import SMALLEST
from diffrec.ops.texture import texture2d
from diffrec.ops.texture_cube import texture_cube

START = 0.5  # radiance of a light that nothing is known of
DARKEST = 1e-4  # least radiance of one that learns in logarithms


class EnvironmentLight(nn.Module):
    """A trainable light at infinity.

    `base`: [6, R, R, 3], linear RGB radiance, 0.5 at the start, never negative.
    """

    def __init__(self, resolution: int = 512, *, least_roughness: float = 0.08) -> None:
        """`resolution`: edge of a face, a power of two from 16 on. Raises ValueError."""
        super().__init__()
        if resolution < SMALLEST or resolution & (resolution - 1):
            raise ValueError(
                f"a light's resolution must be a power of two from 16, not {resolution}"
            )
        self.least_roughness = least_roughness
        self.base = nn.Parameter(torch.full((6, resolution, resolution, 3), START))

    @staticmethod
    def from_latlong(
        panorama: Tensor, resolution: int = 512, *, least_roughness: float = 0.08
    ) -> EnvironmentLight:
        """From a latitude-longitude panorama [h, w, 3], linear RGB, -z in the middle, +y on top.

        Averaged over 2 x 2 directions per texel, from a panorama reduced to the texels' size, so
        that small bright lights keep their energy. Made on the panorama's device, and left there.
        """
        reduced = panorama[..., :3].float()
        light = EnvironmentLight(resolution, least_roughness=least_roughness).to(reduced.device)
        factor = math.ceil(reduced.shape[0] / (4 * resolution))
        if factor > 1:
            reduced = _reduced(reduced, factor)
        size = resolution * 2
        directions = cubemap.texel_directions(size, device=reduced.device).reshape(-1, 3)
        values = sample_latlong(reduced, directions)
        fine = values.reshape(6, resolution, 2, resolution, 2, 3)
        light.base.data = fine.mean(dim=(2, 4)).contiguous()
        return light

    def to_latlong(self, resolution: tuple[int, int]) -> Tensor:
        """The light as a panorama [h, w, 3], linear RGB, -z in the middle, +y on top."""
        height, width = resolution
        directions = latlong_directions(height, width).to(self.base.device)
        values = texture_cube([self.base], directions.reshape(-1, 3), None)
        return values.reshape(height, width, 3)

    @torch.no_grad()
    def clamp_(self) -> None:
        """No negative radiance; called after every optimiser step."""
        self.base.clamp_(min=0.0)


def _reduced(panorama: Tensor, factor: int) -> Tensor:
    """Means over factor x factor pixels of [h, w, C]; over parts of pixels if need be."""
    height, width = panorama.shape[:2]
    if height % factor == 0 and width % factor == 0:
        pooled = functional.avg_pool2d(panorama.permute(2, 0, 1)[None], factor)
        return pooled[0].permute(1, 2, 0)
    rows = _shares(height, height // factor).to(panorama.device)
    columns = _shares(width, max(1, width // factor)).to(panorama.device)
    return (columns @ (rows @ panorama.permute(2, 0, 1)).mT).permute(2, 1, 0)


def _shares(source: int, target: int) -> Tensor:
    """[target, source]: share of each source pixel in each of fewer ones over the same length."""
    begin, own = torch.arange(target)[:, None] / target, torch.arange(source) / source
    end = torch.minimum(begin + 1 / target, own + 1 / source)
    return (end - torch.maximum(begin, own)).clamp_min(0) * target


def latlong_directions(height: int, width: int) -> Tensor:
    """Unit directions [h, w, 3] of a panorama's pixel centres."""
    polar = (torch.arange(height) + 0.5) / height * math.pi
    azimuth = ((torch.arange(width) + 0.5) / width - 0.5) * 2 * math.pi
    polar, azimuth = torch.meshgrid(polar, azimuth, indexing="ij")
    ring = torch.sin(polar)
    return torch.stack(
        [ring * torch.sin(azimuth), torch.cos(polar), -ring * torch.cos(azimuth)], dim=-1
    )


def sample_latlong(panorama: Tensor, directions: Tensor) -> Tensor:
    """Bilinear samples [P, C] of a panorama [h, w, C] along unit directions [P, 3]."""
    x, y, z = directions.unbind(1)
    u = torch.atan2(x, -z) / (2 * math.pi) + 0.5
    height = panorama.shape[0]
    # Around the azimuth the panorama repeats; at the poles its first and last row go on.
    v = (torch.acos(y.clamp(-1, 1)) / math.pi).clamp(0.5 / height, 1 - 0.5 / height)
    return texture2d([panorama], torch.stack([u, v], dim=1), None)
