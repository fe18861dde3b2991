"""Charts by xatlas, each part of the mesh in a child process of its own, several at a time.

The time that xatlas takes grows faster than the mesh, so parts are quicker even one after another.
Being native code, it can take its process down or run for minutes: a child that fails or takes
too long costs the charts of its part alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from diffrec.runtime.processor_cores import usable_cores

__all__ = ["NoCharts", "xatlas_charts"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Layout = tuple[Floats, Ints]


class NoCharts(Exception):
    """xatlas did not deliver; the text says why."""


def xatlas_charts(
    positions: Floats,
    triangles: Ints,
    parts: Sequence[Ints],
    *,
    timeout: float,
    command: Sequence[str] | None = None,
    workers: int | None = None,
) -> list[Layout | NoCharts]:
    """For each part: texcoords [T, 2] and triangles [N, 3] into them, or why there are none.

    parts: ids of triangles. The charts are as large as on the surface, v upward, and not packed.
    timeout: seconds for all parts together. command: in place of the child process; its input
    and output file are appended. workers: children at a time, by default one per usable core;
    the charts do not depend on it.
    """
    if command is None:
        command = [sys.executable, "-m", "diffrec.charting.xatlas_process"]
    end = time.monotonic() + timeout
    with tempfile.TemporaryDirectory(prefix="diffrec_charts_") as folder:

        def one(number: int) -> Layout | NoCharts:
            left = end - time.monotonic()
            try:
                if left <= 0:
                    raise NoCharts(_late(timeout))
                files = Path(folder, f"{number}_in.npz"), Path(folder, f"{number}_out.npz")
                return _chart(positions, triangles[parts[number]], *files, command, left, timeout)
            except NoCharts as reason:
                return reason

        with ThreadPoolExecutor(max(1, workers or usable_cores())) as pool:
            return list(pool.map(one, range(len(parts))))


def _late(timeout: float) -> str:
    return f"xatlas took longer than {timeout:g} s and was stopped"


def _chart(
    positions: Floats,
    triangles: Ints,
    source: Path,
    target: Path,
    command: Sequence[str],
    left: float,
    timeout: float,
) -> Layout:
    """The charts of one part from a child that has `left` seconds. Raises NoCharts."""
    used, local = np.unique(triangles, return_inverse=True)
    np.savez(
        source,
        positions=positions[used].astype(np.float32),
        triangles=local.reshape(-1, 3).astype(np.uint32),
    )
    _run([*command, str(source), str(target)], left, timeout)
    try:
        with np.load(target, allow_pickle=False) as data:
            texcoords = np.asarray(data["texcoords"], dtype=np.float64)
            indices = np.asarray(data["triangles"], dtype=np.int64)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise NoCharts("xatlas left no result") from error
    _check(texcoords, indices, triangles)
    return texcoords, indices


def _run(command: Sequence[str], left: float, timeout: float) -> None:
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
            timeout=left,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NoCharts(_late(timeout)) from None
    except OSError as error:
        raise NoCharts(f"xatlas could not be started: {error.strerror}") from error
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        last = f": {lines[-1][:200]}" if lines else ""
        raise NoCharts(f"xatlas ended with code {done.returncode}{last}")


def _check(texcoords: Floats, indices: Ints, triangles: Ints) -> None:
    """Refuse an answer that would break the renderer. Raises NoCharts."""
    if texcoords.ndim != 2 or texcoords.shape[1] != 2 or indices.shape != triangles.shape:
        raise NoCharts("xatlas returned another mesh")
    if indices.min() < 0 or indices.max() >= len(texcoords):
        raise NoCharts("xatlas returned indices out of range")
    if not np.isfinite(texcoords).all():
        raise NoCharts("xatlas returned texture coordinates that are not finite")
    # A texture coordinate of several positions would tear charts apart and weld others.
    pairs = np.unique(np.stack([indices.reshape(-1), triangles.reshape(-1)], 1), axis=0)
    if len(np.unique(pairs[:, 0])) != len(pairs):
        raise NoCharts("xatlas returned another mesh")
