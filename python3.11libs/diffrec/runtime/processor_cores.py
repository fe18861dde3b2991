"""How much of the machine is ours; known before PyTorch is loaded."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Cores this process may run on (a container or scheduler may grant fewer than exist)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def step_back() -> None:
    """Leave the cores to others where there are too few for all, for this process's life."""
    if hasattr(os, "nice"):
        os.nice(5)
