"""``import renderutils_plugin`` right after building it, which PyTorch 2.11 no longer allows."""

from __future__ import annotations

import functools
import sys
from types import ModuleType
from typing import Any

from nvdiffrec_tops.job.engines.nvdiffrec.shims.imports import after_import
from nvdiffrec_tops.job.engines.nvdiffrec.shims.start import Shim, Start

NAME = "extension-name"


def install(start: Start) -> None:
    """Enter the module that PyTorch's extension loader returns into ``sys.modules``."""

    def change(module: ModuleType) -> None:
        for function in ("load", "load_inline"):
            if callable(getattr(module, function, None)):
                setattr(module, function, _entering(getattr(module, function), start))

    after_import("torch.utils.cpp_extension", change)


def _entering(load: Any, start: Start) -> Any:
    @functools.wraps(load)
    def loaded(*args: Any, **kwargs: Any) -> Any:
        result = load(*args, **kwargs)
        name = args[0] if args else kwargs.get("name")
        if isinstance(result, ModuleType) and isinstance(name, str) and name not in sys.modules:
            sys.modules[name] = result
            start.say(NAME, f"the extension {name} can be imported by its name")
        return result

    return loaded


SHIM = Shim(
    NAME,
    "PyTorch 2.11 or newer: an extension that was just built cannot be imported by its name",
    "enters the module that the extension loader returns under the extension's name",
    install,
)
