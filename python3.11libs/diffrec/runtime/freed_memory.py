"""Memory that the process has freed, kept for what it takes next."""

from __future__ import annotations

import ctypes
import sys

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
BLOCK = 32_000_000
"""Larger blocks are given back at once: they would be most of the memory."""
KEPT = 400_000_000


def keep() -> bool:
    """Have glibc keep what is freed in blocks up to `BLOCK` bytes, `KEPT` bytes of it at most; for
    a command that makes many large arrays and ends soon. Whether it does: other libraries have no
    such choice.

    Else each array of some megabytes is new memory, which the kernel fills with zeros: a third of
    the kernel's time in exporting a large result.
    """
    choose = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if choose is None:
        return False
    # One arena: each other one would keep as much.
    chosen = {_ARENA_MAX: 1, _MMAP_THRESHOLD: BLOCK, _TRIM_THRESHOLD: KEPT}
    return {bool(choose(what, value)) for what, value in chosen.items()} == {True}
