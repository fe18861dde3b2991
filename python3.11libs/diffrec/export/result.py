"""The folder that a run leaves, written by the exporters.

An exporter is a module in this folder with `FILES`, the names of what it writes, and
`export(folder, made)`. It is found there. What every run leaves stands in
``nvdiffrec_contract.layout`` too, since the processes around a training wait for it.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import diffrec.export
from diffrec.geometry.mesh import Mesh
from diffrec.imagefiles import PictureWriter, own_or
from diffrec.materials import TextureMaterial
from diffrec.shading.light import EnvironmentLight
from nvdiffrec_contract import layout


@dataclass(frozen=True)
class Made:
    """What a pass made, for exporters.

    `ambient`: the mesh's own ambient occlusion [H, W, 1], 1 is open, where it is known; `pictures`:
    where pictures are encoded and written beside other work; `log`: takes what is told.
    """

    mesh: Mesh
    material: TextureMaterial
    light: EnvironmentLight
    pictures: PictureWriter
    log: Callable[[str], None]
    ambient: Tensor | None = None


def exporters() -> list[Any]:
    """The modules of exporters; those of pictures come first, since they work beside the rest."""
    path = diffrec.export.__path__
    modules = [
        import_module(f"{diffrec.export.__name__}.{one.name}") for one in pkgutil.iter_modules(path)
    ]
    found = [module for module in modules if hasattr(module, "export")]
    return sorted(found, key=lambda one: not _is_picture(one.FILES[0]))


def _is_picture(name: str) -> bool:
    return layout.tag(name).startswith("file/image")


def write_result(
    folder: Path,
    mesh: Mesh,
    material: TextureMaterial,
    light: EnvironmentLight,
    log: Callable[[str], None],
    writer: PictureWriter | None = None,
    ambient: Tensor | None = None,
) -> None:
    """Write a result into `folder`: what every exporter makes of it.

    `writer`: where the pictures are written beside other work; without one all is written when
    this returns. `ambient`: see `Made`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with torch.no_grad(), own_or(writer) as pictures:
        made = Made(mesh, material, light, pictures, log, ambient)
        for exporter in exporters():
            exporter.export(folder, made)
