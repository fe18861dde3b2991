"""What the digital assets' Python Processors do: one module per asset, called by its snippets.

The modules keep no work items and no state between calls, and import nothing heavy, so that they
may run on any thread of Houdini.
"""

from __future__ import annotations

from . import attributes, capture, environment, static, train

__all__ = ["attributes", "capture", "environment", "static", "train"]
