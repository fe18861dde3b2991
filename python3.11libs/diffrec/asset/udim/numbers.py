"""UDIM numbers: 1001 is the tile of the unit square, 1002 the one to its right, and 1011 is above.

As MaterialX and Mari count: 1001 + U + 10 V, with V upward.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from diffrec.geometry.mesh import Mesh

Ints = NDArray[np.int64]

FIRST, COLUMNS = 1001, 10
TOKEN = "<UDIM>"
"""What stands for the number in the name of a file."""
_NUMBERED = re.compile(r"\.1[0-9]{3}\.(?=[a-z]+$)")


def offset_of(tile: Ints) -> Ints:
    """What places texture coordinates, v down, in tiles [N] counted from 0: [N, 2]."""
    return np.stack([tile % COLUMNS, -(tile // COLUMNS)], axis=1)


def tiles_of(mesh: Mesh) -> Ints:
    """For each triangle [F] the tile that it lies in, counted from 0."""
    assert mesh.texcoords is not None and mesh.texcoord_triangles is not None
    middle = mesh.texcoords[mesh.texcoord_triangles].double().mean(dim=1)
    column, below = torch.floor(middle).long().cpu().numpy().T
    found: Ints = column - COLUMNS * below
    return found


def file_of(pattern: str, tile: int) -> str:
    """The file of a tile, counted from 0, by a name with `TOKEN` in it."""
    return pattern.replace(TOKEN, str(FIRST + tile))


def pattern_of(file: str) -> str:
    """The name with `TOKEN` in it that a tile's file has."""
    return _NUMBERED.sub(f".{TOKEN}.", file)


def remove_others(folder: Path, files: Iterable[Path]) -> None:
    """Remove tiles of an older asset in `folder`, whose names would pass for those of `files`.

    Raises:
        OSError: one cannot be removed.
    """
    kept = {*files}
    ours = {pattern_of(one.name) for one in kept}
    for path in folder.glob("*.1[0-9][0-9][0-9].*"):
        if path not in kept and pattern_of(path.name) in ours and not path.is_dir():
            path.unlink()
