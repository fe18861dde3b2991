"""Preview windows, which a machine without a display cannot show."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from nvdiffrec_tops.job.engines.nvdiffrec.display import headless
from nvdiffrec_tops.job.engines.nvdiffrec.shims.imports import after_import
from nvdiffrec_tops.job.engines.nvdiffrec.shims.start import Refused, Shim, Start

NAME = "display-window"
REASON = (
    "this machine has no display (neither DISPLAY nor WAYLAND_DISPLAY is set), so nvdiffrec cannot "
    "open its preview window; set display_interval to 0"
)


def install(start: Start) -> None:
    """Refuse a preview before anything is loaded, and windows that are opened all the same.

    Raises:
        Refused: the configuration or the command line asks for a preview.
    """
    if not headless(start.environ, start.platform):
        return
    # The configuration's value wins over the command line's, as in the training script.
    interval = start.configuration().get(
        "display_interval", start.option("--display-interval", "-di")
    )
    if _above_zero(interval):
        raise Refused(REASON)

    def change(module: ModuleType) -> None:
        def refuse(*_: Any, **__: Any) -> Any:
            start.say(NAME, "a window is refused")
            raise RuntimeError(REASON)

        for name in ("init", "create_window"):
            if callable(getattr(module, name, None)):
                setattr(module, name, refuse)

    after_import("glfw", change)


def _above_zero(value: Any) -> bool:
    try:
        return float(value) > 0
    except (TypeError, ValueError):
        return False


SHIM = Shim(
    NAME,
    "a preview is asked for (display_interval) where there is no display",
    "ends with that reason before anything is loaded, instead of a crash in a window library",
    install,
)
