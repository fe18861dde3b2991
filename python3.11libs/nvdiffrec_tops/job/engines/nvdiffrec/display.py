"""Whether this machine can show a window."""

from __future__ import annotations

from collections.abc import Mapping


def headless(environ: Mapping[str, str], platform: str) -> bool:
    """Whether no window can be opened: a Unix session without a display server."""
    if platform in ("win32", "cygwin", "darwin"):
        return False
    return not (environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))
