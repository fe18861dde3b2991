"""Which triangles of a mesh look alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from diffrec.reference.errors import ObjError
from diffrec.reference.materials import Material
from diffrec.reference.obj import ObjFile


@dataclass(frozen=True)
class Slot:
    """A material, and whether its triangles have no texture coordinates, so that it is ``plain``:
    its constants in place of its pictures."""

    material: Material
    plain: bool


def slots_of(
    mesh: ObjFile, materials: Sequence[Material], path: Path, warnings: list[str]
) -> tuple[list[Slot], list[int]]:
    """The slots that are used, and for each triangle the place of its own.

    materials: one for each name of the mesh.

    Raises:
        ObjError: pictures are to be used, and no triangle has texture coordinates.
    """
    corners = mesh.corners
    textured = [
        min(three) >= 0 for three in zip(corners[1::9], corners[4::9], corners[7::9], strict=True)
    ]
    any_textured = any(textured)
    # Materials that are used where there are texture coordinates, and where there are none.
    pictured = [bool(one.pictures) for one in materials]
    numbers = [
        (used, pictured[used] and not here) for used, here in zip(mesh.used, textured, strict=True)
    ]
    slots = {key: Slot(materials[key[0]], key[1]) for key in sorted(set(numbers))}
    plain = [slot for slot in slots.values() if slot.plain]
    if plain and not any_textured:
        material = plain[0].material
        raise ObjError(
            f"{path} has no texture coordinates, but its material {material.name!r} uses the "
            f"picture {material.pictures[0].path.name}; unwrap the mesh, or give the material "
            "constants (Kd, Ks)"
        )
    if plain:
        count = sum(key[1] for key in numbers)
        warnings.append(
            f"{path}: {count} triangles have no texture coordinates, so their material "
            f"{plain[0].material.name!r} has one colour there; unwrap them"
        )
    # Two materials of one look and name are one.
    places = {slot: number for number, slot in enumerate(dict.fromkeys(slots.values()))}
    by_key = {key: places[slot] for key, slot in slots.items()}
    return list(places), [by_key[key] for key in numbers]
