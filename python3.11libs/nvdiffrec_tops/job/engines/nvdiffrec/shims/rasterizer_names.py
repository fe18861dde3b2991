"""Both names of nvdiffrast's rasteriser contexts, whichever of them is installed.

Old versions know the OpenGL context alone, newer ones also CUDA's, and a build may lack either.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from nvdiffrec_tops.job.engines.nvdiffrec.shims.imports import after_import
from nvdiffrec_tops.job.engines.nvdiffrec.shims.start import Shim, Start

NAME = "rasterizer-names"
GL = "RasterizeGLContext"
CUDA = "RasterizeCudaContext"


def install(start: Start) -> None:
    """Give the missing context the other's place, once it is asked for."""

    def change(module: ModuleType) -> None:
        own = getattr(module, "__getattr__", None)
        made: dict[str, Any] = {}

        def answer(name: str) -> Any:
            there = vars(module)
            if name not in made:
                if name == GL and CUDA in there:
                    made[name] = _gl_by_cuda(there[CUDA])
                    start.say(NAME, f"{GL} is answered by {CUDA}: there is no OpenGL context")
                elif name == CUDA and GL in there:
                    made[name] = _cuda_by_gl(there[GL])
                    start.say(NAME, f"{CUDA} is answered by {GL}: there is no CUDA context")
                elif own is not None:
                    return own(name)
                else:
                    raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            return made[name]

        module.__getattr__ = answer  # type: ignore[method-assign]

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
    f"the checkout uses {GL} or {CUDA} and the installed nvdiffrast has the other alone",
    "gives the missing name the other context",
    install,
)
