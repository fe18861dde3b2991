"""The files of a result, and the PDG tag of each kind of file.

Paths are relative to the output folder, with ``/`` between their parts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

RESULT = "result.json"
"""What was made, from what, with which versions, or why not; the job process writes it."""
FAILURE = "failure.json"
"""Why a training failed; the training process writes it."""

CONTACT_SHEET = "contact_sheet.png"
"""Reference beside result, in one picture."""

TABLE = "metrics.csv"
"""Loss and PSNR over the training."""
TABLE_HEADER = (
    "epoch,pass,iteration,image_loss,regularizer_loss,learning_rate,psnr,progress_psnr,memory"
)
"""The table's columns; the trainer writes it, or the job for a trainer that does not."""
LIVE_TABLE = "training.csv"
"""A copy of the table in the output folder while the training runs; no result."""
PROGRESS = "progress"
"""Folder of the progress pictures of the training that runs, or ran last; no results."""
CHECKPOINT = "checkpoint.pt"
"""The state of a diffrec training that has not ended."""
KEEP_CHECKPOINT = "DIFFREC_KEEP_CHECKPOINT"
"""The environment variable that leaves the checkpoint of a finished training to the job."""

FINAL, FIRST = "mesh", "dmtet_mesh"
"""Folders of the final mesh, and of the first pass's."""
VALIDATION = {FINAL: "validate", FIRST: "dmtet_validate"}
"""The folder of validation pictures and figures, for each mesh."""
ASSET = "asset"
"""Folder of the final mesh as other programs want it; a training of diffrec writes it."""
ASSET_LAYERS = ("geo.usdc", "mtl.usda", "payload.usda")
"""Layers of an asset's USD component: its geometry, its material, and the two together."""
ASSET_LIGHT = "_light.usda"
"""How the name of an asset's light ends."""
ASSET_CAMERAS = "_cameras.usda"
"""How the name of the layer with a training's cameras ends."""
UPRIGHT = "upright.json"
"""How an asset was turned to stand upright and made as large as its object is, of a training whose
world says nothing of up, or of metres."""
METRICS = "metrics.txt"
"""The table of PSNR per view, in a folder of validation."""

PREVIEW = "preview"
"""Folder of small copies that the page of ``nvdiffrec-tops monitor`` shows; diffrec writes it."""
PREVIEW_MESH = "mesh.glb"
PREVIEW_SCENE = "scene.json"

TAGS = {
    ".obj": "file/geo/obj",
    ".mtl": "file/text/mtl",
    ".png": "file/image/png",
    ".jpg": "file/image/jpg",
    ".hdr": "file/image/hdr",
    ".exr": "file/image/exr",
    ".json": "file/json",
    ".txt": "file/text",
    ".csv": "file/csv",
    ".log": "file/text",
    ".html": "file/html",
    ".usd": "file/geo/usd",
    ".usda": "file/geo/usd",
    ".usdc": "file/geo/usd",
    ".usdz": "file/geo/usd",
    ".mtlx": "file/text/mtlx",
    ".glb": "file/geo/gltf",
    ".gltf": "file/geo/gltf",
}


class Output(NamedTuple):
    """A file that a run leaves: its path below the output folder, and its PDG tag."""

    path: str
    tag: str


def tag(path: str) -> str:
    """The PDG tag of a file, by its ending.

    Layers that are not a whole scene have a tag of their own, so that a node that looks for USD
    finds the component.
    """
    folder, _, name = path.replace("\\", "/").rpartition("/")
    if folder.rpartition("/")[2] == PREVIEW:
        return "file/preview"
    if name in ASSET_LAYERS or name.endswith((ASSET_LIGHT, ASSET_CAMERAS)):
        return "file/usdlayer"
    return TAGS.get(os.path.splitext(path)[1].lower(), "file")


MESH_FILES = (
    "mesh.obj",
    "mesh.mtl",
    "texture_kd.png",
    "texture_ks.png",
    "texture_n.png",
    "probe.hdr",
)
"""The files of a mesh, in each folder of one."""
REQUIRED = tuple(f"{FINAL}/{name}" for name in MESH_FILES)
"""What a finished run always leaves, whatever its configuration."""


def passes(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The folders of the meshes that a run of ``config`` makes, the final one first."""
    return (FINAL,) if config.get("base_mesh") else (FINAL, FIRST)


def meshes(config: Mapping[str, Any]) -> tuple[Output, ...]:
    """The files of the meshes that a run of ``config`` makes."""
    paths = [f"{folder}/{name}" for folder in passes(config) for name in MESH_FILES]
    return tuple(Output(path, tag(path)) for path in paths)


def figures(config: Mapping[str, Any]) -> tuple[Output, ...]:
    """The tables of figures that a run of ``config`` writes where it validates, which it does
    unless it says otherwise. None of a configuration that is not known here (empty)."""
    if not config or not config.get("validate", True):
        return ()
    paths = [f"{VALIDATION[folder]}/{METRICS}" for folder in passes(config)]
    return tuple(Output(path, tag(path)) for path in paths)
