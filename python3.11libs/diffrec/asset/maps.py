"""The textures of an asset, channel by channel, as other programs want them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import torch
from torch import Tensor
from torch.nn import functional

from diffrec.asset.mikktspace import Doubles
from diffrec.asset.source import Source
from diffrec.asset.texels import Texels, dilated, in_mikktspace, in_world, texels_of
from diffrec.asset.vertices import Vertices
from diffrec.geometry.mesh import Mesh


@dataclass(frozen=True)
class Maps:
    """Textures whose charts are dilated into the whole background, on the processor.

    Attributes:
        open_albedo: [H, W, 3], linear, as trained.
        albedo: the same times what residual occlusion leaves: no other program reads that.
        occlusion: [H, W, 1], as glTF has it: 1 is open.
        roughness, metalness: [H, W, 1].
        normal: [H, W, 3] in [-1, 1], unit length, +y up, for MikkTSpace.
        density: texels along a unit of the mesh, the square root of the mean over the surface's
            area.
    """

    open_albedo: Tensor
    albedo: Tensor
    occlusion: Tensor
    roughness: Tensor
    metalness: Tensor
    normal: Tensor
    density: float


@torch.no_grad()
def maps_of(source: Source, vertices: Vertices, tangents: Doubles) -> Maps:
    """The maps of a result; `vertices`, `tangents` [F, 3, 4]: those of its mesh."""
    known: dict[tuple[int, int], Texels] = {}

    def under(image: Tensor) -> Texels:
        resolution = (image.shape[0], image.shape[1])
        if resolution not in known:
            known[resolution] = texels_of(source.mesh, resolution)
        return known[resolution]

    texels = under(source.normal)
    world = in_world(source.normal, source.mesh, texels)
    normal = in_mikktspace(world, source.mesh, vertices, tangents, texels)
    del world
    kd, ks, normal = (
        dilated(image, under(image)).cpu() for image in (source.kd, source.ks, normal)
    )
    normal = functional.normalize(normal, dim=2)
    occlusion, roughness, metalness = torch.split(ks.clamp(0, 1), 1, dim=2)
    is_open = 1 - occlusion
    ambient = source.ambient
    finest = max(kd, ks, key=_texels)
    return Maps(
        open_albedo=kd.clamp(0, 1),
        albedo=(resized(kd, finest) * resized(is_open, finest)).clamp(0, 1),
        # Who traces rays finds this for himself: the albedo has no part of it.
        occlusion=is_open if ambient is None else dilated(ambient, under(ambient)).cpu(),
        roughness=roughness,
        metalness=metalness,
        normal=normal,
        density=density_of(source.mesh, (source.kd.shape[0], source.kd.shape[1])),
    )


@torch.no_grad()
def enlarged(source: Source, size: int, log: Callable[[str], None]) -> Source:
    """The same with textures whose longer edge has `size` texels, told of in the log.

    Charts are dilated before: what stood beside them would come in at their edges. Fewer texels
    are means, more are interpolated between.
    """
    largest = max(max(one.shape[:2]) for one in (source.kd, source.ks, source.normal))
    if size > largest:
        log(
            f"Warning: the textures were trained with {largest} texels; in {size} they show no "
            f'more. For more, train with "texture_res": [{size}, {size}]'
        )

    def sized(image: Tensor) -> Tensor:
        height, width = image.shape[:2]
        factor = size / max(height, width)
        if factor == 1:
            return image
        spread = dilated(image, texels_of(source.mesh, (height, width))).cpu()
        like = torch.empty(max(1, round(height * factor)), max(1, round(width * factor)), 0)
        if factor < 1:
            return resized(spread, like).to(image.device)
        shown = cv2.resize(
            spread.contiguous().numpy(),
            (like.shape[1], like.shape[0]),
            interpolation=cv2.INTER_CUBIC,
        )
        return torch.from_numpy(shown).reshape(*like.shape[:2], -1).to(image.device)

    return replace(
        source,
        kd=sized(source.kd).clamp(0, 1),
        ks=sized(source.ks).clamp(0, 1),
        normal=functional.normalize(sized(source.normal), dim=2),
    )


def _texels(image: Tensor) -> int:
    return image.shape[0] * image.shape[1]


def resized(image: Tensor, like: Tensor) -> Tensor:
    """`image` [H, W, C] in the height and width of another; means of texels where it shrinks."""
    height, width = like.shape[:2]
    if image.shape[:2] == like.shape[:2]:
        return image
    way = cv2.INTER_AREA if image.shape[0] >= height else cv2.INTER_LINEAR
    shown = cv2.resize(image.contiguous().numpy(), (width, height), interpolation=way)
    return torch.from_numpy(shown).reshape(height, width, image.shape[2])


def density_of(mesh: Mesh, resolution: tuple[int, int]) -> float:
    """Texels along a world unit of a texture of H x W, the square root of the mean over `mesh`."""
    height, width = resolution
    assert mesh.texcoords is not None and mesh.texcoord_triangles is not None
    corner = mesh.positions[mesh.triangles].double()
    uv = mesh.texcoords[mesh.texcoord_triangles].double() * torch.tensor(
        [width, height], device=mesh.positions.device
    )
    facing = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    side = uv[:, 1:] - uv[:, :1]
    texels = (side[:, 0, 0] * side[:, 1, 1] - side[:, 0, 1] * side[:, 1, 0]).abs().sum()
    area = facing.norm(dim=1).sum()
    return float((texels / area).sqrt()) if area > 0 else 0.0
