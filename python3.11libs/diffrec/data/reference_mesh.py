"""An .obj file with its material: pictures of it are rendered under a known light."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING

from diffrec.reference.errors import MtlError, ObjError
from diffrec.reference.maps import missing, to_have, warnings_of
from diffrec.reference.materials import resolve
from diffrec.reference.obj import ObjFile, read_obj
from diffrec.reference.slots import slots_of
from nvdiffrec_contract.dataset import Description, MeshExtent, Problem
from nvdiffrec_contract.engines import DIFFREC

if TYPE_CHECKING:
    import torch

    from diffrec.data import Log
    from diffrec.data.views import Views
    from nvdiffrec_contract.configuration import Config

RANK = 90
LABEL = "a reference mesh"
WANTED = "an .obj file"

QUICK_BYTES = 8 << 20
MOST_BYTES = 512 << 20
"""Meshes above these sizes are left to the trainer."""


def recognise(path: Path) -> bool:
    return path.suffix.lower() == ".obj" and path.is_file()


def describe(path: Path, quick: bool) -> Description:
    found = Description("reference_mesh", LABEL, str(path), light=True, nvdiffrec="train_res")
    try:
        if path.stat().st_size > (QUICK_BYTES if quick else MOST_BYTES):
            return found
        mesh = read_obj(path)
    except OSError as error:
        cause = f"{path} cannot be read: {error.strerror or error}"
        problem = Problem("mesh", cause, "check its permissions", file=str(path))
        return dataclasses.replace(found, light=False, problems=(problem,))
    except ObjError as error:
        # The trainer's reader says the same; a foreign trainer may yet read it.
        problem = Problem("mesh", error.cause, error.cure, refused=False, file=str(path))
        return dataclasses.replace(found, problems=(problem,))
    problems = [
        Problem("material", cause, cure, severity, (DIFFREC,), refused=False, file=str(path))
        for severity, cause, cure in _about_materials(mesh, path, quick)
    ]
    return dataclasses.replace(found, mesh=_extent(mesh, path.parent), problems=tuple(problems))


def _about_materials(mesh: ObjFile, path: Path, quick: bool) -> list[tuple[str, str, str]]:
    """Severity, cause and cure of what is to be told of the materials and their pictures, which a
    quick look does not decode."""
    warnings: list[str] = []
    try:
        materials = resolve(mesh, path, None)
        warnings += materials.warnings
        slots, _ = slots_of(mesh, materials.of, path, warnings)
        for slot in slots:
            for picture in missing(slot.material):
                cause = f"the material {slot.material.name!r} uses {picture}, which is not there"
                return [("error", cause, to_have(picture))]
        if not quick:
            with contextlib.suppress(ImportError):
                warnings += warnings_of([(one.material, one.plain) for one in slots])
    except (ObjError, MtlError) as error:
        return [("error", error.cause, error.cure)]
    cure = "nothing needs to be done if the look is right without it"
    return [("warning", cause, cure) for cause in dict.fromkeys(warnings)]


def _extent(mesh: ObjFile, folder: Path) -> MeshExtent:
    axes = [mesh.positions[axis::3] for axis in range(3)]
    low, high = [min(one) for one in axes], [max(one) for one in axes]
    return MeshExtent(
        len(mesh.positions) // 3,
        len(mesh.texcoords) // 2,
        mesh.faces,
        (low[0], low[1], low[2]),
        (high[0], high[1], high[2]),
        max(map(math.hypot, *axes)),
        tuple(str(folder.joinpath(*one.split("/"))) for one in mesh.libraries if "\0" not in one),
    )


def load(found: Description, config: Config, device: torch.device, log: Log) -> tuple[Views, Views]:
    """Views from random sides to train on, and a turntable to validate on.

    Raises:
        ConfigError: the configuration names no light.
        DiffrecError: the mesh, its material or the light cannot be read.
    """
    from diffrec.data.rendered import reference_views

    return reference_views(config, Path(found.path), device, log)
