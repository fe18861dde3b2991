"""NVlabs nvdiffrec in the user's own, unmodified checkout and environment.

The launcher and the doctor import single modules of this folder, and not the engine with them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    if name == "ENGINE":
        return import_module(f"{__name__}.engine").ENGINE
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
