"""A mesh with its material, read from OBJ and MTL files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from diffrec import imagefiles
from diffrec.export.obj import MaterialFile, ObjError, load_obj
from diffrec.geometry.mesh import Mesh
from diffrec.materials import TextureMaterial


@dataclass(frozen=True)
class ReferenceMesh:
    """A mesh with smooth normals and tangents, and its textures.

    `warnings`: what of its files was passed over.
    """

    mesh: Mesh
    material: TextureMaterial
    warnings: tuple[str, ...] = ()


def load_reference_mesh(path: Path, mtl: Path | None, device: torch.device) -> ReferenceMesh:
    """Read an OBJ with the material that it names, or with the MTL file `mtl` in its place.

    Raises `diffrec.export.obj.ObjError` and `diffrec.imagefiles.ImageError`.
    """
    mesh, description = load_obj(path, mtl)
    mesh = mesh.to(device)
    if mesh.normals is None:
        mesh = mesh.with_normals()
    if mesh.texcoords is not None:
        mesh = mesh.with_tangents()
    else:
        mesh = _without_pictures(mesh, description, path)
    material = _material(description).to(device)
    return ReferenceMesh(mesh, material, description.warnings)


def _without_pictures(mesh: Mesh, description: MaterialFile, path: Path) -> Mesh:
    """A mesh that was not unwrapped, for a material of constants: one texel serves all of it."""
    pictures = (description.map_kd, description.map_ks, description.bump)
    named = next((one for one in pictures if one is not None), None)
    if named is not None:
        raise ObjError(
            f"{path} has no texture coordinates, but its material '{description.name}' uses the "
            f"picture {named.name}; unwrap the mesh, or give the material constants (Kd, Ks)"
        )
    corner = mesh.positions.new_zeros((1, 2))
    return replace(mesh, texcoords=corner, texcoord_triangles=torch.zeros_like(mesh.triangles))


def _material(description: MaterialFile) -> TextureMaterial:
    def texture(path: Path | None, constant: tuple[float, float, float]) -> torch.Tensor:
        if path is None:
            return torch.tensor(constant).reshape(1, 1, 3)
        return imagefiles.read_linear(path)

    kd = (
        torch.tensor(description.kd).reshape(1, 1, 3)
        if description.map_kd is None
        else imagefiles.read_srgb(description.map_kd)
    )
    ks = texture(description.map_ks, description.ks)
    normal = texture(description.bump, (0.5, 0.5, 1.0)) * 2 - 1
    return TextureMaterial.from_images(kd[..., :3], ks[..., :3], normal[..., :3])
