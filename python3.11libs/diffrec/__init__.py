"""diffrec: triangle meshes, PBR materials and environment light recovered from images.

An independent implementation of the method of Munkberg et al., *Extracting Triangular 3D Models,
Materials, and Lighting From Images* (CVPR 2022), in plain PyTorch with Numba and Warp kernels.

    from diffrec import train

    result = train("configs/bob.json", on_progress=lambda progress: print(progress.image_loss))
    print(result.mesh, result.psnr)

`train`, `Progress` and `Result` are what other programs may rely on. What a user has to mend
arrives as ``nvdiffrec_contract.errors.UserError``.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nvdiffrec_contract import VERSION

if TYPE_CHECKING:
    from diffrec.interface import Result, train
    from diffrec.progress import Progress

# PyTorch and Numba each bring an OpenMP; threads that spin while they wait would take each other's
# cores. A while of it, a tenth of a millisecond or so, saves waking a thread for each of the
# thousand operations of an iteration. Read when the libraries load, so it must stand before that.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "30000")

__version__ = VERSION

# Loaded when they are first asked for: whoever looks at data or pictures needs none of a training.
_PLACES = {"Progress": "progress", "Result": "interface", "train": "interface"}

__all__ = ["Progress", "Result", "train"]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
