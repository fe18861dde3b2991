"""RGBA pictures with ``transforms.json``, as instant-ngp and nerfstudio prepare them.

See ``diffrec.data.transforms``. Validation views are split off as ``split_views`` says.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from diffrec.data import transforms
from nvdiffrec_contract.dataset import Description, Problem
from nvdiffrec_contract.engines import NVDIFFREC

if TYPE_CHECKING:
    import torch

    from diffrec.data import Log
    from diffrec.data.views import Views
    from nvdiffrec_contract.configuration import Config

RANK = 30
LABEL = "pictures with alpha (instant-ngp, nerfstudio)"
WANTED = "a folder with transforms.json (instant-ngp, nerfstudio)"

FILE = "transforms.json"


def recognise(path: Path) -> bool:
    return (path / FILE).is_file()


def describe(path: Path, quick: bool) -> Description:
    found = transforms.describe(path / FILE, "nerfstudio", LABEL)
    renamed = Problem(
        "data",
        f"{path} has its cameras in {FILE}, which nvdiffrec does not read",
        f"rename {FILE} to transforms_train.json, or use the engine diffrec",
        engines=(NVDIFFREC,),
        file=str(path / FILE),
    )
    return dataclasses.replace(found, nvdiffrec="", problems=(renamed, *found.problems))


def load(
    found: Description, config: Config, device: torch.device | str, log: Log
) -> tuple[Views, Views]:
    """Raises DataError: a picture cannot be read."""
    from diffrec.data.views import split_views

    return split_views(transforms.views(found, config, device), config)
