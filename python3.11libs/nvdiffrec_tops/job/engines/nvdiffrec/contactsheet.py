"""One picture of what a training recovered: views as rows, reference beside result.

Run by the training environment's own Python, which has what nvdiffrec wrote the pictures with:
``contactsheet.py FOLDER``. It takes the pictures of the validation (reference, result, then what
``display`` asked for), else the last ones of the training, which are such rows already.
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

SHEET = "contact_sheet.png"
"""As the contract's layout calls it, which a test holds: the script runs without the toolkit."""
MOST_ROWS = 4
LARGEST = 512  # pixels of a cell's longer edge
GAP = 6
PAPER = 34
SECONDS = 120.0

_VIEW = re.compile(r"val_(\d+)_(\w+)\.png$")
_FIRST = {"ref": 0, "opt": 1}


def make(folder: str, python: str, environment: Mapping[str, str]) -> str | None:
    """Write the sheet into a finished training's folder; a sentence on why there is none."""
    if not os.path.isdir(folder) or not rows(folder):
        return "there is no contact sheet, as the training left no pictures of views"
    try:
        done = subprocess.run(
            [python, os.path.abspath(__file__), folder],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            # Copying pictures is no work for NumPy's many threads, and starting them takes time.
            env={**environment, "OPENBLAS_NUM_THREADS": "1"},
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"there is no contact sheet: {error}"
    if done.returncode == 0:
        return None
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return f"there is no contact sheet: {said[-1][:300] if said else 'its pictures are unreadable'}"


def rows(folder: str) -> list[list[str]]:
    """The paths of the pictures of each row."""
    for name in ("validate", "dmtet_validate"):
        views: dict[str, list[tuple[int, str, str]]] = {}
        place = os.path.join(folder, name)
        for file in sorted(os.listdir(place)) if os.path.isdir(place) else []:
            match = _VIEW.match(file)
            if match:
                column = _FIRST.get(match.group(2), 2), match.group(2), os.path.join(place, file)
                views.setdefault(match.group(1), []).append(column)
        whole = [sorted(columns) for _, columns in sorted(views.items()) if len(columns) > 1]
        if whole:
            count = min(MOST_ROWS, len(whole))
            chosen = [whole[index * len(whole) // count] for index in range(count)]
            return [[path for *_, path in columns] for columns in chosen]
    trained = sorted(one for one in os.listdir(folder) if re.match(r"img_\w+_\d+\.png$", one))
    return [[os.path.join(folder, one)] for one in trained[-MOST_ROWS:]]


def main(folder: str) -> int:
    """Compose the sheet of a folder and write it there."""
    # Not the job's own: they are the environment's, and nothing else of the job needs them.
    imageio: Any = importlib.import_module("imageio")
    numpy: Any = importlib.import_module("numpy")
    lines = []
    for paths in rows(folder):
        cells = []
        for path in paths:
            picture = numpy.asarray(imageio.imread(path))
            if picture.ndim == 2:
                picture = picture[..., None].repeat(3, axis=2)
            step = max(-(-picture.shape[0] // LARGEST), 1)
            picture = picture[::step, ::step, :3].astype(numpy.uint8)
            cells.append(numpy.pad(picture, ((GAP, 0), (GAP, 0), (0, 0)), constant_values=PAPER))
        height = max(one.shape[0] for one in cells)
        lines.append(numpy.concatenate([_padded(numpy, one, height, 0) for one in cells], axis=1))
    width = max(one.shape[1] for one in lines)
    sheet = numpy.concatenate([_padded(numpy, one, 0, width) for one in lines], axis=0)
    edges = ((0, GAP), (0, GAP), (0, 0))
    imageio.imwrite(os.path.join(folder, SHEET), numpy.pad(sheet, edges, constant_values=PAPER))
    return 0


def _padded(numpy: Any, picture: Any, height: int, width: int) -> Any:
    more = max(height - picture.shape[0], 0), max(width - picture.shape[1], 0)
    return numpy.pad(picture, ((0, more[0]), (0, more[1]), (0, 0)), constant_values=PAPER)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
