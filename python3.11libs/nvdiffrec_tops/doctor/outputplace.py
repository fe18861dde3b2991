"""The folder in which results will lie, or the nearest one above it that exists."""

from __future__ import annotations

import os


def existing_folder(path: str) -> str | None:
    """``path`` itself when it is a folder, else the nearest folder above it; None when a file
    stands in the way or the path is none."""
    try:
        path = os.path.abspath(path)
        while not os.path.isdir(path):
            above = os.path.dirname(path)
            if os.path.lexists(path) or above == path:
                return None
            path = above
    except (OSError, ValueError):
        return None
    return path
