"""Formats of an asset: a module each, found here.

A module has `LABEL`, what it writes, with {name} for the asset's name; `PACKAGE`, what is imported
and what is installed for that, or None; `UDIM`, whether its readers know pictures of UDIM tiles;
`LINEAR`, whether its readers want roughness, metalness and normal as OpenEXR where those are PNG;
`BESIDE`, whether it may run on a thread while textures are written and pictures rendered; and
`export(asset)`, which writes into `asset.folder` and returns the paths of its files there, the one
that a reader opens first.

USD may not run beside: while its libraries are loaded they let other threads have Python, and wait
for it. A thread that calls PyTorch for the first time has it then, and waits for the loader: for
good.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path
from typing import Any


def formats() -> dict[str, Any]:
    """The modules of this folder by name."""
    return {
        one.name: import_module(f"{__name__}.{one.name}")
        for one in pkgutil.iter_modules([str(Path(__file__).parent)])
    }
