"""A mesh with its materials, read from OBJ and MTL files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffrec.colour import srgb_to_linear
from diffrec.geometry.mesh import Mesh
from diffrec.materials import TextureMaterial
from diffrec.materials.several import SeveralMaterials
from diffrec.reference.maps import read_maps
from diffrec.reference.materials import resolve
from diffrec.reference.obj import ObjFile, read_obj
from diffrec.reference.slots import Slot, slots_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FARTHEST_UV = 64.0
"""Texture coordinates farther from 0 lose precision: they are moved by whole repetitions."""
MOST_REPEATS = 4096.0
"""Repetitions of a texture across one triangle, beyond which its coordinates are none."""


@dataclass(frozen=True)
class LoadedObj:
    """A mesh without normals and tangents of its own making, and what its triangles look like.

    slots: the materials; of_triangle: [F] int64, their places; warnings: what was passed over.
    """

    mesh: Mesh
    slots: tuple[Slot, ...]
    of_triangle: Tensor
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class ReferenceMesh:
    """A mesh with smooth normals and tangents, its textures, and what was not used of its files."""

    mesh: Mesh
    material: TextureMaterial | SeveralMaterials
    warnings: tuple[str, ...] = ()


def load_reference_mesh(path: Path, mtl: Path | None, device: torch.device) -> ReferenceMesh:
    """Read an OBJ with the materials that it names, or with the MTL file `mtl` in their place.

    Raises `diffrec.reference.errors.ObjError` and `MtlError`.
    """
    loaded = load_obj(path, mtl)
    mesh = loaded.mesh.to(device)
    if mesh.normals is None:
        mesh = mesh.with_normals()
    if mesh.texcoords is not None:
        mesh = mesh.with_tangents()
    else:
        # One texel serves all of a mesh whose materials are constants.
        corner = mesh.positions.new_zeros((1, 2))
        mesh = replace(mesh, texcoords=corner, texcoord_triangles=torch.zeros_like(mesh.triangles))
    warnings = list(loaded.warnings)
    textures = [_textures(slot, warnings) for slot in loaded.slots]
    material: TextureMaterial | SeveralMaterials = textures[0]
    if len(textures) > 1:
        material = SeveralMaterials(textures, loaded.of_triangle)
    return ReferenceMesh(mesh, material.to(device), tuple(dict.fromkeys(warnings)))


def load_obj(path: Path, mtl: Path | None = None) -> LoadedObj:
    """The triangles of an OBJ, and the materials that they use.

    mtl: read in place of the libraries that the file names. Faces without texture coordinates
    among others have a material of constants. Normals that only some corners have are discarded.

    Raises `diffrec.reference.errors.ObjError` and `MtlError`, saying file and line.
    """
    found = read_obj(path)
    materials = resolve(found, path, mtl)
    warnings = list(materials.warnings)
    slots, numbers = slots_of(found, materials.of, path, warnings)
    of_triangle: Ints = np.array(numbers, dtype=np.int64)
    corners: Ints = np.frombuffer(found.corners, dtype=np.int64).reshape(-1, 3, 3)
    positions = np.frombuffer(found.positions).reshape(-1, 3)
    texcoords, texcoord_triangles = _texcoords(found, corners, slots, of_triangle, path, warnings)
    normals, normal_triangles = _normals(found, corners, path, warnings)
    mesh = Mesh(
        positions=torch.from_numpy(positions.astype(np.float32)),
        triangles=_indices(corners[:, :, 0]),
        texcoords=texcoords,
        texcoord_triangles=texcoord_triangles,
        normals=normals,
        normal_triangles=normal_triangles,
    )
    return LoadedObj(mesh, tuple(slots), torch.from_numpy(of_triangle), tuple(warnings))


def _indices(indices: Ints) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(indices).copy())


def _texcoords(
    found: ObjFile,
    corners: Ints,
    slots: Sequence[Slot],
    of_triangle: Ints,
    path: Path,
    warnings: list[str],
) -> tuple[Tensor | None, Tensor | None]:
    """Texture coordinates with v down, as the materials place them; None where no face has any."""
    indices = corners[:, :, 1]
    has: NDArray[np.bool_] = np.all(indices >= 0, axis=1)
    if not has.any():
        return None, None
    table = np.frombuffer(found.texcoords).reshape(-1, 2)
    # What has none gets a point of its own.
    table = np.concatenate([table, np.zeros((1, 2))])
    indices = np.where(has[:, None], indices, len(table) - 1)
    for number, slot in enumerate(slots):
        scale, offset = slot.material.scale, slot.material.offset
        rows = has & (of_triangle == number)
        if (scale, offset) != ((1.0, 1.0), (0.0, 0.0)) and rows.any():
            used, inverse = np.unique(indices[rows], return_inverse=True)
            moved = table[used] * np.array(scale) + np.array(offset)
            indices[rows] = len(table) + inverse.reshape(-1, 3)
            table = np.concatenate([table, moved])
    far = np.abs(table[indices]).max(axis=(1, 2)) > FARTHEST_UV
    if far.any():
        own = table[indices[far]]
        own = own - np.floor(own.min(axis=1, keepdims=True))
        wild = own.max(axis=(1, 2)) > MOST_REPEATS
        if wild.any():
            warnings.append(
                f"{path}: {int(wild.sum())} triangles repeat their texture more than "
                f"{MOST_REPEATS:g} times; their texture coordinates are not used"
            )
            own[wild] = 0
        indices[far] = len(table) + np.arange(3 * len(own)).reshape(-1, 3)
        table = np.concatenate([table, own.reshape(-1, 2)])
    # Without the points that nothing uses, where points were added.
    if len(table) > len(found.texcoords) // 2 + 1 or not has.all():
        used, inverse = np.unique(indices, return_inverse=True)
        table, indices = table[used], inverse.reshape(-1, 3)
    else:
        table = table[:-1]
    flipped = table * np.array([1.0, -1.0]) + np.array([0.0, 1.0])
    return torch.from_numpy(flipped.astype(np.float32)), _indices(indices)


def _normals(
    found: ObjFile, corners: Ints, path: Path, warnings: list[str]
) -> tuple[Tensor | None, Tensor | None]:
    indices = corners[:, :, 2]
    if (indices >= 0).all():
        unit, usable = _unit(np.frombuffer(found.normals).reshape(-1, 3))
        if usable[indices].all():
            return torch.from_numpy(unit.astype(np.float32)), _indices(indices)
        warnings.append(f"{path}: a normal has no length; smooth normals are used instead")
    elif (indices >= 0).any():
        warnings.append(f"{path}: only some faces have normals; smooth normals are used instead")
    return None, None


def _unit(vectors: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    length = np.linalg.norm(vectors, axis=1)
    usable: NDArray[np.bool_] = length > 1e-12
    return vectors / np.where(usable, length, 1.0)[:, None], usable


def _textures(slot: Slot, warnings: list[str]) -> TextureMaterial:
    maps = read_maps(slot.material, slot.plain)
    warnings += maps.warnings

    def tensor(values: Any) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values[..., :3], dtype=np.float32))

    kd = tensor(maps.kd)
    return TextureMaterial.from_images(
        srgb_to_linear(kd) if maps.srgb else kd, tensor(maps.ks), tensor(maps.normal)
    )
