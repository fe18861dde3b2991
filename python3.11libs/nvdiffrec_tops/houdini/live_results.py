"""*Live* of the *nvdiffrec Result* SOP: it cooks again whenever the training has written more.

Houdini calls what watches while it is idle, and only where it has a window: elsewhere a node shows
what there is when it cooks.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import hou

from nvdiffrec_tops.houdini import result_files
from nvdiffrec_tops.houdini.messages import ToolError

INNER = "python1"
"""The Python node inside the asset."""
_SECONDS = 1.0
watches: dict[str, Callable[[], None]] = {}
"""What is called while Houdini is idle, by the path of the node that it watches for."""


def watch(asset: hou.OpNode) -> None:
    """Have a node cook again when the result that it names changes, as long as it is live."""
    path = asset.path()
    if path in watches or not hou.isUIAvailable():
        return
    seen, due = _state(asset), 0.0

    def look() -> None:
        nonlocal seen, due
        if time.monotonic() < due:
            return
        due = time.monotonic() + _SECONDS
        node = cast("hou.OpNode | None", hou.node(path))
        live = node.parm("live") if node is not None else None
        if node is None or live is None or not live.evalAsInt():
            hou.ui.removeEventLoopCallback(look)
            watches.pop(path, None)
            return
        now = _state(node)
        inner = node.node(INNER)
        if now != seen and inner is not None:
            seen = now
            with contextlib.suppress(hou.OperationFailed):
                inner.cook(force=True)  # the node shows what is wrong; the next file may be right

    watches[path] = look
    hou.ui.addEventLoopCallback(look)


def _state(asset: hou.OpNode) -> tuple[object, ...]:
    """What changes when the shown file does: its path, its time, its size."""
    parm = asset.parm("result")
    result = Path(parm.evalAsString() if parm is not None else "")
    path = result_files.live_mesh(result)
    try:
        state = (path or result_files.mesh(result, 0)).stat()
    except (OSError, ToolError):
        return (path,)
    return path, state.st_mtime_ns, state.st_size
