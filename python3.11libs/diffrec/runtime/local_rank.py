"""Which of the processes of one run this one is; known before PyTorch is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping


def local_rank(environ: Mapping[str, str] | None = None) -> int | None:
    """The number of this process on its machine; None where there is no other process."""
    environ = os.environ if environ is None else environ
    try:
        if int(environ.get("WORLD_SIZE", "1")) < 2:
            return None
        return int(environ["LOCAL_RANK"])
    except (KeyError, ValueError):
        return None
