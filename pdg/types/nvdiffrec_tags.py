"""What opens a training's files from the work item's window: PDG loads this when Houdini starts.

A file whose tag has no viewer opens its folder.
"""

from __future__ import annotations

from typing import Any

VIEWERS = {
    "file/geo/obj": "gplay",
    "file/image/exr": "mplay",
    "file/image/hdr": "mplay",
    "file/image/jpg": "mplay",
    "file/image/png": "mplay",
}


def registerTypes(type_registry: Any) -> None:
    """Called by PDG. A viewer that Houdini or the studio has chosen stays."""
    for tag, viewer in VIEWERS.items():
        if not type_registry.isViewable(tag):
            type_registry.addTagViewer(tag, viewer)
