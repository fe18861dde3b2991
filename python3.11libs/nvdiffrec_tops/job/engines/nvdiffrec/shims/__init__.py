"""Lets an unmodified checkout run with today's libraries, without a change to any file.

A shim is one file with a :data:`SHIM`. It is installed before the training script starts and acts
only where it is needed, mostly when the script first imports the library in question; what it does
then stands in the log as one line, ``Shim NAME: ...``. To add one, write its file and name it in
:data:`SHIMS`.
"""

from __future__ import annotations

from collections.abc import Sequence

from nvdiffrec_tops.job.engines.nvdiffrec.shims import (
    display_window,
    extension_cache,
    extension_lock,
    extension_name,
    hdr_files,
    numpy_names,
    rasterizer_names,
    single_process,
)
from nvdiffrec_tops.job.engines.nvdiffrec.shims.start import Refused, Shim, Start

__all__ = ["SHIMS", "Refused", "Shim", "Start", "install", "listing"]

SHIMS: tuple[Shim, ...] = (
    display_window.SHIM,
    extension_cache.SHIM,
    extension_lock.SHIM,
    extension_name.SHIM,
    hdr_files.SHIM,
    numpy_names.SHIM,
    rasterizer_names.SHIM,
    single_process.SHIM,
)


def install(start: Start, shims: Sequence[Shim] = SHIMS) -> None:
    """Install the shims for one start of a training script.

    Raises:
        Refused: the script cannot run here as it is asked to.
    """
    for shim in shims:
        shim.install(start)


def listing(shims: Sequence[Shim] = SHIMS) -> str:
    """The shims, each with when it is needed and what it does, for people."""
    return "\n".join(f"{one.name}\n  when: {one.needed}\n  does: {one.does}" for one in shims)
