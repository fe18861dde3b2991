"""The views of the data set that a configuration names, whatever its format."""

from __future__ import annotations

from pathlib import Path

import torch

from diffrec import data
from diffrec.data import Log
from diffrec.data.looks import with_looks
from diffrec.data.views import Views
from diffrec.errors import DataError
from nvdiffrec_contract.configuration import Config
from nvdiffrec_contract.dataset import checks as datachecks
from nvdiffrec_contract.engines import DIFFREC
from nvdiffrec_contract.errors import ConfigError


def load_views(config: Config, device: torch.device, log: Log) -> tuple[Views, Views | None]:
    """Training views, and the views to validate on (None where the data has none).

    The first format that recognises ``ref_mesh`` reads it. Some of its pictures are looked at
    before, as the doctor does. What is wrong, but not so wrong that nothing could be trained, goes
    to the log.

    Raises:
        ConfigError: no format recognises it.
        DataError: the data cannot be used.
        DiffrecError: a file cannot be read.
    """
    if config.ref_mesh is None:
        raise ConfigError(
            "ref_mesh is missing: name an .obj file, or a folder of photographs with "
            "poses_bounds.npy or transforms_train.json"
        )
    source = Path(config.ref_mesh)
    if not source.exists():
        raise ConfigError(f"ref_mesh: there is no {source.absolute()}")
    found = data.describe(source)
    refusal = found.refusal(DIFFREC)
    if not found.kind:
        (problem, *_) = found.problems
        raise ConfigError(f"ref_mesh: {problem.cause}", problem.cure, file=problem.file)
    if refusal is not None:
        raise DataError.of(refusal)
    side = None if config.base_mesh else config.mesh_scale
    examined = datachecks.examined(with_looks(found, quick=False), side, DIFFREC)
    wrong = next((one for one in examined if one.severity == "error" and one.refused), None)
    if wrong is not None:
        raise DataError.of(wrong)
    for problem in (*found.told(DIFFREC), *examined):
        # The reader of a mesh tells itself of the materials that it uses in the end.
        if problem.severity != "note" and problem.about != "material":
            log(f"Data: {problem.cause} ({problem.cure})")
    return data.formats()[found.kind].load(found, config, device, log)
