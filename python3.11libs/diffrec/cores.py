"""How much of the machine is ours; known before PyTorch is loaded."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Cores this process may run on (a container or scheduler may grant fewer than exist)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
