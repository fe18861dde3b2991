"""Texture coordinates for a mesh: xatlas in a child process, or a method that cannot fail.

xatlas makes good charts, but it can run for minutes on noisy surfaces and, being native code,
take its process down. It therefore runs in a child with a time limit; when it does not deliver
a valid answer, charts by projection (`diffrec.geometry.boxcharts`) take its place.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from diffrec.geometry.boxcharts import box_charts
from diffrec.geometry.mesh import EmptyMeshError, Mesh

__all__ = ["Charted", "chart"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Charted:
    """A mesh with texture coordinates, and how it came to them.

    method: "xatlas" or "box projection"; charts: how many; seconds: wall clock; degenerate:
    triangles without area, which keep their place in the mesh and need no texels; note: why
    xatlas was not used, for the log, else None.
    """

    mesh: Mesh
    method: str
    charts: int
    seconds: float
    degenerate: int
    note: str | None = None


def chart(
    mesh: Mesh,
    resolution: int | Sequence[int],
    *,
    timeout: float = 300.0,
    command: Sequence[str] | None = None,
) -> Charted:
    """Charts and packs a mesh; positions, triangles and their order stay as they are.

    resolution: of the texture, texels or (height, width); it sets the space between charts.
    timeout: seconds that xatlas may take; 0 does without it. command: the child process in place
    of xatlas, its input and output file are appended (for tests).
    The texture coordinates lie in [0, 1] with the origin top left, do not overlap and are not
    mirrored: increasing texture height is cross(normal, tangent) everywhere.
    Raises EmptyMeshError for a mesh without triangles.
    """
    if mesh.triangles.numel() == 0:
        raise EmptyMeshError("There is no triangle to give texture coordinates to.")
    texels = resolution if isinstance(resolution, int) else min(resolution)
    positions = mesh.positions.detach().cpu().double().numpy()
    triangles = mesh.triangles.detach().cpu().numpy().astype(np.int64)
    degenerate = _degenerate(positions, triangles)

    start = time.monotonic()
    note: str | None = "the time limit is 0" if timeout <= 0 else None
    method, found = "xatlas", None
    if note is None:
        try:
            found = _run_xatlas(positions, triangles, texels, timeout, command)
        except _NoCharts as reason:
            note = str(reason)
    if found is None:
        method = "box projection"
        found = box_charts(positions, triangles, texels)
    texcoords, texcoord_triangles, charts = found
    device = mesh.positions.device
    charted = replace(
        mesh,
        texcoords=torch.from_numpy(texcoords.astype(np.float32)).to(device),
        texcoord_triangles=torch.from_numpy(texcoord_triangles).to(device),
        tangents=None,
        tangent_triangles=None,
    )
    return Charted(charted, method, charts, time.monotonic() - start, degenerate, note)


class _NoCharts(Exception):
    """xatlas did not deliver; the text says why."""


def _run_xatlas(
    positions: Floats,
    triangles: Ints,
    resolution: int,
    timeout: float,
    command: Sequence[str] | None,
) -> tuple[Floats, Ints, int]:
    """Texture coordinates from the child process. Raises _NoCharts."""
    if command is None:
        command = [sys.executable, "-m", "diffrec.geometry.xatlas_process"]
    with tempfile.TemporaryDirectory(prefix="diffrec_charts_") as folder:
        source, target = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(
            source,
            positions=positions.astype(np.float32),
            triangles=triangles.astype(np.uint32),
            resolution=resolution,
        )
        _run_child([*command, str(source), str(target)], timeout)
        try:
            with np.load(target, allow_pickle=False) as data:
                texcoords = np.asarray(data["texcoords"], dtype=np.float64)
                indices = np.asarray(data["triangles"], dtype=np.int64)
                charts = int(data["charts"])
        except (OSError, ValueError, KeyError) as error:
            raise _NoCharts("xatlas left no result") from error
    _check(texcoords, indices, triangles)
    return texcoords, indices, charts


def _run_child(command: Sequence[str], timeout: float) -> None:
    """Run to the end or to the time limit; nothing stays alive afterwards.

    The child remains in this process's group, so that whatever ends a whole job ends it too.
    """
    environment = dict(os.environ)
    # The child finds the package that runs here, however this process came to it.
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _NoCharts(f"xatlas took longer than {timeout:g} s and was stopped") from None
    except OSError as error:
        raise _NoCharts(f"xatlas could not be started: {error.strerror}") from error
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        last = f": {lines[-1][:200]}" if lines else ""
        raise _NoCharts(f"xatlas ended with code {done.returncode}{last}")


def _check(texcoords: Floats, indices: Ints, triangles: Ints) -> None:
    """Refuse an answer that would break the renderer. Raises _NoCharts."""
    if texcoords.ndim != 2 or texcoords.shape[1] != 2 or indices.shape != triangles.shape:
        raise _NoCharts("xatlas returned another mesh")
    if indices.min() < 0 or indices.max() >= len(texcoords):
        raise _NoCharts("xatlas returned indices out of range")
    if not np.isfinite(texcoords).all() or texcoords.min() < -1e-4 or texcoords.max() > 1 + 1e-4:
        raise _NoCharts("xatlas returned texture coordinates outside of the texture")


def _degenerate(positions: Floats, triangles: Ints) -> int:
    """How many triangles have no area to speak of."""
    a, b, c = (positions[triangles[:, k]] for k in range(3))
    doubled = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    longest = np.maximum(np.linalg.norm(b - a, axis=1), np.linalg.norm(c - a, axis=1))
    return int((doubled <= 1e-7 * longest**2).sum())
