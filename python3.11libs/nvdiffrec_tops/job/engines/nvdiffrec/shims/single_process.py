"""A training of one process in an environment that was made for several.

``WORLD_SIZE`` above 1 switches nvdiffrec to several graphics cards: it waits then for that many
processes, which nobody starts.
"""

from __future__ import annotations

from nvdiffrec_tops.job.engines.nvdiffrec.shims.start import Shim, Start

NAME = "single-process"


def install(start: Start) -> None:
    """Set ``WORLD_SIZE`` to 1 unless a launcher of several processes has started this one."""
    size = start.environ.get("WORLD_SIZE", "").strip()
    if size.isdigit() and int(size) > 1 and "LOCAL_RANK" not in start.environ:
        start.environ["WORLD_SIZE"] = "1"
        start.say(NAME, f"WORLD_SIZE was {size}, but this process was started alone: set to 1")


SHIM = Shim(
    NAME,
    "WORLD_SIZE is above 1, and no torchrun has started this process (LOCAL_RANK is not set)",
    "sets WORLD_SIZE to 1, so that the training does not wait for processes that nobody starts",
    install,
)
