"""Compiles what trainings on a processor need, by a small training, before the tests begin.

Each of their own small trainings would begin to compile it, and end before it is done; several at
once would each compile the same. Where everything is compiled already, this ends soon.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import torch

from diffrec import side_work, train
from diffrec.runtime.compilation_ahead import WarmUp
from diffrec.sample import write_sample

# From here on the parts of a work have a process each, so that no core stands idle.
_CORES = 4


def main() -> None:
    """Compile, and wait until it is done."""
    with WarmUp(max(_CORES, os.cpu_count() or 1)) as ahead, tempfile.TemporaryDirectory() as place:
        ahead.compile_cleaning()
        ahead.compile_charting()
        ahead.compile_kernels(torch.device("cpu"))
        side_work.wait_for_all()  # else the training would compile the same once more
        folder = Path(place)
        write_sample(folder)
        configuration = {
            "ref_mesh": str(folder / "sample.obj"),
            "envmap": str(folder / "sky.hdr"),
            "iter": 2,
            "batch": 1,
            "save_interval": 0,
            "train_res": [32, 32],
            "texture_res": [32, 32],
            "dmtet_grid": 12,
            "diffrec": {"light_res": 16, "validation_views": 1, "hashgrid_size_log2": 8},
        }
        train(configuration, folder=folder / "made", device="cpu", log=lambda _line: None)


if __name__ == "__main__":
    main()
