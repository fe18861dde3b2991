"""diffrec: triangle meshes, PBR materials and environment light recovered from images.

An independent implementation of the method of Munkberg et al., *Extracting Triangular 3D Models,
Materials, and Lighting From Images* (CVPR 2022), in plain PyTorch with Numba and Warp kernels.
"""

from __future__ import annotations

__version__ = "0.1.0"
