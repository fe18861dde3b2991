"""RGBA pictures with ``transforms_train.json`` and ``transforms_test.json``: NeRF's synthetic sets.

Layout: Mildenhall et al., *NeRF* (ECCV 2020), released data; see ``diffrec.data.transforms``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from diffrec.data import metres, transforms
from nvdiffrec_contract.dataset import Description

if TYPE_CHECKING:
    import torch

    from diffrec.data import Log
    from diffrec.data.views import Views
    from nvdiffrec_contract.configuration import Config

RANK = 20
LABEL = "pictures with alpha (NeRF synthetic)"
WANTED = "a folder with transforms_train.json (NeRF synthetic)"

TRAINING, TEST = "transforms_train.json", "transforms_test.json"


def recognise(path: Path) -> bool:
    return (path / TRAINING).is_file()


def describe(path: Path, quick: bool) -> Description:
    return transforms.describe(path / TRAINING, "nerf_synthetic", LABEL)


def load(
    found: Description, config: Config, device: torch.device | str, log: Log
) -> tuple[Views, Views]:
    """``transforms_test.json`` gives the validation views; without it they are split off the
    training views as ``split_views`` says. With ``diffrec.holdout`` set they are always split off.

    Raises:
        DataError: a picture cannot be read, or the test views are not what they should be.
    """
    from diffrec.data.views import split_views

    training = transforms.views(found, config, device)
    training.metres = metres.of_data_set(Path(found.path), log)
    path = Path(found.path) / TEST
    if config.diffrec.holdout or not path.is_file():
        return split_views(training, config)
    test = transforms.views(transforms.describe(path, found.kind, found.label), config, device)
    limit = config.diffrec.validation_views
    if limit is not None and limit < len(test):
        test = test.subset([i * len(test) // limit for i in range(limit)])
    return training, test
