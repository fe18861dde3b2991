"""Both names of nvdiffrast's rasteriser contexts, whichever of them is installed.

Old versions know the OpenGL context alone, newer ones also CUDA's, and a build may lack either.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from nvdiffrec_tops.job.shims.imports import after_import
from nvdiffrec_tops.job.shims.start import Shim, Start

NAME = "rasterizer-names"
GL = "RasterizeGLContext"
CUDA = "RasterizeCudaContext"


def install(start: Start) -> None:
    """Give the missing context the other's place."""

    def change(module: ModuleType) -> None:
        gl, cuda = getattr(module, GL, None), getattr(module, CUDA, None)
        if gl is None and cuda is not None:
            setattr(module, GL, _gl_by_cuda(cuda))
            start.say(NAME, f"{GL} is answered by {CUDA}: this nvdiffrast has no OpenGL")
        elif cuda is None and gl is not None:
            setattr(module, CUDA, _cuda_by_gl(gl))
            start.say(NAME, f"{CUDA} is answered by {GL}: this nvdiffrast has no CUDA rasteriser")

    after_import("nvdiffrast.torch", change)


def _gl_by_cuda(cuda: Any) -> Any:
    class RasterizeGLContext(cuda):  # type: ignore[misc]
        """The CUDA context, made and used as the OpenGL one was."""

        def __init__(self, output_db: bool = True, mode: str = "automatic", device: Any = None):
            super().__init__(device=device)

        def set_context(self) -> None:
            """Nothing to make current."""

        def release_context(self) -> None:
            """Nothing to release."""

    return RasterizeGLContext


def _cuda_by_gl(gl: Any) -> Any:
    class RasterizeCudaContext(gl):  # type: ignore[misc]
        """The OpenGL context, made as the CUDA one is."""

        def __init__(self, device: Any = None):
            super().__init__(device=device)

    return RasterizeCudaContext


SHIM = Shim(
    NAME,
    f"the installed nvdiffrast has only one of {GL} and {CUDA}",
    "gives the missing name the other context",
    install,
)
