"""What an asset is made of: a finished mesh with its textures and its light."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from diffrec import imagefiles
from diffrec.errors import DiffrecError
from diffrec.export import probe, textures
from diffrec.export.beginning import Beginning
from diffrec.geometry.mesh import Mesh
from diffrec.textured_mesh import load_obj
from nvdiffrec_contract import layout
from nvdiffrec_contract.failure import EXIT_USAGE


class AssetError(DiffrecError):
    """No asset can be made of a result; the text says which file is wrong."""

    id = "asset"
    cure = "name the output folder of a training that is done, then export again"
    exit_code = EXIT_USAGE


@dataclass(frozen=True)
class Source:
    """A finished mesh.

    Attributes:
        mesh: with texture coordinates, normals and tangents, those that it was trained with.
        kd: albedo [H, W, 3], linear.
        ks: occlusion (0 is open), roughness, metalness [H, W, 3].
        normal: [H, W, 3] in [-1, 1], +y up, in the frame of the mesh's own tangents.
        ambient: the mesh's own ambient occlusion [H, W, 1], 1 is open; None where it is not known,
            and only what was learned darkens the surface.
        light: panorama [H, W, 3], linear, -z in the middle; None where there is none.
        metres: in a unit of the mesh, in which it is written; None keeps its unit.
    """

    mesh: Mesh
    kd: Tensor
    ks: Tensor
    normal: Tensor
    light: Tensor | None
    ambient: Tensor | None = None
    metres: float | None = None

    @property
    def unit(self) -> str:
        """What the asset's lengths are told in."""
        return "unit" if self.metres is None else "metre"


def source_of(
    mesh: Mesh,
    kd: Tensor,
    ks: Tensor,
    normal: Tensor,
    light: Tensor | None,
    ambient: Tensor | None = None,
) -> Source:
    """What is in memory, with all that exporters need; it stays on its device."""
    if mesh.normals is None:
        mesh = mesh.with_normals()
    if mesh.tangents is None:
        mesh = mesh.with_tangents()
    sky = None if light is None else light.detach().float()
    kd, ks, normal = (one.detach().float() for one in (kd, ks, normal))
    known = None if ambient is None else ambient.detach().float()
    return Source(mesh.detach(), kd, ks, normal, sky, known)


def read_source(result: Path, begun: Beginning | None = None) -> Source:
    """The final mesh of an output folder, or the mesh in the folder itself.

    Args:
        result: the folder.
        begun: what was begun of it.

    Raises:
        AssetError: there is no mesh, or it cannot carry textures.
        DiffrecError: a file of it is missing or damaged.
    """
    begun = begun or Beginning(result)
    folder = begun.folder
    if folder is None:
        raise AssetError(
            f"{result} has no {layout.FINAL}/mesh.obj: no training has ended there"
            if result.is_dir()
            else f"the folder {result} does not exist"
        )
    path = folder / "mesh.obj"
    # By their names, not as the mesh's material: of a reference the occlusion would be cleared.
    kd, ks, normal = (folder / name for name in textures.FILES)
    sky = folder / probe.FILES[0]
    known = folder / textures.AMBIENT
    with ThreadPoolExecutor() as pool:  # pictures are decoded while the mesh is read
        reading = (
            pool.submit(imagefiles.read_srgb, kd, begun.pixels),
            pool.submit(imagefiles.read_linear, ks, begun.pixels),
            pool.submit(imagefiles.read_linear, normal, begun.pixels),
        )
        begun.wait_for_mesh()
        mesh = load_obj(path).mesh
    if mesh.texcoords is None:
        raise AssetError(f"{path} has no texture coordinates: there is nothing to put textures on")
    light = imagefiles.read_hdr(sky) if sky.is_file() else None
    ambient = imagefiles.read_linear(known)[..., :1] if known.is_file() else None
    albedo, channels, bumps = (one.result()[..., :3] for one in reading)
    return source_of(mesh, albedo, channels, bumps * 2 - 1, light, ambient)
