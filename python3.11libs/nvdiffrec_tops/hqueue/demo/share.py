"""The demo farm's shared folder: a scene, a small sample, and where the results go."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from nvdiffrec_contract.files import replace_file
from nvdiffrec_tops.command import JOB_SCRIPT
from nvdiffrec_tops.hqueue.problem import HQueueProblem

SCENE = "TOPs_nvdiffrec_HQueue.hip"
CONFIGURATIONS = ("sample_light", "sample_dark")
_TOOLKIT = JOB_SCRIPT.parents[3]
_MARK = "nvdiffrec-tops farm demo.txt"
_NOTE = "Made by nvdiffrec-tops farm demo. The whole folder may be deleted when no demo runs.\n"
_SMALL = {
    "iter": 20,
    "train_res": [64, 64],
    "texture_res": [64, 64],
    "batch": 2,
    "dmtet_grid": 16,
    "diffrec": {"light_res": 16, "validation_views": 2},
}
"""A training of seconds on a processor. It shows the way, not the quality."""


def prepare(folder: Path) -> Path:
    """Lay out a demo's folder, or complete it; the scene in its shared folder.

    Raises:
        HQueueProblem: the folder is not the demo's, or the sample cannot be made.
    """
    shared = folder / "shared"
    scene = shared / "hip" / SCENE
    try:
        if not (folder / _MARK).is_file():
            if folder.exists() and any(folder.iterdir()):
                raise HQueueProblem(
                    f"the folder {folder} holds something that is not of a demo farm",
                    "choose an empty or a new one with --folder",
                )
            folder.mkdir(parents=True, exist_ok=True)
            (folder / _MARK).write_text(_NOTE, encoding="utf-8")
        scene.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_TOOLKIT / "hip" / SCENE, scene)
        sample = shared / "sample"
        if not all((sample / f"{name}.json").is_file() for name in CONFIGURATIONS):
            _write_sample(sample)
    except OSError as error:
        raise HQueueProblem(
            f"the demo's folder cannot be made: {error.filename or folder}: "
            f"{error.strerror or error}",
            "choose another one with --folder",
        ) from None
    return scene


def _write_sample(sample: Path) -> None:
    """The toolkit's sample with configurations of a few iterations. Raises OSError."""
    command = [sys.executable, "-m", "diffrec.sample", str(sample)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise HQueueProblem(
            f"the sample cannot be made: {said[-1] if said else f'exit code {done.returncode}'}",
            "run the demo with the toolkit's own Python, which ./scripts/cook sets up",
        )
    document = json.loads((sample / "sample.json").read_text(encoding="utf-8"))
    for old in sample.glob("*.json"):
        old.unlink()
    for name in CONFIGURATIONS:
        small = {**document, **_SMALL, "out_dir": name}
        replace_file(sample / f"{name}.json", json.dumps(small, indent=4).encode())
