"""Trains a configuration in this process and says how good the result is.

    .venv/bin/python examples/train_from_python.py CONFIGURATION.json FOLDER

Without arguments it writes the sample scene into ``sample/`` and trains a small version of it into
``out/from_python``, which takes a minute or so on a processor. Paths in a configuration are
relative to the current folder.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from diffrec import Progress, train
from nvdiffrec_contract.errors import UserError


def show(progress: Progress) -> None:
    """Print one line; called after every tenth iteration."""
    print(
        f"pass {progress.pass_number}, iteration {progress.iteration}/{progress.iterations}: "
        f"image loss {progress.image_loss:.4f}"
    )


def small_sample(folder: Path) -> dict[str, Any]:
    """Write the sample scene; returns a configuration that trains it in little time."""
    from diffrec.sample import CONFIGURATION, write_sample

    write_sample(folder)
    return {
        **CONFIGURATION,
        "ref_mesh": str(folder / "sample.obj"),
        "envmap": str(folder / "sky.hdr"),
        "iter": 50,
        "train_res": [64, 64],
        "texture_res": [128, 128],
        "batch": 2,
        "diffrec": {"light_res": 64, "validation_views": 2},
    }


def main(arguments: list[str]) -> int:
    """Train; returns the exit code."""
    configuration: str | dict[str, Any]
    if arguments:
        configuration, folder = arguments
    else:
        configuration, folder = small_sample(Path("sample")), "out/from_python"
    try:
        result = train(configuration, folder=folder, device="auto", on_progress=show)
    except UserError as problem:
        print(problem, file=sys.stderr)
        return problem.exit_code
    print(f"PSNR of the held-out views {result.psnr} dB, mesh {result.mesh}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
