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

from diffrec.interface import Result, train
from diffrec.progress import Progress
from nvdiffrec_contract import VERSION

# PyTorch and Numba each bring an OpenMP; threads that spin while they wait would take each other's
# cores. A while of it, a tenth of a millisecond or so, saves waking a thread for each of the
# thousand operations of an iteration. Read when the libraries load, so it must stand before that.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "30000")

__version__ = VERSION

__all__ = ["Progress", "Result", "train"]
