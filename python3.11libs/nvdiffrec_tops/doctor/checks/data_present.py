"""Whether the data that ref_mesh names are there, and of a kind that can be trained from."""

from __future__ import annotations

import os

from nvdiffrec_contract.configuration import PATHS
from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding

KINDS = {
    "mesh": "a reference mesh",
    "llff": "photographs with masks (LLFF, NeRD)",
    "nerf": "pictures with alpha (NeRF synthetic)",
}


def run(context: Context) -> list[Finding]:
    if context.config is None:
        return CHECK.skipped("no configuration is named")
    if not context.setting("ref_mesh", ""):
        return [
            CHECK.error(
                'the configuration has no "ref_mesh": nothing says what to train from',
                '"ref_mesh": "FOLDER_OF_PHOTOGRAPHS", or an .obj file',
            )
        ]
    missing = [
        f'"{name}" names {context.setting(name, "")!r}, which does not exist'
        for name in PATHS
        if context.setting(name, "") and context.resolved(name) is None
    ]
    if missing:
        return [
            CHECK.error(
                one,
                "put it there or correct the path; relative ones are read from WORKING_DIR, then "
                "from the configuration's folder",
            )
            for one in missing
        ]
    dataset = context.dataset
    assert dataset is not None
    if dataset.kind == "unknown":
        return [_unknown(dataset.path)]
    return CHECK.ok(f"{dataset.path}: {KINDS[dataset.kind]}")


def _unknown(path: str) -> Finding:
    names: list[str] = []
    if os.path.isdir(path):
        names = sorted(os.listdir(path))[:1000]
    for name in names:
        for mark in ("poses_bounds.npy", "transforms_train.json"):
            if os.path.isfile(os.path.join(path, name, mark)):
                return CHECK.error(
                    f"{path} holds no data, but {name} in it does",
                    f'"ref_mesh": "{os.path.join(path, name)}"',
                )
    return CHECK.error(
        f"{path} is neither an .obj file nor a folder with poses_bounds.npy (LLFF, NeRD) or "
        "transforms_train.json (NeRF synthetic): nothing says where the cameras were",
        "solve the cameras of the photographs (COLMAP, then LLFF's imgs2poses), or name a mesh",
    )


CHECK = Check("data_present", "Data", "data", run, needs=("configuration_values",))
